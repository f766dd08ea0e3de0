"""How many threads keep a fast generator busy: a worker's real flow, with replayed costs.

    python -m tests.benchmarks.trace --milliseconds 20

What it costs to open a photo and to finish it (CPU-seconds, the reader's included) is recorded from
real photos first. Then photos flow through the worker's own loop, in which opening and finishing
sleep for as long as was recorded and the generator sleeps like a GPU: without the interpreter's
lock. So threads stand for cores, of which the machine needs none. Threads are added until the
generator is busy for nine tenths of a shard's time, its beginning and its end included.

    python -m tests.benchmarks.trace --real 16

is for a machine of at least so many cores: there nothing sleeps but the generator, and the threads
really decode and print 2 MP photos. Its shards are short, a sixteenth of `--photos`.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.generator.echo import EchoGenerator
from photochrom.jobs.driving.driver import Driver
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.planning.order import Order
from photochrom.jobs.working.flow import Flow
from photochrom.jobs.working.steps import Steps
from photochrom.jobs.working.stopwatch import Stopwatch
from photochrom.jobs.working.task import Task
from photochrom.jobs.working.worker import Orders, Worker
from photochrom.monitoring import Metrics, PrometheusBackend
from photochrom.monitoring.series import GENERATOR_SECONDS
from tests.benchmarks.pipeline import SIZES, draw, listing
from tests.jobs.archive import Listener, drive, inline, job_of

ENOUGH = 0.9
MOST = 256


@dataclass(frozen=True)
class Photo:
    """What one photo costs, in seconds of one thread."""

    open: float
    finish: float


class Recording(Steps):
    """Real steps that write down what each photo costs."""

    costs: list[Photo]

    def finish(self, task: Task) -> Task:
        opened = task.cpu_seconds
        super().finish(task)
        self.costs.append(Photo(opened, task.cpu_seconds - opened))
        return task


class Replayed:
    """Stages that sleep."""

    def __init__(self, paint_seconds: float) -> None:
        self._paint_seconds = paint_seconds
        self.stopwatch = Stopwatch()

    def open(self, photo: Photo, /) -> Photo:
        time.sleep(photo.open)
        return photo

    def square(self, photo: Photo, /) -> int | None:
        return 256

    def paint(self, photos: Sequence[Photo], /) -> None:
        with self.stopwatch.painting():
            time.sleep(self._paint_seconds * len(photos))

    def finish(self, photo: Photo, /) -> Photo:
        time.sleep(photo.finish)
        return photo

    def call_off(self) -> None:
        pass


def main() -> None:
    """Record, replay, and print a table."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="trace-") as folder:
        if options.real:
            share, rate = real(Path(folder), options)
            print(
                f"{options.real} threads, no replay: busy {share:.1%}, {rate:.1f} photos a second"
            )
            return
        for name, (width, height) in SIZES.items():
            photos = Path(folder) / name.replace(" ", "")
            draw(photos, width, height, options.recorded)
            for format_ in ("jpeg", "none"):
                trace = recorded(photos, options.recorded, format_)
                report(f"{name}, {format_}", trace, options)


def recorded(photos: Path, count: int, format_: str) -> list[Photo]:
    """Do real photos one by one in this process and return what each of them cost."""
    Recording.costs = []
    with recording():
        changes = ("run.threads=1", "run.batch=1", f"print.format={format_}")
        drive(job_of(listing(photos, count), photos / f"out-{format_}", *changes))
    return Recording.costs[1:]  # the first one's reader had to start


@contextmanager
def recording() -> Iterator[None]:
    """Let workers use the recording steps."""
    from photochrom.jobs.working import worker

    held = worker.Steps
    worker.Steps = Recording  # type: ignore[misc]
    try:
        yield
    finally:
        worker.Steps = held  # type: ignore[misc]


def report(name: str, trace: list[Photo], options: argparse.Namespace) -> None:
    """Add threads until the generator is busy, and say how many it took."""
    opening = sum(photo.open for photo in trace) / len(trace)
    finishing = sum(photo.finish for photo in trace) / len(trace)
    print(f"{name}: {opening:.3f} s to open a photo, {finishing:.3f} s to finish it", flush=True)
    each = options.milliseconds / 1000
    threads = 1
    while True:
        share, rate = replay(trace, threads, each, options)
        print(f"  {threads:3} threads: busy {share:.1%}, {rate:.1f} photos a second", flush=True)
        if share > ENOUGH or threads >= MOST:
            break
        needed = threads * ENOUGH / max(share, 0.01)
        threads = min(MOST, max(threads + 1, math.ceil(needed)))
    for rows in options.shards:
        share, _ = replay(trace, threads, each, options, rows)
        print(f"  {threads:3} threads, shards of {rows}: busy {share:.1%}", flush=True)


def replay(
    trace: list[Photo],
    threads: int,
    each: float,
    options: argparse.Namespace,
    count: int | None = None,
) -> tuple[float, float]:
    """Let photos flow; return the generator's busy share and photos a second."""
    count = count or min(options.photos, 40 * threads)
    stages = Replayed(each)
    stages.stopwatch.start()
    begun = time.monotonic()
    for _ in Flow(stages, options.batch, threads).run(list(islice(cycle(trace), count))):
        time.sleep(options.hearing / 1000)
    lap = stages.stopwatch.lap()
    return lap.busy / (lap.busy + lap.idle), count / (time.monotonic() - begun)


def real(folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Run a whole job in this process with a generator that sleeps, as `replay` does."""
    draw(folder / "photos", *SIZES["2 MP"], options.recorded)
    names = islice(cycle(p.name for p in (folder / "photos").glob("*.jpg")), options.photos)
    rows = [{"row_id": str(number), "uri": name} for number, name in enumerate(names)]
    manifest = folder / "photos" / "rows.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

    class Sleeping(EchoGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            time.sleep(options.milliseconds / 1000 * len(squares))
            return super().chroma(squares)

    class SleepingWorker(Worker):
        def __init__(self, orders: Orders) -> None:
            super().__init__(orders)
            self._colorizer = Colorizer(Sleeping())

    backend, threads = PrometheusBackend(), f"run.threads={options.real}"
    job = job_of(manifest, folder / "out", threads, f"run.batch={options.batch}")
    driver = Driver(Order.of(job), inline(SleepingWorker), Listener(), Meters(Metrics(backend)))
    begun = time.monotonic()
    driver.run()
    rate = options.photos / (time.monotonic() - begun)
    busy, idle = (
        backend.registry.get_sample_value(GENERATOR_SECONDS.name, {"state": state}) or 0.0
        for state in ("busy", "idle")
    )
    return busy / (busy + idle), rate


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--milliseconds", type=float, default=20, help="painting takes, a photo")
    parser.add_argument("--photos", type=int, default=1500, help="replayed, at most")
    parser.add_argument("--recorded", type=int, default=7, help="real photos of each size")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--hearing", type=float, default=0, help="ms until the driver has heard")
    parser.add_argument("--real", type=int, metavar="THREADS", help="replay nothing: see above")
    parser.add_argument("--shards", type=int, nargs="*", default=[200, 6000])
    return parser.parse_args()


if __name__ == "__main__":
    main()
