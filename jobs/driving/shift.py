"""A shift: a pool at work on a queue of shards, until none is left; what jobs and reprints share.

Shards are handed out while the storage is there. What goes wrong is noted, counted, and charged to
the shard if it was the shard's doing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

from photochrom.cluster.contract import Pool
from photochrom.cluster.events import (
    THE_ITEMS_FAULT,
    Died,
    Done,
    Event,
    Failed,
    Leaving,
    Left,
    Progress,
    Ready,
)
from photochrom.jobs.driving.guard import Guard
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.driving.watch import Watch
from photochrom.jobs.messages import Committed, Filed, Finished, WorkerFacts, Working

_TICK_SECONDS = 1.0

Standing: TypeAlias = Committed | Filed


class Reporter(Protocol):
    """Hears how a run goes; a progress bar, a log, or nobody."""

    def note(self, text: str) -> None:
        """Hear a sentence for people."""

    def begin(self, total: int, done: int) -> None:
        """Hear how many rows there are and how many are committed already."""

    def advance(self, finished: Finished) -> None:
        """Hear of one more photo with its row."""

    def end(self) -> None:
        """Hear that nothing more will come."""


class Shift:
    """Takes a pool through queues, one after the other; `took` hears of each shard that stands.

    Before a shard is tried again, `stands` says whether somebody has done it meanwhile.
    """

    def __init__(
        self,
        watch: Watch,
        reporter: Reporter,
        meters: Meters,
        took: Callable[[Standing], None],
        stands: Callable[[str], bool] = lambda key: False,
    ) -> None:
        self._watch, self._reporter, self._meters = watch, reporter, meters
        self._took, self._stands = took, stands
        self._guard = Guard()
        self._ready: set[str] = set()
        self._counted: set[str] = set()  # photos of open shards, which may be tried again

    def work(self, queue: Queue, pool: Pool, beat: Callable[[], None] = lambda: None) -> None:
        """Keep the pool busy until the queue is empty; `beat` is called now and then.

        Raises Unfinished when devices break at every photo, or the storage stays away.
        """
        while not queue.finished:
            pool.aim(queue.left)
            if self._watch.clear():
                beat()
                self._hand_out(queue, pool)
            for event in pool.wait(_TICK_SECONDS):
                self._hear(event, queue)

    def _hand_out(self, queue: Queue, pool: Pool) -> None:
        while pool.free() and (attempt := queue.next(time.monotonic())):
            if attempt.number > 1 and self._stands(attempt.shard.key):
                queue.done(attempt.shard.key)
                continue
            pool.send(attempt.shard.key, attempt)

    def _hear(self, event: Event, queue: Queue) -> None:
        match event:
            case Progress(key=key, value=Working(row_key=row_key)):
                queue.working_on(key, row_key)
            case Progress(value=Finished() as finished):
                self._finished(finished)
            case Progress(value=Committed() | Filed() as standing):
                self._stands_now(standing)
            case Done(key=key):
                queue.done(key)
            case Failed() as failed:
                self._failed(failed, queue)
            case Died() as died:
                self._died(died, queue)
            case _:
                self._hear_of_worker(event)

    def _stands_now(self, standing: Standing) -> None:
        """Take note of a shard; that something was written shows that the storage is there."""
        if standing.printed or isinstance(standing, Committed):
            self._watch.committed()
        self._counted -= standing.row_keys
        self._took(standing)

    def _hear_of_worker(self, event: Event) -> None:
        match event:
            case Leaving(worker=worker):
                self._reporter.note(f"{worker} has been told that its machine will go")
            case Left(worker=worker):
                self._ready.discard(worker)
            case Ready(worker=worker, facts=facts):
                self._greet(facts)
                self._ready.add(worker)
                self._guard.workers(len(self._ready))
        self._meters.replicas(len(self._ready))

    def _finished(self, finished: Finished) -> None:
        """Count a photo once, however often it is tried."""
        self._guard.finished(finished)
        if finished.row_key not in self._counted:
            self._counted.add(finished.row_key)
            self._reporter.advance(finished)

    def _failed(self, failed: Failed, queue: Queue) -> None:
        """Count an attempt that raised, unless it was the storage that went away."""
        self._meters.failed(failed.kind)
        if self._watch.away(failed.kind, queue.sources_of(failed.key)):
            queue.handed_back(failed.key)
            return
        error = f"{failed.kind}: {failed.error}"
        self._reporter.note(f"shard {failed.key[:8]} failed, trying again: {error}")
        queue.failed(failed.key, error, time.monotonic())

    def _died(self, died: Died, queue: Queue) -> None:
        """Count an attempt whose worker died, unless its machine was taken away with notice."""
        self._ready.discard(died.worker)
        self._meters.replicas(len(self._ready))
        self._meters.died(died.kind)
        self._reporter.note(f"a worker died: {died.cause}")
        self._guard.died(died.kind, died.cause)
        if died.key is None:
            return
        if died.kind == "preempted":
            queue.handed_back(died.key)
        else:
            queue.died(died.key, died.cause, time.monotonic(), died.kind in THE_ITEMS_FAULT)

    def _greet(self, facts: object) -> None:
        """Report what a worker did before it was ready, where that took its time."""
        if isinstance(facts, WorkerFacts) and facts.warm_up_seconds is not None:
            seconds = f"{facts.warm_up_seconds:.0f} s"
            self._reporter.note(f"worker {facts.worker} compiled its generator in {seconds}")
