"""The worker: one shard through fetch, decode, paint, print and commit; it knows no Ray.

Photos flow through threads on both sides of the generator, and decoded samples in flight are
bounded by bytes. Pixels go from storage to storage; only rows leave this process otherwise.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from photochrom.cluster.errors import WorkerLost
from photochrom.cluster.scratch import scratch_folder
from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.errors import DeviceLost
from photochrom.colorize.picture.reading.reading_room import reading_room
from photochrom.jobs import ledger
from photochrom.jobs.errors import StorageError
from photochrom.jobs.messages import Attempt, Committed, Message, WorkerFacts, Working
from photochrom.jobs.pinned import Pinned
from photochrom.jobs.reasons import Reason
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.store import Store
from photochrom.jobs.weights import weights_file
from photochrom.jobs.working.budget import Budget
from photochrom.jobs.working.flow import Flow
from photochrom.jobs.working.steps import Steps
from photochrom.jobs.working.stopwatch import Stopwatch
from photochrom.jobs.working.task import Bench, Task

_BLANK = 64  # pixels: the least square that a job may ask for


@dataclass(frozen=True, slots=True)
class Orders:
    """All that a worker is made with; it travels to it, so it holds names, not credentials."""

    job: Job
    pinned: Pinned
    operator: str
    device: str = "auto"


class Worker:
    """One generator replica and the threads around it."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._name = f"{platform.node()}:{os.getpid()}"
        self._store = Store(orders.job.output, orders.job.storage.output)
        self._reading_room = reading_room(orders.job.limits)
        self._signer = orders.job.marks.signer()
        self._stopwatch = Stopwatch()
        paint = orders.pinned.paint
        self._colorizer = Colorizer.load(
            paint.model,
            weights=weights_file(orders.job, paint.weights_sha256),
            sha256=paint.weights_sha256,
            device=orders.device,
            precision=paint.precision,
            threads=max(1, int(orders.job.run.cpus_per_replica)),
            compiled=paint.compiled,
        )

    def ready(self) -> WorkerFacts:
        """Answer once the generator has painted a blank square, compiled if that was asked for.

        A device that cannot compute says so here, before it has a photo in hand.
        """
        paint, warm_up = self._orders.pinned.paint, None
        if paint.compiled:
            warm_up = self._colorizer.warm_up(paint.render_size, self._orders.job.run.batch)
        else:
            self._colorizer.warm_up(_BLANK, 1)
        return WorkerFacts(self._name, self._colorizer.generator.device, warm_up)

    def run(self, item: object) -> Iterator[Message]:
        """Do one attempt at a shard, and commit it; raises WorkerLost if the device goes."""
        assert isinstance(item, Attempt)
        self._stopwatch.start()
        try:
            yield from self._attempt(item)
        except DeviceLost as error:
            raise WorkerLost("device", f"its device is lost: {error}") from error

    def _attempt(self, item: Attempt) -> Iterator[Message]:
        bench = self._bench(item)
        tasks = [Task(row, bench) for row in item.shard.rows]
        run = self._orders.job.run
        budget = Budget(run.bytes_in_flight)
        with scratch_folder() as scratch:
            steps = Steps(
                self._orders.job,
                self._orders.pinned,
                self._store,
                self._reading_room,
                self._colorizer,
                budget,
                scratch,
                item,
                self._stopwatch,
                self._signer,
            )
            if item.careful:
                yield from one_by_one(steps, tasks, item.condemned)
            else:
                yield from in_batches(steps, tasks, run.batch, run.threads_each_side)
        key = item.shard.key
        if all(task.reason == Reason.STORAGE for task in tasks):
            raise StorageError(f"no photo of this shard came through: {tasks[0].error}")
        rows = tuple(task.ledger_row for task in tasks)
        printed = tuple(task.printed for task in tasks if task.printed)
        ledger.file_prints(self._store, key, printed)
        ours = ledger.commit(self._store, key, rows)
        yield Committed(key, ours, rows, printed, self._stopwatch.lap())

    def _bench(self, attempt: Attempt) -> Bench:
        return Bench(
            pinned=self._orders.pinned,
            plan=attempt.shard.plan,
            shard_key=attempt.shard.key,
            attempt=attempt.number,
            operator=self._orders.operator,
            worker=self._name,
            device=self._colorizer.generator.device,
        )


def one_by_one(steps: Steps, tasks: list[Task], condemned: frozenset[str]) -> Iterator[Message]:
    """Do the photos in order, saying which one begins; the condemned are not touched."""
    for task in tasks:
        if task.row.row_key in condemned:
            task.fail(Reason.KILLED_WORKER, "a worker died while it had only this photo in hand")
        else:
            yield Working(task.row.row_key)
            if not steps.open(task).over:
                steps.paint_alone(task)
            steps.finish(task)
        yield task.finished
    yield Working(None)


def in_batches(steps: Steps, tasks: list[Task], batch: int, threads: int) -> Iterator[Message]:
    """Do the photos as they come, in threads around the generator."""
    for task in Flow(steps, batch, threads).run(tasks):
        yield task.finished
