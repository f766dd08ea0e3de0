"""The flow: photos through threads on both sides of a generator that waits for nobody's leave.

Openers fetch and decode, one thread paints whatever is open, finishers print and store. Nothing
holds the painter up but an empty tray: not a slow print, and not a driver slow to hear what has
been done. How far the openers run ahead is for the budget to say, which they wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import Generic, Protocol, TypeVar

from photochrom.jobs.working.tray import Tray

T = TypeVar("T")


class Stages(Protocol[T]):
    """What is done with each photo; `open` and `finish` run in many threads, `paint` in one."""

    def open(self, photo: T, /) -> T:
        """Make a photo ready to be painted."""
        ...

    def square(self, photo: T, /) -> int | None:
        """Return the side of an open photo's square; None if it is not to be painted."""
        ...

    def paint(self, photos: Sequence[T], /) -> None:
        """Paint photos of one square."""
        ...

    def finish(self, photo: T, /) -> T:
        """Do the rest."""
        ...

    def call_off(self) -> None:
        """Let no thread wait any longer."""
        ...


class Flow(Generic[T]):
    """One shard's photos on their way, of which at most `batch` are painted at once."""

    def __init__(self, stages: Stages[T], batch: int, threads: int) -> None:
        self._stages, self._threads = stages, threads
        self._tray: Tray[T] = Tray(batch)
        self._opened: SimpleQueue[T | None] = SimpleQueue()
        self._over: SimpleQueue[T | BaseException] = SimpleQueue()
        self._called_off = Event()

    def run(self, photos: Sequence[T]) -> Iterator[T]:
        """Yield each photo as it is finished; raises the first error that any stage raised."""
        with (
            ThreadPoolExecutor(self._threads, "open") as openers,
            ThreadPoolExecutor(self._threads, "finish") as finishers,
            ThreadPoolExecutor(1, "paint") as painter,
        ):
            try:
                for photo in photos:
                    self._submit(openers, self._open, photo)
                self._submit(painter, self._paint, len(photos), finishers)
                for _ in photos:
                    over = self._over.get()
                    if isinstance(over, BaseException):
                        raise over
                    yield over
            finally:
                self._called_off.set()
                self._opened.put(None)  # wakes the painter
                for pool in (openers, finishers):
                    pool.shutdown(wait=False, cancel_futures=True)
                self._stages.call_off()

    def _submit(self, pool: ThreadPoolExecutor, stage: Callable[..., None], *given: object) -> None:
        pool.submit(stage, *given).add_done_callback(self._mind)

    def _mind(self, done: Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()):
            self._over.put(error)

    def _open(self, photo: T) -> None:
        self._opened.put(self._stages.open(photo))

    def _finish(self, photo: T) -> None:
        self._over.put(self._stages.finish(photo))

    def _paint(self, coming: int, finishers: ThreadPoolExecutor) -> None:
        """Paint what is open, until all has come or the flow is called off."""
        while (coming or self._tray) and not self._called_off.is_set():
            while coming and not (self._tray and self._opened.empty()):
                photo = self._opened.get()
                if photo is None:
                    return
                coming -= 1
                if (size := self._stages.square(photo)) is None:
                    self._submit(finishers, self._finish, photo)
                else:
                    self._tray.put(size, photo)
            if self._tray:
                painted = self._tray.take()
                self._stages.paint(painted)
                for photo in painted:
                    self._submit(finishers, self._finish, photo)
