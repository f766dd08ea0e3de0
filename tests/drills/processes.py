"""A pool of forked processes: it dies as Ray's does, and starts a hundred times faster.

It is for drills of the driver, the queue, the worker and the storage; Ray has drills of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from photochrom.cluster import Pool, PoolError
from photochrom.cluster.events import DeathKind, Died, Done, Event, Failed, Progress, Ready
from photochrom.cluster.station import Raised, Said, Station
from photochrom.jobs.driving.driver import OpenPool
from photochrom.jobs.working.worker import Orders, Worker

START_SECONDS = 300.0
_FORK = multiprocessing.get_context("fork")


@dataclass
class _Hand:
    name: str
    process: Any
    line: Connection
    heard: float
    ready: bool = False
    key: str | None = None
    busy: bool = True


class ForkedPool:
    """Keep `size` forked workers, each noted by its process id in `notes`."""

    def __init__(
        self, worker: Callable[..., Worker], orders: Orders, size: int, notes: Path, lease: float
    ) -> None:
        self._worker, self._orders, self._notes, self._lease = worker, orders, notes, lease
        self._started = 0
        self._hands: dict[str, _Hand] = {}
        for _ in range(size):
            self._start()

    def _start(self) -> None:
        self._started += 1
        ours, theirs = _FORK.Pipe()
        inherited = [ours, *(hand.line for hand in self._hands.values())]
        process = _FORK.Process(
            target=_work, args=(self._worker, self._orders, theirs, inherited), daemon=True
        )
        process.start()
        theirs.close()
        assert process.pid
        (self._notes / str(process.pid)).touch()
        name = f"hand-{self._started}"
        self._hands[name] = _Hand(name, process, ours, time.monotonic())

    def free(self) -> int:
        return sum(not hand.busy for hand in self._hands.values())

    def aim(self, items: int) -> None:
        """Stay as it is."""

    def send(self, key: str, item: object) -> None:
        hand = next((hand for hand in self._hands.values() if not hand.busy), None)
        if hand is None:
            raise PoolError("no worker is free")
        hand.key, hand.busy, hand.heard = key, True, time.monotonic()
        with suppress(OSError):  # its death is heard of later
            hand.line.send(item)

    def wait(self, timeout: float) -> list[Event]:
        busy = {hand.line: hand for hand in self._hands.values() if hand.busy}
        come = wait(list(busy), min(timeout, 0.2))
        events = [self._hear(busy[line]) for line in come if isinstance(line, Connection)]
        now = time.monotonic()
        silent = [hand for hand in self._hands.values() if hand.busy and self._over(hand, now)]
        return events + [self._lost(hand, "silent", "silent") for hand in silent]

    def _over(self, hand: _Hand, now: float) -> bool:
        return now - hand.heard > (self._lease if hand.ready else START_SECONDS)

    def _hear(self, hand: _Hand) -> Event:
        hand.heard = time.monotonic()
        try:
            said = hand.line.recv()
            hand.line.send(None)
        except (EOFError, OSError):
            return self._lost(hand, "its process ended", "crash")
        if not hand.ready:
            if isinstance(said, Raised):
                raise PoolError(f"the worker did not start: {said.line}")
            hand.ready, hand.busy = True, False
            return Ready(hand.name, said.value)
        assert hand.key is not None
        key = hand.key
        if isinstance(said, Said):
            return Progress(hand.name, key, said.value)
        hand.key, hand.busy = None, False
        if isinstance(said, Raised) and said.death:
            return self._lost(hand, said.line, said.death, key)
        if isinstance(said, Raised):
            return Failed(hand.name, key, said.error, said.kind, said.traceback)
        return Done(hand.name, key)

    def _lost(self, hand: _Hand, cause: str, kind: DeathKind, key: str | None = None) -> Died:
        self._end(hand)
        self._start()
        return Died(hand.name, key or hand.key, cause, kind)

    def _end(self, hand: _Hand) -> None:
        del self._hands[hand.name]
        hand.process.kill()
        hand.process.join()
        (self._notes / str(hand.process.pid)).unlink(missing_ok=True)
        hand.line.close()

    def close(self) -> None:
        for hand in list(self._hands.values()):
            self._end(hand)


def _work(
    worker: Callable[..., Worker], orders: Orders, line: Connection, others: list[Connection]
) -> None:
    """Be one worker, until the pool's end of the line is closed."""
    for other in others:
        other.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    station = Station(worker, (orders,))

    def tell(said: object) -> None:
        line.send(said)
        line.recv()  # a yield returns when the pool has the value

    with suppress(EOFError, OSError):
        tell(station.ready())
        while True:
            for said in station.run(line.recv()):
                tell(said)
                if isinstance(said, Raised):
                    break
            else:
                tell(None)
    os._exit(0)


def forked(worker: Callable[..., Worker], size: int, notes: Path) -> OpenPool:
    """Return what opens a pool of forked workers."""

    @contextmanager
    def open_pool(orders: Orders, shards: int) -> Iterator[Pool]:
        run = orders.job.run
        pool = ForkedPool(worker, orders, min(size, shards), notes, run.lease_seconds)
        try:
            yield pool
        finally:
            pool.close()

    return open_pool
