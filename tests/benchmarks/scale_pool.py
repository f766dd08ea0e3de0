"""Workers that do nothing, for what a driver costs by itself."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photochrom.cluster import Pool
from photochrom.cluster.events import Done, Event, Progress, Ready
from photochrom.jobs.messages import Attempt, Committed, Finished, Lap, WorkerFacts
from photochrom.jobs.working.worker import Orders

_MARKS = 10


class IdlePool:
    """So many workers; each shard is pickled as for Ray, and done when it is asked for."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._busy: dict[str, tuple[Any, ...]] = {}
        self._news: list[Event] = []
        self._shards = 0
        self.sent = 0
        self.memory: list[float] = []

    @contextmanager
    def opened(self, orders: Orders, shards: int) -> Iterator[Pool]:
        self._shards = shards
        self._news = [Ready(f"w{n}", WorkerFacts(f"w{n}", "", None)) for n in range(self._workers)]
        yield self

    def free(self) -> int:
        return 0 if self._news else self._workers - len(self._busy)

    def aim(self, items: int) -> None:
        """Stay as it is."""

    def send(self, key: str, item: object) -> None:
        attempt = pickle.loads(pickle.dumps(item))
        assert isinstance(attempt, Attempt)
        self._busy[key] = tuple(attempt.shard.rows)
        self.sent += 1

    def wait(self, timeout: float) -> list[Event]:
        if self._news:
            news, self._news = self._news, []
            return news
        key = next(iter(self._busy))
        rows = self._busy.pop(key)
        events: list[Event] = [
            Progress(key, key, Finished(row.row_key, "colorized", "")) for row in rows
        ]
        if self.sent * _MARKS >= len(self.memory) * self._shards:
            self.memory.append(_resident())
        return [
            *events,
            Progress(key, key, Committed(key, False, rows, (), Lap(0, 0))),
            Done(key, key),
        ]

    def close(self) -> None:
        pass


class Silent:
    """A reporter that says nothing."""

    def note(self, text: str) -> None: ...
    def begin(self, total: int, done: int) -> None: ...
    def advance(self, finished: Finished) -> None: ...
    def end(self) -> None: ...


def _resident() -> float:
    """Return this process's memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
