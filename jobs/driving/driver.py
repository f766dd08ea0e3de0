"""The driver: plan, hand shards to a pool, count attempts, until every row is committed.

It holds no truth: everything it knows it read from the output place, so it may die at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pyarrow.compute as pc

from photochrom.cluster.contract import Pool
from photochrom.jobs import ledger
from photochrom.jobs.compaction import Compactor
from photochrom.jobs.documents import write_documents
from photochrom.jobs.driving.breaker import by_chance
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.driving.presence import Presence
from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.driving.shift import Reporter, Shift, Standing
from photochrom.jobs.driving.watch import Watch
from photochrom.jobs.errors import StorageError, Unfinished
from photochrom.jobs.identity import commit_name
from photochrom.jobs.messages import Committed
from photochrom.jobs.pinned import Pinned, operator_of, pin
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.plan import Plan, extend, open_shards
from photochrom.jobs.planning.restrictions import remember
from photochrom.jobs.planning.retry import ALL_FAILED, Again, asked_for, plan_retry
from photochrom.jobs.summary import Summary, summarize
from photochrom.jobs.working.worker import Orders

OpenPool = Callable[[Orders, int], AbstractContextManager[Pool]]
"""Opens a pool for these orders and so many shards; the driver does not know what is behind."""


class Driver:
    """One run of one job."""

    def __init__(
        self, order: Order, open_pool: OpenPool, reporter: Reporter, meters: Meters
    ) -> None:
        self._order, self._store = order, order.store
        self._open_pool, self._reporter, self._meters = open_pool, reporter, meters
        self._operator = operator_of(order.job)
        self._compactor = Compactor(order.store, reporter.note)
        self._done_now = 0
        self._watch = Watch.over(order.job, order.store, order.restrictions, reporter.note, meters)

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
            queue = Queue(shards, self._order.job.run.attempts, stretch=by_chance)
            self._loop(queue, pinned, plans)
            given_up = queue.given_up
        if given_up:
            *_, last = given_up.values()
            raise Unfinished(
                f"{len(given_up)} shards could not be finished; the last error: {last}. "
                "Mend it and run the same command again"
            )
        return self._watch.through(lambda: summarize(self._store, self._order.rows, self._done_now))

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
            shift = Shift(
                self._watch,
                self._reporter,
                self._meters,
                self._took,
                self._committed_elsewhere,
            )
            with self._open_pool(orders, queue.left) as pool:
                shift.work(queue, pool, presence.beat)
        except KeyboardInterrupt:
            self._reporter.note("interrupted; the same command goes on from here")
            raise
        finally:
            self._reporter.end()
            self._compactor.close()
            presence.leave()

    def _committed_elsewhere(self, shard_key: str) -> bool:
        """Look whether an earlier try's commit came through after all.

        A storage that does not answer is no reason to stop: the work is then done twice.
        """
        try:
            return self._store.exists(commit_name(shard_key))
        except StorageError:
            return False

    def _took(self, standing: Standing) -> None:
        """Take note of a commit that stands."""
        assert isinstance(standing, Committed)
        self._compactor.committed()
        self._done_now += len(standing.rows) if standing.ours else 0
        self._meters.committed(standing)
