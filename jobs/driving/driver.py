"""The driver: plan, hand shards to a pool, count attempts, until every row is committed.

It holds no truth: everything it knows it read from the output place, so it may die at any moment.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow.compute as pc

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
from photochrom.jobs import ledger
from photochrom.jobs.compaction import Compactor
from photochrom.jobs.documents import write_documents
from photochrom.jobs.driving.breaker import Breaker, BreakerSettings
from photochrom.jobs.driving.guard import Guard
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.driving.presence import Presence
from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.driving.watch import Watch
from photochrom.jobs.errors import StorageError, Unfinished
from photochrom.jobs.identity import commit_name
from photochrom.jobs.messages import Committed, Finished, WorkerFacts, Working
from photochrom.jobs.pinned import Pinned, operator_of, pin
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.plan import Plan, extend, open_shards
from photochrom.jobs.planning.restrictions import remember
from photochrom.jobs.planning.retry import ALL_FAILED, Again, asked_for, plan_retry
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.summary import Summary, summarize
from photochrom.jobs.working.worker import Orders

_TICK_SECONDS = 1.0

OpenPool = Callable[[Orders, int], AbstractContextManager[Pool]]
"""Opens a pool for these orders and so many shards; the driver does not know what is behind."""


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


class Driver:
    """One run of one job."""

    def __init__(
        self, order: Order, open_pool: OpenPool, reporter: Reporter, meters: Meters
    ) -> None:
        self._order, self._store = order, order.store
        self._open_pool, self._reporter, self._meters = open_pool, reporter, meters
        self._operator = operator_of(order.job)
        self._guard = Guard()
        self._compactor = Compactor(order.store, reporter.note)
        self._done_now = 0
        self._ready: set[str] = set()
        self._counted: set[str] = set()  # photos of open shards, which may be tried again

    def run(self, sample: int | None = None) -> Summary:
        """Plan what is new, do what is not committed; raises OtherJob, UnsafeStorage, Unfinished.

        A finished job is left untouched: nothing at all is written.
        """
        order = self._order
        return self._work(extend(self._store, order.job.run, order.rows, sample, self._begin))

    def _begin(self) -> None:
        """Before the first plan of a run, see that commits are safe here and the place is ours."""
        self._store.probe()
        pin(self._store, self._order.pinned)

    def retry(self, again: Again = ALL_FAILED) -> Summary:
        """Do failed rows again, all or by reason, and what is not committed.

        A failed input whose file has been mended has another version: it is planned as new.
        """
        pin(self._store, self._order.pinned)
        run = self._order.job.run
        failed = asked_for(self._store, again)["row_id"]
        rows = self._order.rows.mapped(lambda rows: rows.filter(pc.is_in(rows["row_id"], failed)))
        extend(self._store, run, rows)
        return self._work(plan_retry(self._store, run, again))

    def _work(self, plans: list[Plan]) -> Summary:
        """Do what these plans hold and no commit covers."""
        pinned = pin(self._store, self._order.pinned)
        remember(self._order.job, self._store)
        standing = ledger.committed(self._store)
        shards = open_shards(plans, standing)
        skips = [p for p in plans if p.skips and ledger.skips_name(p.number) not in standing]
        given_up: dict[str, str] = {}
        if shards or skips:
            write_documents(self._store, pinned)
            ledger.file_recipe(self._store, self._order.job.print)
            for plan in skips:
                rows = ledger.commit_skips(self._store, plan, pinned, self._operator)
                self._meters.rows(rows)
                self._done_now += len(rows)
            self._compactor.committed(len(standing))
            for number in {shard.plan for shard in shards}:
                plans[number - 1].file.bring()  # an outage must not keep shards from being read
            queue = Queue(shards, self._order.job.run.attempts, stretch=_by_chance)
            self._loop(queue, pinned, plans)
            given_up = queue.given_up
        if given_up:
            *_, last = given_up.values()
            raise Unfinished(
                f"{len(given_up)} shards could not be finished; the last error: {last}. "
                "Mend it and run the same command again"
            )
        return summarize(self._store, self._order.rows, self._done_now)

    def _loop(self, queue: Queue, pinned: Pinned, plans: list[Plan]) -> None:
        if queue.finished:
            return
        presence = Presence(self._store, self._operator)
        try:
            for other in presence.others():
                self._reporter.note(
                    f"another driver is at work on this job: {other}; both will finish, "
                    "but work is done twice"
                )
            planned = sum(plan.count for plan in plans)
            waiting = queue.rows_left
            self._reporter.begin(planned, planned - waiting)
            self._meters.planned(planned, planned - waiting)
            orders = Orders(self._order.job, pinned, self._operator)
            watch = self._watch(presence)
            with self._open_pool(orders, queue.left) as pool:
                self._serve(queue, pool, presence, watch)
        except KeyboardInterrupt:
            self._reporter.note("interrupted; the same command goes on from here")
            raise
        finally:
            self._reporter.end()
            self._compactor.close()
            presence.leave()

    def _watch(self, presence: Presence) -> Watch:
        job = self._order.job
        settings = BreakerSettings(patience=job.run.outage_seconds)
        breaker = Breaker(settings, stretch=_by_chance)

        def ask() -> None:
            presence.write()
            self._order.restrictions.refresh()

        return Watch(breaker, ask, Sources(job.storage.source), self._reporter.note)

    def _serve(self, queue: Queue, pool: Pool, presence: Presence, watch: Watch) -> None:
        """Keep the pool busy until the queue is empty, but hand out nothing in an outage."""
        while not queue.finished:
            pool.aim(queue.left)
            if watch.clear():
                presence.beat()
                self._hand_out(queue, pool)
            for event in pool.wait(_TICK_SECONDS):
                self._hear(event, queue, watch)

    def _hand_out(self, queue: Queue, pool: Pool) -> None:
        while pool.free() and (attempt := queue.next(time.monotonic())):
            if self._committed_elsewhere(attempt.shard.key, attempt.number):
                queue.done(attempt.shard.key)
                continue
            pool.send(attempt.shard.key, attempt)

    def _committed_elsewhere(self, shard_key: str, number: int) -> bool:
        """Before a second try, look whether the first one's commit came through after all.

        A storage that does not answer is no reason to stop: the work is then done twice.
        """
        try:
            return number > 1 and self._store.exists(commit_name(shard_key))
        except StorageError:
            return False

    def _hear(self, event: Event, queue: Queue, watch: Watch) -> None:
        match event:
            case Progress(key=key, value=Working(row_key=row_key)):
                queue.working_on(key, row_key)
            case Progress(value=Finished(row_key=row_key) as finished):
                self._guard.finished(finished)
                if row_key not in self._counted:
                    self._counted.add(row_key)
                    self._reporter.advance(finished)
            case Progress(value=Committed() as committed):
                watch.committed()
                self._compactor.committed()
                self._counted -= {row.row_key for row in committed.rows}
                self._done_now += len(committed.rows) if committed.ours else 0
                self._meters.committed(committed)
            case Done(key=key):
                queue.done(key)
            case Failed() as failed:
                self._meters.failed(failed.kind)
                self._failed(failed, queue, watch)
            case _:
                self._hear_of_worker(event, queue)

    def _hear_of_worker(self, event: Event, queue: Queue) -> None:
        match event:
            case Died() as died:
                self._died(died, queue)
                self._ready.discard(died.worker)
                self._meters.replicas(len(self._ready))
            case Leaving(worker=worker):
                self._reporter.note(f"{worker} has been told that its machine will go")
            case Left(worker=worker):
                self._ready.discard(worker)
                self._meters.replicas(len(self._ready))
            case Ready(worker=worker, facts=facts):
                self._greet(facts)
                self._ready.add(worker)
                self._guard.workers(len(self._ready))
                self._meters.replicas(len(self._ready))

    def _failed(self, failed: Failed, queue: Queue, watch: Watch) -> None:
        """Count an attempt that raised, unless it was the storage that went away."""
        if watch.away(failed.kind, queue.sources_of(failed.key)):
            queue.handed_back(failed.key)
            return
        error = f"{failed.kind}: {failed.error}"
        self._reporter.note(f"shard {failed.key[:8]} failed, trying again: {error}")
        queue.failed(failed.key, error, time.monotonic())

    def _died(self, died: Died, queue: Queue) -> None:
        """Count an attempt whose worker died, unless its machine was taken away with notice."""
        self._reporter.note(f"a worker died: {died.cause}")
        self._meters.died(died.kind)
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


def _by_chance() -> float:
    """Return by how much a pause is made longer."""
    return random.uniform(1, 1.5)
