"""Storage that fails for a while, or for good, under a working job."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.jobs.errors import StorageError, Unfinished
from photochrom.jobs.planning.retry import Again
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working import steps
from photochrom.jobs.working.worker import Orders, Worker
from tests.jobs.archive import (
    Listener,
    current,
    drive,
    driver_of,
    findings,
    job_of,
    keys,
    outcomes,
    place_of,
    planned_only,
)


class Stormy(Store):
    """A store that refuses some keys, so many times."""

    folder, left = "", 0

    def _refuse(self, key: str) -> None:
        if key.startswith(self.folder) and self.left > 0:
            type(self).left -= 1
            raise StorageError(f"{self.uri(key)}: slow down")

    def put(self, key: str, data: bytes) -> None:
        self._refuse(key)
        super().put(key, data)

    def put_file(self, key: str, path: Path) -> None:
        self._refuse(key)
        super().put_file(key, path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._refuse(key)
        return super().put_if_absent(key, data)


def weather(folder: str, times: int) -> type[Worker]:
    """Make a worker whose store refuses a folder's objects `times` times."""
    storm = type("Storm", (Stormy,), {"folder": folder, "left": times})

    class Working(Worker):
        def __init__(self, orders: Orders) -> None:
            super().__init__(orders)
            self._store = storm(orders.job.output)

    return Working


@pytest.mark.parametrize("folder", ["plates/", "ledger/"])
def test_a_passing_storm_costs_an_attempt_and_nothing_else(folder: str, job_folder: Path) -> None:
    job, listener = job_of(job_folder / "scans", job_folder / "out"), Listener()
    assert drive(job, worker=weather(folder, 1), listener=listener).counts == {("colorized", ""): 6}
    assert any("failed, trying again: StorageError" in note for note in listener.notes)
    assert findings(place_of(job)) == []
    assert len(keys(place_of(job), "plates")) == len(keys(place_of(job), "prints")) == 6


def test_commits_that_cannot_be_written_leave_the_job_unfinished(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "run.attempts=2")
    with pytest.raises(Unfinished, match=r"2 shards could not be finished; .*slow down.*Mend it"):
        drive(job, worker=weather("ledger/", 1000))
    store = place_of(job)
    assert keys(store, "ledger") == []
    assert outcomes(store) == {}
    assert keys(store, "drivers") == []
    assert [found.what for found in findings(store)] == [
        "6 planned inputs have no row: unfinished, or lost"
    ]
    assert drive(job).counts == {("colorized", ""): 6}
    assert findings(store) == []
    assert len(keys(store, "plates")) == len(keys(store, "prints")) == 6


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let last attempts pause for no time."""
    monkeypatch.setattr(steps, "PAUSES", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("hurried")
def test_a_storage_that_takes_no_plates_leaves_the_job_unfinished(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "run.attempts=2")
    with pytest.raises(Unfinished, match="no photo of this shard came through"):
        drive(job, worker=weather("plates/", 1000))
    store = place_of(job)
    assert keys(store, "plates") == keys(store, "prints") == keys(store, "ledger") == []
    assert drive(job).counts == {("colorized", ""): 6}
    assert findings(store) == []


@pytest.mark.usefixtures("hurried")
def test_a_photo_that_cannot_be_stored_has_a_row_that_says_so(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "run.attempts=2")
    name = "album-0/photo-002.jpg"
    row = next(row for row in planned_only(job)[0].rows if row.row_id == name)
    plate = f"plates/{row.row_key[:2]}/{row.row_key[:16]}"
    summary = drive(job, worker=weather(plate, 1000))
    assert summary.counts == {("colorized", ""): 5, ("failed", "storage"): 1}
    store = place_of(job)
    assert "slow down" in current(store)[name]["error"]
    assert len(keys(store, "plates")) == len(keys(store, "prints")) == 5
    assert findings(store) == []
    assert driver_of(job).retry(Again(("storage",))).counts == {("colorized", ""): 6}
    assert findings(store) == []
