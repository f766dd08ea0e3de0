"""Small archives of generated photographs, and whole jobs done in this very process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from photochrom.cluster import InlinePool, Pool
from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.audit.verify import Finding, Verifier
from photochrom.jobs.driving.driver import Driver, OpenPool
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.messages import Finished
from photochrom.jobs.pinned import pin, read_pinned
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.plan import Plan, extend
from photochrom.jobs.settings import Job, load_job
from photochrom.jobs.storage.store import Store
from photochrom.jobs.summary import Summary
from photochrom.jobs.working.worker import Orders, Worker
from photochrom.monitoring import Metrics, NullBackend

ENDINGS = ("tif", "png", "jpg")


def grey(seed: int, width: int = 48, height: int = 40, bits: int = 8) -> NDArray[Any]:
    """Make a gradient with noise, the same for the same seed; (h, w)."""
    random = np.random.default_rng(seed)
    ramp = np.add.outer(np.linspace(0.1, 0.5, height), np.linspace(0, 0.4, width))
    noisy = np.clip(ramp + random.normal(0, 0.02, ramp.shape), 0, 1)
    return np.asarray(np.rint(noisy * ((1 << bits) - 1)), f"u{bits // 8}")


def write_photo(path: Path, seed: int = 0, **shape: int) -> Path:
    """Write a grey photo in the format that the path ends in."""
    samples = grey(seed, **shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, samples, photometric="minisblack", metadata=None)
    else:
        Image.fromarray(samples).save(path)
    return path


def write_colour_photo(path: Path) -> Path:
    """Write a photo that is in colour already."""
    hue = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.stack([*np.meshgrid(hue, hue), np.full((64, 64), 60, np.uint8)], -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def write_photos(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Write photos of mixed formats, sizes and depths, in two collections."""
    return [
        write_photo(
            folder / f"album-{n % 2}" / f"photo-{n:03d}.{ENDINGS[n % 3]}",
            n,
            width=40 + n % 7,
            height=34 + n % 5,
            bits=16 if n % 6 == 0 else 8,
        )
        for n in range(first, first + count)
    ]


def job_of(manifest: Path | str, output: Path | str, *changes: str) -> Job:
    """Make a job that paints by echo, at a small size."""
    usual = ("paint.model=echo", "paint.render_size=64", "paint.tone=positive", "operator=tests")
    return load_job(str(manifest), str(output), (*usual, *changes))


NO_METERS = Meters(Metrics(NullBackend()))


class Listener:
    """Remembers what a driver says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.begun: list[tuple[int, int]] = []
        self.finished: list[Finished] = []
        self.ends = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, total: int, done: int) -> None:
        self.begun.append((total, done))

    def advance(self, finished: Finished) -> None:
        self.finished.append(finished)

    def end(self) -> None:
        self.ends += 1


def inline(worker: type[Worker] = Worker) -> OpenPool:
    """Return what opens a pool of one worker in this process."""

    @contextmanager
    def open_pool(orders: Orders, shards: int) -> Iterator[Pool]:
        with closing(InlinePool(worker, (orders,))) as pool:
            yield pool

    return open_pool


def driver_of(job: Job, pool: OpenPool | None = None, listener: Listener | None = None) -> Driver:
    """Make a driver, with an inline pool unless another is given."""
    return Driver(Order.of(job), pool or inline(), listener or Listener(), NO_METERS)


def drive(
    job: Job,
    sample: int | None = None,
    worker: type[Worker] = Worker,
    listener: Listener | None = None,
) -> Summary:
    """Run a job to its end."""
    return driver_of(job, inline(worker), listener).run(sample)


def planned_only(job: Job) -> list[Plan]:
    """Write the plan of a job and do no work."""
    order = Order.of(job)
    pin(order.store, order.pinned)
    ledger.file_recipe(order.store, job.print)
    return extend(order.store, job.run, order.rows)


def place_of(job: Job) -> Store:
    """Open a job's output place."""
    return Store(job.output, job.storage.output)


def current(store: Store) -> dict[str, dict[str, Any]]:
    """Return the current row of each input; fails if one has two."""
    with questions(store) as tables:
        rows = tables.ask("SELECT * FROM current ORDER BY row_id")
    by_id = {row["row_id"]: row for row in rows}
    assert len(by_id) == len(rows), "an input has two current rows"
    return by_id


def outcomes(store: Store) -> dict[str, str]:
    """Return each input's outcome, with its reason."""
    return {
        row_id: ":".join(filter(None, (row["outcome"], row["reason"])))
        for row_id, row in current(store).items()
    }


def prints(store: Store) -> list[dict[str, Any]]:
    """Return the prints that count."""
    with questions(store) as tables:
        return tables.ask("SELECT * FROM prints ORDER BY row_id, print_digest")


def findings(store: Store) -> list[Finding]:
    """Verify a place down to its samples."""
    return list(Verifier(store, read_pinned(store)).place().findings)


def said(found: Iterable[Finding]) -> str:
    """Return what all findings say, line by line."""
    return "\n".join(finding.what for finding in found)


def listing(store: Store) -> dict[str, tuple[str, object]]:
    """Return every object with its version and time of writing."""
    return {entry.key: (entry.version, entry.modified) for entry in store.list()}


def keys(store: Store, folder: str) -> list[str]:
    """Return the keys below a folder."""
    return [entry.key for entry in store.list(folder)]


def write_manifest(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Write rows as a CSV manifest."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names)]
    lines += [",".join(str(row.get(name, "")) for name in names) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
