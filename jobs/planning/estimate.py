"""Estimate: what a run would read, write and take, before it writes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs.pinned import JOB_FILE, agree, read_pinned
from photochrom.jobs.planning import effort
from photochrom.jobs.planning.log import unplanned
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.pace import known_pace
from photochrom.jobs.planning.plan import PLAN_ROWS, read_plans
from photochrom.jobs.planning.shards import bounds
from photochrom.jobs.settings import Run

_PRINT_BYTES_PER_PIXEL = {"png": 2.2, "jpeg": 0.45, "webp": 0.25, "none": 0.0}
PLATE_BYTES = 60_000
_COLUMNS = ["source_uri", "source_bytes", "skip"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do; bytes out are rough, and so are seconds unless a pace was measured.

    Seconds are of one replica; the price is that of the nodes for so long, None if none is set.
    """

    rows: int
    known: int
    work: int
    skips: Mapping[str, int]
    left_out: Mapping[str, int]
    bytes_in: int
    bytes_out: int
    shards: int
    pace: float | None
    seconds: float
    price: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def estimate(order: Order, pace: float | None = None) -> Forecast:
    """Forecast a run; reads the place, writes nothing; raises OtherJob like the run itself.

    The pace is what was just measured, else what the place or the settings tell.
    """
    job, store = order.job, order.store
    if store.exists(JOB_FILE):
        agree(order.pinned, read_pinned(store), store.root)
    new = unplanned(order.rows, read_plans(store))
    pace = pace or known_pace(store, job.run)
    skips, shards, bytes_in = Counter[str](), 0, 0
    prints, seconds = 0.0, 0.0
    for part in new.parts(PLAN_ROWS):
        rows = order.rows.take(part.positions, _COLUMNS)
        skips.update(map(str, rows["skip"].to_pylist()))
        rows = rows.filter(pc.equal(rows["skip"], ""))
        uris, sizes = rows["source_uri"], np.asarray(rows["source_bytes"])
        pixels = effort.pixels(uris, sizes)
        each = effort.seconds(pixels)
        bytes_in += int(sizes.sum())
        prints += float(print_bytes(uris, sizes, pixels, job.print).sum())
        seconds += float(each.sum()) * (pace or 1.0)
        shards += len(bounds(sizes, each, job.run, pace))
    work = skips.pop("", 0)
    return Forecast(
        rows=len(order.rows),
        known=len(order.rows) - len(new),
        work=work,
        skips=dict(skips),
        left_out=order.left_out,
        bytes_in=bytes_in,
        bytes_out=round(prints + work * PLATE_BYTES),
        shards=shards,
        pace=pace,
        seconds=seconds,
        price=price_of(seconds, job.run),
    )


def price_of(seconds: float, run: Run) -> float | None:
    """Return what nodes cost for so many seconds of one replica; None where no price is set."""
    if run.price_per_hour is None:
        return None
    return seconds / 3600 / run.replicas_per_node * run.price_per_hour


def print_bytes(
    uris: effort.Column, sizes: np.ndarray[Any, Any], pixels: effort.Floats, recipe: PrintRecipe
) -> effort.Floats:
    """Reckon prints: a TIFF is three times its grey TIFF master, the rest goes by pixels."""
    share = np.ones(len(sizes))
    if recipe.long_side is not None:
        share = np.minimum(1, recipe.long_side**2 * 0.75 / np.maximum(pixels, 1))
    if recipe.format == "tiff":
        return share * 3.0 * np.where(effort.is_tiff(uris), sizes, pixels)
    return share * pixels * _PRINT_BYTES_PER_PIXEL[recipe.format]
