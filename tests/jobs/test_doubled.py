"""Work done twice, at once or too late: in effect it is done once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photochrom.cluster import Pool
from photochrom.jobs.messages import Attempt, Committed
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.working.worker import Orders, Worker
from tests.jobs.archive import (
    Listener,
    current,
    drive,
    driver_of,
    findings,
    inline,
    job_of,
    keys,
    listing,
    place_of,
    planned_only,
    write_photos,
)


def test_a_late_second_commit_changes_nothing(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "print.format=tiff")
    store = place_of(job)
    plans = planned_only(job)
    pinned = read_pinned(store)
    worker = Worker(Orders(job, pinned, "tests"))
    attempts = [Attempt(shard, 1, False, frozenset(), False) for shard in plans[0].shards]
    for attempt in attempts:
        assert _commit_of(worker, attempt).ours
    before = {key: value for key, value in listing(store).items() if "ledger" in key}
    rows = current(store)
    for attempt in attempts:
        late = _commit_of(Worker(Orders(job, pinned, "zombie")), attempt)
        assert not late.ours
    assert {key: value for key, value in listing(store).items() if "ledger" in key} == before
    assert current(store) == rows
    assert len(keys(store, "plates")) == len(keys(store, "prints")) == 6
    drive(job)
    assert findings(store) == []


def _commit_of(worker: Worker, attempt: Attempt) -> Committed:
    messages = list(worker.run(attempt))
    assert isinstance(messages[-1], Committed)
    return messages[-1]


def test_two_drivers_at_once_make_one_row_each(job_folder: Path) -> None:
    write_photos(job_folder / "scans", 10, first=6)
    job = job_of(job_folder / "scans", job_folder / "out", "print.format=tiff")
    both = threading.Barrier(2, timeout=60)
    listeners = [Listener(), Listener()]
    summaries: list[Any] = [None, None]

    @contextmanager
    def together(orders: Orders, shards: int) -> Iterator[Pool]:
        both.wait()
        with inline()(orders, shards) as pool:
            yield pool

    def work(number: int) -> None:
        summaries[number] = driver_of(job, together, listeners[number]).run()

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert summaries[0].counts == summaries[1].counts == {("colorized", ""): 16}
    assert summaries[0].done_now + summaries[1].done_now == 16
    notes = [note for listener in listeners for note in listener.notes]
    assert any("another driver is at work on this job: tests (process" in note for note in notes)
    assert len(current(place_of(job))) == 16
    assert findings(place_of(job)) == []
    assert keys(place_of(job), "drivers") == []
    before = listing(place_of(job))
    assert drive(job).done_now == 0
    assert listing(place_of(job)) == before
