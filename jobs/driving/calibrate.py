"""Calibration: a few photographs of a job, colorized in this process and into nowhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import pyarrow.compute as pc

from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.errors import JobError
from photochrom.jobs.messages import Committed, Shard
from photochrom.jobs.planning import effort
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.rows import plan_rows
from photochrom.jobs.reasons import Outcome
from photochrom.jobs.records import LedgerRow, PlanRow
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.worker import Orders, Worker

PHOTOS = 16


def calibrate(order: Order) -> float:
    """Return a replica's pace on this machine: seconds for each that is reckoned.

    Everything is done as in the job, from fetching to proving, but stored in memory and thrown
    away. Raises JobError if none of the sample can be colorized.
    """
    table = order.rows.take(_spread(len(order.rows), 4 * PHOTOS))
    table = table.filter(pc.equal(table["skip"], ""))
    table = table.take(_spread(len(table), PHOTOS))
    rows = plan_rows(table)
    if not rows:
        raise JobError("there is nothing to calibrate with: all that was looked at is skipped")
    nowhere = f"memory://calibration-{uuid4().hex}"
    storage = order.job.storage.model_copy(update={"output": Access()})
    job = order.job.model_copy(update={"output": nowhere, "storage": storage})
    worker = Worker(Orders(job, order.pinned, "calibration"))
    worker.ready()
    try:
        _work(worker, rows[:1])  # what is slow only once
        begin = time.perf_counter()
        done = _work(worker, rows)
        seconds = time.perf_counter() - begin
    finally:
        store = Store(nowhere)
        for entry in list(store.list()):
            store.delete(entry.key)
    if not any(row.outcome == Outcome.COLORIZED for row in done):
        first = done[0]
        raise JobError(f"no photo of the sample was colorized; {first.row_id}: {first.reason}")
    sizes = np.asarray(table["source_bytes"])
    return seconds / float(effort.seconds(effort.pixels(table["source_uri"], sizes)).sum())


def _spread(count: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return up to so many positions at even distances."""
    most = min(count, most)
    return np.arange(most) * count // max(most, 1)


def _work(worker: Worker, rows: list[PlanRow]) -> list[LedgerRow]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    attempt = Queue([Shard(uuid4().hex, 0, now, tuple(rows))], attempts=2).next(0.0)
    return [
        row
        for message in worker.run(attempt)
        if isinstance(message, Committed)
        for row in message.rows
    ]
