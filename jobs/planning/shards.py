"""Shards: how a plan's rows are cut into what is worked on, and committed, together."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from photochrom.jobs.identity import shard_key
from photochrom.jobs.planning import effort
from photochrom.jobs.settings import Run

_FEW_SHARDS = 16  # small jobs are cut finer, so that several replicas share them
_LEAST_ROWS = 4
_ROWS, _BYTES = 200, 1 << 30  # while nobody knows how long a photo takes
_MOST_ROWS, _SECONDS = 10_000, 180.0  # as soon as it is measured


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a shard lies in its plan: `rows` from `first` on; seconds are at a pace of 1."""

    key: str
    first: int
    rows: int
    bytes: int
    seconds: float

    @property
    def fields(self) -> tuple[object, ...]:
        """The fields in order."""
        return astuple(self)


def cut_shards(rows: pa.Table, plan: int, run: Run, pace: float | None = None) -> pa.Table:
    """Give each row its shard, in the rows' order; first come those that are skipped.

    A shard is about three minutes' work of a replica where its pace is known, else it goes by
    bytes and by count. What the settings say is never exceeded.
    """
    skipped = pc.not_equal(rows["skip"], "")
    work = rows.filter(pc.invert(skipped))
    starts = bounds(_sizes(work), _seconds(work), run, pace)
    keys: list[Any] = work["row_key"].to_pylist()
    ends = [*starts[1:], len(work)]
    names = [
        shard_key(plan, ordinal, keys[start:end])
        for ordinal, (start, end) in enumerate(zip(starts, ends, strict=False))
    ]
    ordinals = np.repeat(np.arange(len(names)), np.diff([*starts, len(work)]) if names else [])
    work = _with(work, pa.array(ordinals, pa.int64()), pa.array(names, pa.string()).take(ordinals))
    idle = rows.filter(skipped)
    none = pa.repeat(pa.scalar(-1, pa.int64()), len(idle)), pa.repeat("", len(idle))
    return pa.concat_tables([_with(idle, *none), work])


def _with(rows: pa.Table, ordinals: effort.Column, keys: effort.Column) -> pa.Table:
    for name, column in (("shard", ordinals), ("shard_key", keys)):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), column)
    return rows


def bounds(
    sizes: NDArray[np.int64], seconds: effort.Floats, run: Run, pace: float | None
) -> list[int]:
    """Return where each shard begins: as long as none of its bounds is passed, one goes on."""
    count = len(sizes)
    timed = pace is not None
    most = (_MOST_ROWS if timed else _ROWS) if run.shard_rows == "auto" else run.shard_rows
    room = (math.inf if timed else _BYTES) if run.shard_bytes == "auto" else run.shard_bytes
    span = _SECONDS / pace if pace else math.inf
    most = min(most, max(_LEAST_ROWS, -(-count // _FEW_SHARDS)))
    filled, passed = np.cumsum(sizes), np.cumsum(seconds)
    starts: list[int] = []
    start = 0
    while start < count:
        starts.append(start)
        before = start - 1
        by_size = np.searchsorted(filled, room + (filled[before] if start else 0), "right")
        by_time = np.searchsorted(passed, span + (passed[before] if start else 0), "right")
        start = max(start + 1, min(start + most, int(by_size), int(by_time)))
    return starts


def cuts_of(rows: pa.Table) -> list[Cut]:
    """Find the shards in a plan's rows."""
    ordinals = np.asarray(rows["shard"])
    starts = np.flatnonzero(np.diff(ordinals, prepend=-1)) if len(rows) else np.empty(0, np.int64)
    if not len(starts):
        return []
    sizes = np.add.reduceat(_sizes(rows), starts)
    seconds = np.add.reduceat(_seconds(rows), starts)
    counts = np.diff([*starts, len(rows)])
    keys: list[Any] = rows["shard_key"].take(pa.array(starts)).to_pylist()
    columns = (starts.tolist(), counts.tolist(), sizes.tolist(), seconds.round(2).tolist())
    return [Cut(*cut) for cut in zip(keys, *columns, strict=True)]


def _sizes(rows: pa.Table) -> NDArray[np.int64]:
    return np.asarray(rows["source_bytes"])


def _seconds(rows: pa.Table) -> effort.Floats:
    return effort.seconds(effort.pixels(rows["source_uri"], _sizes(rows)))
