"""Pace: how long a replica takes beside what is reckoned, measured by the commits that stand.

A few commits are enough: their names are hashes, so any of them are a fair sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from photochrom.jobs.planning import effort
from photochrom.jobs.records import table_of
from photochrom.jobs.settings import Run
from photochrom.jobs.storage.access import Entry
from photochrom.jobs.storage.store import Store

LOOKED_AT = 32
_ENOUGH = 20  # rows, before they say anything about speed
_THREADS = 16
_COLUMNS = ("plan", "source_uri", "source_bytes", "started_at", "finished_at", "cpu_seconds")


@dataclass(frozen=True, slots=True)
class Pace:
    """What some commits say: replica-seconds taken, as reckoned at a pace of 1, and CPU-seconds.

    `rate` is photographs a second of all replicas, 0 if there is no telling.
    """

    rows: int
    seconds: float
    reckoned: float
    cpu_seconds: float
    rate: float

    @property
    def factor(self) -> float:
        """Seconds taken for each that is reckoned."""
        return self.seconds / self.reckoned


def known_pace(store: Store, run: Run) -> float | None:
    """Return a replica's pace: as its commits here show, else as the settings say."""
    found = measured(store, shard_commits(entry.key for entry in store.list("ledger/")))
    return found.factor if found else run.pace


def shard_commits(keys: Iterable[str]) -> list[str]:
    """Return the commits of shards among those that stand."""
    return [key for key in keys if key.startswith("ledger/shard-")]


def newest(standing: Iterable[Entry]) -> list[str]:
    """Return the latest few commits of shards, which say how it goes now."""
    latest = sorted(standing, key=lambda entry: entry.modified, reverse=True)
    return shard_commits(entry.key for entry in latest)[:LOOKED_AT]


def measured(
    store: Store, commits: Sequence[str], paces: Mapping[int, float] | None = None
) -> Pace | None:
    """Look at a few commits, evenly spread; None if they hold too few rows to say anything.

    `paces` are those at which plans were reckoned, where that is what the time is held against.
    """
    chosen = commits[:: -(-len(commits) // LOOKED_AT) or 1]

    def read(key: str) -> pa.Table:
        return table_of(store.read(key), _COLUMNS)

    with ThreadPoolExecutor(_THREADS) as threads:
        tables = list(threads.map(read, chosen))
    if sum(map(len, tables)) < _ENOUGH:
        return None
    spans = [_span(table) for table in tables]
    rows = pa.concat_tables(tables)
    each = effort.seconds(effort.pixels(rows["source_uri"], np.asarray(rows["source_bytes"])))
    if paces is not None:
        plans: list[Any] = rows["plan"].to_pylist()
        each *= [paces.get(plan, 1.0) for plan in plans]
    return Pace(
        rows=len(rows),
        seconds=sum(end - start for start, end in spans),
        reckoned=float(each.sum()),
        cpu_seconds=float(pc.mean(rows["cpu_seconds"]).as_py()),
        rate=_rate(spans, [len(table) for table in tables]) * len(commits) / len(chosen),
    )


def _rate(spans: list[tuple[float, float]], rows: list[int]) -> float:
    """Return rows a second from the first commit to the last; of one commit, while it was made."""
    if len(spans) == 1:
        begin, end, done = *spans[0], rows[0]
    else:
        ends = sorted((end, count) for (_, end), count in zip(spans, rows, strict=True))
        begin, end, done = ends[0][0], ends[-1][0], sum(count for _, count in ends[1:])
    return done / (end - begin) if end > begin else 0.0


def _span(rows: pa.Table) -> tuple[float, float]:
    """Return when the first photo was begun and the last one ended, in seconds."""
    begun, ended = (rows[name].cast(pa.int64()) for name in ("started_at", "finished_at"))
    return pc.min(begun).as_py() / 1e6, pc.max(ended).as_py() / 1e6
