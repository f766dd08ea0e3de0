"""A device that breaks under the work: its worker dies of it, and no photo fails for it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import ray
from numpy.typing import NDArray

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.errors import DeviceLost
from photochrom.colorize.generator.echo import EchoGenerator
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.driving.driver import Driver, OpenPool
from photochrom.jobs.driving.launch import ray_pool
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.planning.order import Order
from photochrom.jobs.settings import Job
from photochrom.jobs.summary import Summary
from photochrom.jobs.working.worker import Orders, Worker
from photochrom.monitoring import Metrics, PrometheusBackend
from photochrom.monitoring.series import WORKER_DEATHS
from tests.jobs.archive import (
    Listener,
    current,
    findings,
    inline,
    job_of,
    outcomes,
    place_of,
    write_photo,
)

# The workers' processes cannot import this file, so its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class FragileGenerator(EchoGenerator):
    """Loses its device so many times in all, and then for as long as its process lives."""

    def __init__(self, notes: Path, times: int) -> None:
        self._notes, self._times, self._lost = notes, times, False

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        losses = len(list(self._notes.iterdir()))
        if not self._lost and losses < self._times:
            (self._notes / str(losses)).touch(exist_ok=False)
            self._lost = True
        if self._lost:
            raise DeviceLost("CUDA error: an illegal memory access was encountered")
        return super().chroma(squares)


def fragile(notes: Path, times: int) -> type[Worker]:
    """Make a worker whose device is lost `times` times, in whichever processes."""
    notes.mkdir()

    class FragileWorker(Worker):
        def __init__(self, orders: Orders) -> None:
            super().__init__(orders)
            self._colorizer = Colorizer(FragileGenerator(notes, times))

    return FragileWorker


def run(job: Job, pool: OpenPool, listener: Listener | None = None) -> tuple[Summary, float]:
    """Run a job; return its summary, and how many deaths by the device were counted."""
    backend = PrometheusBackend()
    meters = Meters(Metrics(backend))
    summary = Driver(Order.of(job), pool, listener or Listener(), meters).run()
    deaths = backend.registry.get_sample_value(WORKER_DEATHS.name, {"cause": "device"})
    return summary, deaths or 0


@pytest.mark.parametrize("pool", ["inline", "ray"])
def test_a_lost_device_is_a_workers_death_and_no_photos_failure(
    pool: str, job_folder: Path
) -> None:
    job, listener = job_of(job_folder / "scans", job_folder / "out", "run.replicas=1"), Listener()
    worker = fragile(job_folder / "notes", 1)
    opened = inline(worker) if pool == "inline" else ray_pool("local", worker=worker)
    summary, deaths = run(job, opened, listener)
    assert summary.counts == {("colorized", ""): 6}
    assert deaths == 1
    assert [note for note in listener.notes if "died" in note] == [
        "a worker died: its device is lost: CUDA error: an illegal memory access was encountered"
    ]
    assert set(outcomes(place_of(job)).values()) == {"colorized"}
    with questions(place_of(job)) as tables:
        rows = tables.ask("SELECT attempt, count(*) AS n FROM ledger GROUP BY ALL ORDER BY attempt")
    assert [row["attempt"] for row in rows] == [1, 2]
    assert sum(row["n"] for row in rows) == 6
    assert findings(place_of(job)) == []


def test_a_photo_that_takes_the_device_twice_is_left_out(tmp_path: Path) -> None:
    for number in range(3):
        write_photo(tmp_path / "scans" / f"{number}.png", number)
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.attempts=2")
    summary, deaths = run(job, inline(fragile(tmp_path / "notes", 2)))
    assert deaths == 2
    assert summary.counts == {("colorized", ""): 2, ("failed", "killed_worker"): 1}
    assert current(place_of(job))["0.png"]["reason"] == "killed_worker"
    assert findings(place_of(job)) == []
