"""A driver whose workers die or hang over marked photographs: `harmed JOB.toml`.

It is `photochrom run` but for its worker's class. Each worker keeps a note of the shard that it is
on, named by its process, in the folder that PHOTOCHROM_TEST_NOTES names.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from photochrom.colorize.picture import Photo
from photochrom.jobs.cli.progress import Ticker
from photochrom.jobs.driving.driver import Driver
from photochrom.jobs.driving.launch import ray_pool
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.messages import Attempt, Message
from photochrom.jobs.planning.order import Order
from photochrom.jobs.settings import load_job
from photochrom.jobs.working import worker as worker_module
from photochrom.jobs.working.steps import Steps
from photochrom.jobs.working.task import Task
from photochrom.jobs.working.worker import Orders, Worker
from photochrom.monitoring import Metrics, NullBackend
from tests.drills.archive import EATS, HANGS, KILLS, SEGFAULTS


def harm(data: bytes) -> None:
    """Do what a photograph is marked to do to whoever decodes it."""
    if KILLS in data:
        os.kill(os.getpid(), signal.SIGKILL)
    if SEGFAULTS in data:
        ctypes.string_at(0)
    if EATS in data:
        bytearray(1 << 46)
    if HANGS in data:
        time.sleep(3600)


class HarmedSteps(Steps):
    """Steps that a marked photograph harms while it is decoded."""

    def _decode(self, task: Task, path: Path, sha256: str) -> Photo:
        harm(path.read_bytes())
        return super()._decode(task, path, sha256)


class HarmedWorker(Worker):
    """A worker that works in harmed steps and says on which shard it is."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        setattr(worker_module, "Steps", HarmedSteps)  # noqa: B010 - it is imported there
        self._note = Path(os.environ["PHOTOCHROM_TEST_NOTES"]) / str(os.getpid())

    def run(self, item: object) -> Iterator[Message]:
        assert isinstance(item, Attempt)
        self._note.write_text(item.shard.key)
        yield from super().run(item)
        self._note.unlink()


def main(job_file: str, *changes: str) -> int:
    """Run the job; return the exit code that `photochrom run` would."""
    order = Order.of(load_job(job_file, changes=changes))
    pool = ray_pool("local", worker=HarmedWorker)
    summary = Driver(order, pool, Ticker(), Meters(Metrics(NullBackend()))).run()
    return 3 if summary.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
