"""A command as a process of its own: a driver with forked workers, or the printing of a place.

Quick to start, and easy to kill.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Self

from photochrom.colorize.picture import Photo, PrintRecipe
from photochrom.jobs.cli.progress import Ticker
from photochrom.jobs.driving import presses, reprint
from photochrom.jobs.driving.driver import Driver
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.driving.reprint import Reprint
from photochrom.jobs.errors import JobError, StorageError
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.planning import restrictions
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.retry import ALL_FAILED
from photochrom.jobs.settings import Job
from photochrom.jobs.storage import local as storage_local
from photochrom.jobs.storage import s3 as storage_s3
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working import worker as worker_module
from photochrom.jobs.working.steps import Steps
from photochrom.jobs.working.task import Task
from photochrom.jobs.working.worker import Orders, Worker
from photochrom.monitoring import Metrics, NullBackend
from tests.drills.harmed import harm
from tests.drills.processes import forked

READ_TIMEOUT = 2  # seconds; stalls in drills are longer
WORKERS = 2
LOOKS_EVERY = 0.5
PRINTED = PrintRecipe(format="png")
ALL_WELL, UNFINISHED, SOME_FAILED = 0, 1, 3

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.drills.drive", "photochrom.colorize.colorizer"])


class QuickSteps(Steps):
    """Steps that a marked photograph harms, and that decode without a reader's process."""

    def _decode(self, task: Task, path: Path, sha256: str) -> Photo:
        harm(path.read_bytes())
        return Photo.open(path)


class QuickWorker(Worker):
    """A worker that works in quick steps."""

    def __init__(self, orders: Orders) -> None:
        setattr(worker_module, "Steps", QuickSteps)  # noqa: B010 - it is imported there
        super().__init__(orders)


class Verb(Enum):
    """What is done with a job."""

    RUN = "run"
    RETRY = "retry"
    PRINT = "print"  # and follow


class Drive:
    """One command at work on a job; what it says is in `log`."""

    def __init__(
        self, job: Job, folder: Path, keys: Mapping[str, str], verb: Verb = Verb.RUN
    ) -> None:
        self.notes = folder / f"notes-{len(list(folder.iterdir()))}"
        self.notes.mkdir()
        self.log = self.notes.with_suffix(".log")
        self.process: Any = _SERVER.Process(
            target=_drive, args=(job, self.log, self.notes, dict(keys), verb)
        )

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pid in self.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the driver as a power cut would."""
        self.process.kill()
        self.process.join()

    def ended(self, patience: float = 240.0) -> int:
        """Wait for the end; return the exit code."""
        self.process.join(patience)
        assert self.process.exitcode is not None, f"it does not end: {self.said}"
        return int(self.process.exitcode)

    @property
    def said(self) -> str:
        """What the driver said to people."""
        return self.log.read_text() if self.log.exists() else ""

    def workers(self) -> list[int]:
        """Return the processes of its workers."""
        return [int(note.name) for note in self.notes.iterdir()]


def _drive(job: Job, log: Path, notes: Path, keys: dict[str, str], verb: Verb) -> None:
    """Be the command, and exit as the program would."""
    with log.open("w", buffering=1) as said:
        sys.stderr = said
        os.dup2(said.fileno(), 2)
        signal.signal(signal.SIGTERM, _interrupt)
        os.environ.update(keys)
        storage_s3.READ_TIMEOUT = READ_TIMEOUT
        restrictions.FRESH_SECONDS = 0.0
        _let_the_disk_fill(Path(keys["PHOTOCHROM_TEST_FULL"]))
        code = UNFINISHED
        try:
            failed = _print(job) if verb is Verb.PRINT else _colorize(job, notes, verb)
            code = SOME_FAILED if failed else ALL_WELL
        except KeyboardInterrupt:
            code = 130
        except (JobError, StorageError) as error:
            print(f"{type(error).__name__}: {error}", file=said)
        except BaseException:
            traceback.print_exc(file=said)
            code = 99
        said.flush()
    os._exit(code)


def _colorize(job: Job, notes: Path, verb: Verb) -> int:
    """Drive the job; return how many rows failed."""
    driver = Driver(Order.of(job), forked(QuickWorker, WORKERS, notes), Ticker(), _meters())
    return (driver.retry(ALL_FAILED) if verb is Verb.RETRY else driver.run()).failed


def _print(job: Job) -> int:
    """Print what is committed until the job is done; return how many prints could not be made."""
    reprint._FOLLOW_SECONDS = LOOKS_EVERY
    store = Store(job.output, job.storage.output)
    pinned = read_pinned(store).model_copy(update={"job": job})
    work = Reprint(store, pinned, PRINTED, presses.here, Ticker("printing"), _meters())
    work.run(follow=True)
    return len(work.failures)


def _meters() -> Meters:
    return Meters(Metrics(NullBackend()))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _let_the_disk_fill(full: Path) -> None:
    """Refuse what is written to a folder while the file `full` stands."""
    publish = storage_local.Folder._publish

    def _publish(self: storage_local.Folder, key: str, *rest: Any) -> None:
        if full.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), key)
        publish(self, key, *rest)

    setattr(storage_local.Folder, "_publish", _publish)  # noqa: B010 - it is a method
