"""The guard: a broken device stops the job, a few breaking photos do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from photochrom.cluster.events import DeathKind
from photochrom.colorize.colorizer import Colorizer, Failure
from photochrom.colorize.errors import DeviceLost
from photochrom.colorize.picture import Photo, Plate
from photochrom.jobs.driving.guard import Guard, GuardSettings
from photochrom.jobs.errors import Unfinished
from photochrom.jobs.messages import Finished
from photochrom.jobs.working.worker import Orders, Worker
from tests.jobs.archive import (
    Listener,
    current,
    drive,
    findings,
    job_of,
    keys,
    place_of,
    write_photo,
)

ODD = 77  # the width of photos that the harmed device is lost over


def harmed(least: int) -> type[Worker]:
    """Make a worker whose device is lost over any photo at least so wide."""

    class HarmedColorizer(Colorizer):
        def paint(self, photos: Sequence[Photo], *rest: Any, **more: Any) -> list[Plate | Failure]:
            if any(photo.width >= least for photo in photos):
                raise DeviceLost("CUDA error: unspecified launch failure")
            return super().paint(photos, *rest, **more)

    class HarmedWorker(Worker):
        def __init__(self, orders: Orders) -> None:
            super().__init__(orders)
            self._colorizer = HarmedColorizer(self._colorizer.generator)

    return HarmedWorker


def losses(guard: Guard, *kinds: DeathKind) -> bool:
    """Say whether deaths of these kinds stop the job."""
    try:
        for kind in kinds:
            guard.died(kind, "gone")
    except Unfinished:
        return True
    return False


@pytest.mark.parametrize("shard_rows", [1, 2, 200])
def test_a_device_that_always_breaks_stops_the_job(shard_rows: int, tmp_path: Path) -> None:
    for number in range(9):
        write_photo(tmp_path / "scans" / f"{number}.png", number)
    job = job_of(tmp_path / "scans", tmp_path / "out", f"run.shard_rows={shard_rows}")
    listener = Listener()
    with pytest.raises(Unfinished, match=r"lost their devices 5 times in a row .* launch failure"):
        drive(job, worker=harmed(0), listener=listener)
    assert sum("died" in note for note in listener.notes) == 5
    assert [keys(place_of(job), place) for place in ("ledger", "plates", "drivers")] == [[]] * 3
    assert drive(job).counts == {("colorized", ""): 9}
    assert findings(place_of(job)) == []


def test_breaking_photos_among_others_stop_nothing(tmp_path: Path) -> None:
    for number in range(12):
        write_photo(tmp_path / "scans" / f"{number:02}.png", width=ODD if number % 2 else 40)
    job = job_of(tmp_path / "scans", tmp_path / "out")
    assert drive(job, worker=harmed(ODD)).counts == {
        ("colorized", ""): 6,
        ("failed", "killed_worker"): 6,
    }
    rows = current(place_of(job)).values()
    assert {row["width"] for row in rows if row["ai_colorized"]} == {40}
    assert findings(place_of(job)) == []


def test_only_lost_devices_count() -> None:
    guard = Guard(GuardSettings(losses=2))
    assert not losses(guard, "device", "crash", "memory", "preempted", "silent", "start")
    assert losses(guard, "device")


@pytest.mark.parametrize(
    ("outcome", "stops"), [("colorized", False), ("failed", True), ("skipped", True)]
)
def test_only_a_colorized_photo_shows_that_a_device_works(outcome: str, stops: bool) -> None:
    guard = Guard(GuardSettings(losses=2))
    assert not losses(guard, "device")
    guard.finished(Finished("key", outcome, ""))
    assert losses(guard, "device") == stops


def test_each_of_many_workers_may_lose_its_device_once() -> None:
    guard = Guard(GuardSettings(losses=2))
    for count in (1, 2, 3, 4, 3):
        guard.workers(count)
    assert not losses(guard, "device", "device", "device", "device")
    assert losses(guard, "device")


def test_as_many_workers_as_losses_may_each_lose_one_too() -> None:
    guard = Guard(GuardSettings(losses=3))
    guard.workers(3)
    assert not losses(guard, "device", "device", "device")
    assert losses(guard, "device")
