"""A pool of one worker in this very process: small runs, printing, tests."""

import time
from collections.abc import Callable, Iterator, Sequence

from photochrom.cluster.contract import Worker
from photochrom.cluster.errors import PoolError
from photochrom.cluster.events import Died, Done, Event, Failed, Progress, Ready
from photochrom.cluster.station import Raised, Said, Station

NAME = "inline"


class InlinePool:
    """Run each item inside `wait`, which moves it on to its next progress value.

    There is no lease here, and a worker that hangs or crashes takes this process along. One that
    raises WorkerLost is made anew; if this process is what cannot go on, that ends in PoolError.
    """

    def __init__(
        self, worker_class: Callable[..., Worker], arguments: Sequence[object] = ()
    ) -> None:
        self._station = Station(worker_class, tuple(arguments))
        self._ready = False
        self._closed = False
        self._key: str | None = None
        self._steps: Iterator[Said | Raised] = iter(())

    def free(self) -> int:
        """Count the free workers: one once it is ready, none while an item is being done."""
        return int(self._ready and self._key is None and not self._closed)

    def aim(self, items: int) -> None:
        """Stay as it is: there is one worker, whatever is left."""

    def send(self, key: str, item: object) -> None:
        """Take an item; nothing of it runs before `wait`."""
        if not self.free():
            raise PoolError(f"no worker is free for {key}: wait for one before sending")
        self._key, self._steps = key, self._station.run(item)

    def wait(self, timeout: float) -> list[Event]:
        """Start the worker, or move its item one step on; with nothing to do, sleep `timeout`."""
        if self._closed:
            raise PoolError("the pool is closed")
        if not self._ready:
            return [self._start()]
        if self._key is not None:
            return [self._step(self._key)]
        time.sleep(timeout)
        return []

    def close(self) -> None:
        """Drop whatever the worker was doing."""
        self._closed, self._key, self._steps = True, None, iter(())

    def _start(self) -> Event:
        answer = self._station.ready()
        if isinstance(answer, Raised):
            raise PoolError(f"the worker did not start: {answer.line}")
        self._ready = True
        return Ready(NAME, answer.value)

    def _step(self, key: str) -> Event:
        said = next(self._steps, None)
        if isinstance(said, Said):
            return Progress(NAME, key, said.value)
        self._key = None
        if isinstance(said, Raised) and said.death:
            self._ready = False
            return Died(NAME, key, said.line, said.death)
        if isinstance(said, Raised):
            return Failed(NAME, key, said.error, said.kind, said.traceback)
        return Done(NAME, key)
