"""A pool of one worker in this very process: small runs, printing, tests."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence

from photochrom.cluster.contract import Worker
from photochrom.cluster.errors import PoolError
from photochrom.cluster.events import Done, Event, Failed, Progress, Ready

NAME = "inline"


class InlinePool:
    """Run each item inside `wait`, which moves it on to its next progress value.

    There is no lease and no death here: a worker that hangs or crashes takes this process along.
    """

    def __init__(self, worker_class: Callable[..., Worker], arguments: Sequence[object] = ()):
        self._make = worker_class
        self._arguments = tuple(arguments)
        self._worker: Worker | None = None
        self._key: str | None = None
        self._steps: Iterator[object] = iter(())
        self._closed = False

    def free(self) -> int:
        """Count the free workers: one once it is ready, none while an item is being done."""
        return int(self._worker is not None and self._key is None and not self._closed)

    def send(self, key: str, item: object) -> None:
        """Take an item; nothing of it runs before `wait`."""
        if self._worker is None or not self.free():
            raise PoolError(f"no worker is free for {key}: wait for one before sending")
        self._key, self._steps = key, _lazily(self._worker, item)

    def wait(self, timeout: float) -> list[Event]:
        """Start the worker, or move its item one step on; with nothing to do, sleep `timeout`."""
        if self._closed:
            raise PoolError("the pool is closed")
        if self._worker is None:
            return [self._start()]
        if self._key is not None:
            return [self._step(self._key)]
        time.sleep(timeout)
        return []

    def close(self) -> None:
        """Drop the worker and whatever it was doing."""
        self._closed, self._worker, self._key, self._steps = True, None, None, iter(())

    def _start(self) -> Event:
        try:
            worker = self._make(*self._arguments)
            facts = worker.ready()
        except Exception as error:
            raise PoolError(f"the worker did not start: {type(error).__name__}: {error}") from error
        self._worker = worker
        return Ready(NAME, facts)

    def _step(self, key: str) -> Event:
        try:
            return Progress(NAME, key, next(self._steps))
        except StopIteration:
            self._key = None
            return Done(NAME, key)
        except Exception as error:
            self._key = None
            text = "".join(traceback.format_exception(error))
            return Failed(NAME, key, str(error), type(error).__name__, text)


def _lazily(worker: Worker, item: object) -> Iterator[object]:
    """Call `run` only at the first step, so that its exceptions meet those of a generator."""
    yield from worker.run(item)
