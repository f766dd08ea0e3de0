"""The steps of one photo: open, paint, finish. Whatever goes wrong with it ends in its row."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from photochrom.colorize.colorizer import Colorizer, Failure
from photochrom.colorize.errors import DeviceLost
from photochrom.colorize.picture import Origin, Photo, ToneTable
from photochrom.colorize.picture.marking.c2pa import Signer, to_be_signed
from photochrom.colorize.picture.reading.reading_room import ReadingRoom
from photochrom.colorize.picture.reading.source import Header
from photochrom.jobs.errors import Restricted, RestrictionsUnread, StorageError
from photochrom.jobs.identity import plate_name, tone_table_name
from photochrom.jobs.messages import Attempt
from photochrom.jobs.pinned import Pinned
from photochrom.jobs.planning.restrictions import restrictions_of
from photochrom.jobs.reasons import Reason, reason_of
from photochrom.jobs.records import PrintedRow
from photochrom.jobs.settings import Job, Roll
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Fetched, Store
from photochrom.jobs.working.budget import Budget, BudgetClosed
from photochrom.jobs.working.patience import PAUSES, Patience
from photochrom.jobs.working.printer import Printer
from photochrom.jobs.working.stopwatch import Stopwatch
from photochrom.jobs.working.task import Task


class Steps:
    """What one attempt does with each of its photos; `open` and `finish` may run in threads."""

    def __init__(
        self,
        job: Job,
        pinned: Pinned,
        store: Store,
        reading_room: ReadingRoom,
        colorizer: Colorizer,
        budget: Budget,
        scratch: Path,
        attempt: Attempt,
        stopwatch: Stopwatch,
        signer: Signer | None = None,
    ) -> None:
        self._job, self._store = job, store
        self._reading_room, self._colorizer = reading_room, colorizer
        self._budget, self._scratch, self._stopwatch = budget, scratch, stopwatch
        self._last = attempt.last
        self._patiently = Patience(PAUSES if attempt.last else ())
        self._restrictions = restrictions_of(job, store)
        self._sources = Sources(job.storage.source)
        origin = Origin(pinned.recipe_digest, when=attempt.shard.ordered_at)
        self._signer = signer
        self._printer = Printer(store, job.print, origin, scratch, self._restrictions, signer)

    def open(self, task: Task) -> Task:
        """Fetch, decode strictly, choose the tone; photos already in colour end here."""
        path = self._scratch / f"{task.row.row_key}.source"
        with self._around(task):
            self._check(task)
            try:
                fetched = self._patiently(lambda: self._fetch(task, path))
                task.fetched(fetched)
                self._check(task, fetched.sha256)
                photo = self._decode(task, path, fetched.sha256)
            finally:
                path.unlink(missing_ok=True)
            if photo.in_colour:
                task.skip(Reason.ALREADY_COLOUR)
            tone = self._tone(task, photo)
            task.opened(photo, tone)
            if tone.kind == "unknown" and not task.over:
                task.skip(Reason.TONE_UNKNOWN)
            if size := self.square(task):
                photo.square(size, tone)  # here, not while the GPU waits
        return task

    def square(self, task: Task) -> int | None:
        """Return the side of the square that a photo is painted at; None if it has ended."""
        if task.over or task.photo is None:
            return None
        return self._colorizer.size_for(task.photo, self._job.paint.render_size)

    def paint(self, tasks: Sequence[Task]) -> None:
        """Paint the open photos as one batch; each bears its share of the time.

        All else that their plates need is left to `finish`, while the generator paints others.
        """
        photos = [task.photo for task in tasks if task.photo]
        tones = [task.tone for task in tasks if task.tone]
        paint = self._job.paint
        wall, cpu = time.perf_counter(), time.thread_time()
        with self._stopwatch.painting():
            made = self._colorizer.paint(
                photos,
                paint.render_size,
                tones,
                smallest=paint.smallest_render_size,
                confidence=paint.confidence,
            )
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        on_gpu = self._colorizer.generator.device.startswith("cuda")
        for task, plate in zip(tasks, made, strict=True):
            task.cpu_seconds += cpu / len(tasks)
            task.gpu_seconds += wall / len(tasks) if on_gpu else 0.0
            if isinstance(plate, Failure):
                task.fail(reason_of(plate.error), str(plate.error))
            else:
                task.plate = plate

    def paint_alone(self, task: Task) -> None:
        """Paint one photo; what no retry has cured is the photo's, in the last attempt."""
        if not self._last:
            self.paint([task])
            return
        with self._around(task):
            self.paint([task])

    def finish(self, task: Task) -> Task:
        """Store plate and print, unless the photo has ended already; then let its pixels go."""
        with self._around(task):
            if not task.over and task.photo and task.plate:
                self._check(task, task.photo.sha256)
                task.painted(task.photo, task.plate)
                self._patiently(lambda: self._store_plate(task))
                if self._job.print.format != "none":
                    task.printed = self._patiently(lambda: self._print(task))
                task.colorized()
        task.let_go()
        self._budget.give_back(task.held_bytes)
        task.held_bytes = 0
        return task

    def _fetch(self, task: Task, path: Path) -> Fetched:
        return self._sources.fetch(task.row.source_uri, task.row.source_version, path)

    def _check(self, task: Task, sha256: str = "") -> None:
        self._restrictions.check(task.row.row_id, task.row.source_uri, sha256)

    def _decode(self, task: Task, path: Path, sha256: str) -> Photo:
        def admit(header: Header) -> Path | None:
            self._budget.take(header.luma_bytes)
            task.held_bytes = header.luma_bytes
            return None if self._budget.fits(header.luma_bytes) else path.parent

        photo = self._reading_room.read(path, sha256=sha256, admit=admit, spent=task.spent)
        return to_be_signed(photo, path, task.row.row_id, self._signer)

    def _tone(self, task: Task, photo: Photo) -> ToneTable:
        """Choose by who says it first: manifest, retry, collection, job; else by the photo."""
        paint = self._job.paint
        roll = paint.collections.get(task.row.collection, Roll())
        said = (
            (task.row.tone, task.row.tone_by or "manifest"),
            (roll.tone, "collection"),
            (paint.tone, "job"),
        )
        for setting, evidence in said:
            if setting == "negative":
                return photo.tone_table("negative", evidence, roll.film)
            if setting == "positive":
                return photo.tone_table("positive", evidence)
        return photo.tone_table("auto", film=roll.film)

    def _store_plate(self, task: Task) -> None:
        assert task.plate
        tone, row_key = task.plate.tone, task.row.row_key
        table_uri = None
        if tone.entries is not None:
            table = tone_table_name(row_key, tone.sha256)
            self._store.put(table, tone.to_bytes())
            table_uri = self._store.uri(table)
        name = plate_name(row_key, task.plate.sha256)
        self._store.put(name, task.plate.png)
        task.stored(self._store.uri(name), table_uri)

    def _print(self, task: Task) -> PrintedRow:
        assert task.photo
        assert task.plate
        row = task.row
        return self._printer.make(
            task.photo,
            task.plate,
            row_id=row.row_id,
            row_key=row.row_key,
            shard_key=task.bench.shard_key,
            collection=row.collection,
            source_uri=row.source_uri,
        )

    def call_off(self) -> None:
        """Let no thread wait any longer for room."""
        self._budget.close()

    @contextmanager
    def _around(self, task: Task) -> Iterator[None]:
        """Turn what goes wrong with a photo into its outcome.

        A storage that is away or a disk that is full is no photo's fault: the attempt fails. In the
        last one a photo fails instead, if the storage answers all the same.
        """
        try:
            with task.timed():
                yield
        except (BudgetClosed, DeviceLost, RestrictionsUnread):
            raise
        except Restricted as found:
            task.restrict(str(found))
        except StorageError as error:
            if error.retriable and not (self._last and self._answers(task)):
                raise
            task.fail(reason_of(error), str(error))
        except OSError as error:
            if not self._last:
                raise
            task.fail(Reason.STORAGE, f"this worker's own disk: {error}")
        except Exception as error:
            task.fail(reason_of(error), f"{type(error).__name__}: {error}")

    def _answers(self, task: Task) -> bool:
        return self._sources.answer(task.row.source_uri, self._store)
