"""Estimate: what a run would read, write and take, before it writes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs.driver import Order
from photochrom.jobs.pinned import JOB_FILE, agree, read_pinned
from photochrom.jobs.plan import cut_shards, read_plans, unplanned

# Bytes per pixel of grey masters, by ending; measured means of scans, good to a factor of two.
_BYTES_PER_PIXEL = {"tif": 1.5, "tiff": 1.5, "png": 0.8, "webp": 0.15}
_JPEG_BYTES_PER_PIXEL = 0.3
_SIXTEEN_BIT_FROM = 4_000_000  # bytes: TIFF masters of this size are mostly 16 bit
_PRINT_BYTES_PER_PIXEL = {"png": 2.2, "jpeg": 0.45, "webp": 0.25, "none": 0.0}
_PLATE_BYTES = 60_000
_SECONDS_PER_PHOTO = 0.2
_SECONDS_PER_MEGAPIXEL = 0.08


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do; bytes out and seconds are rough."""

    rows: int
    known: int
    work: int
    skips: Mapping[str, int]
    left_out: Mapping[str, int]
    bytes_in: int
    bytes_out: int
    shards: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def estimate(order: Order) -> Forecast:
    """Forecast a run; reads the place, writes nothing; raises OtherJob like the run itself."""
    if order.store.exists(JOB_FILE):
        agree(order.pinned, read_pinned(order.store), order.store.root)
    plans = read_plans(order.store)
    new = unplanned(order.rows, plans)
    work = [row for row in new if not row.skip]
    pixels = [_pixels(row.source_uri, row.source_bytes) for row in work]
    prints = sum(
        _print_bytes(row.source_uri, row.source_bytes, count, order.job.print)
        for row, count in zip(work, pixels, strict=True)
    )
    shards = {row.shard for row in cut_shards(new, len(plans) + 1, order.job.run)} - {-1}
    return Forecast(
        rows=len(order.rows),
        known=len(order.rows) - len(new),
        work=len(work),
        skips=dict(Counter(row.skip for row in new if row.skip)),
        left_out=order.manifest.left_out,
        bytes_in=sum(row.source_bytes for row in work),
        bytes_out=round(prints + len(work) * _PLATE_BYTES),
        shards=len(shards),
        seconds=len(work) * _SECONDS_PER_PHOTO + sum(pixels) / 1e6 * _SECONDS_PER_MEGAPIXEL,
    )


def _pixels(uri: str, size: int) -> float:
    density = _BYTES_PER_PIXEL.get(_ending(uri), _JPEG_BYTES_PER_PIXEL)
    if _is_tiff(uri) and size >= _SIXTEEN_BIT_FROM:
        density = 2.0
    return size / density


def _print_bytes(uri: str, size: int, pixels: float, recipe: PrintRecipe) -> float:
    """A TIFF print is three times its grey TIFF master; the rest goes by pixels."""
    share = 1.0
    if recipe.long_side is not None:
        share = min(1.0, recipe.long_side * recipe.long_side * 0.75 / max(pixels, 1))
    if recipe.format == "tiff":
        return share * (3.0 * size if _is_tiff(uri) else 3.0 * pixels)
    return share * pixels * _PRINT_BYTES_PER_PIXEL[recipe.format]


def _ending(uri: str) -> str:
    return PurePosixPath(uri).suffix.lower().lstrip(".")


def _is_tiff(uri: str) -> bool:
    return _ending(uri) in ("tif", "tiff")
