"""The two halves of the bargain: what a worker offers, and what a pool of them does."""

from collections.abc import Iterator
from typing import Protocol

from photochrom.cluster.events import Event


class Worker(Protocol):
    """A plain class, made as `worker_class(*arguments)` in the process where it works."""

    def ready(self) -> object:
        """Answer with facts about this worker, once it has loaded what it needs."""
        ...

    def run(self, item: object) -> Iterator[object]:
        """Do one item, yielding progress; the end of the iterator is the end of the item.

        A yield returns only after the pool has taken the value, so whatever was yielded is known
        even if the next line kills the process. Values and items are small: paths, rows, counts.
        Raises WorkerLost if this process can do no more; whatever else it raises is the item's.
        """
        ...


class Pool(Protocol):
    """Workers that take one item each at a time; used from one thread."""

    def free(self) -> int:
        """Count the workers that are ready and idle."""
        ...

    def aim(self, items: int) -> None:
        """Hear how many items are left, those at work included: no more workers are needed."""
        ...

    def send(self, key: str, item: object) -> None:
        """Give an item to a free worker; raises PoolError if there is none."""
        ...

    def wait(self, timeout: float) -> list[Event]:
        """Return what happened: at least one event, or an empty list after `timeout` seconds.

        Raises PoolError when no worker is left and none can be started.
        """
        ...

    def close(self) -> None:
        """Stop all workers at once, whatever they are doing; calling it again does nothing."""
        ...
