"""Where one worker sits: it makes the worker and turns what it raises into plain words.

An exception of somebody's own class may not survive the way from one process to another, and Ray
then takes the whole actor for dead; words always arrive.
"""

import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from photochrom.cluster.contract import Worker
from photochrom.cluster.errors import WorkerLost
from photochrom.cluster.events import DeathKind


@dataclass(frozen=True)
class Said:
    """What the worker answered or yielded."""

    value: object


@dataclass(frozen=True)
class Raised:
    """What the worker raised: message, class name and traceback.

    `death` is set where the worker said that it can do no more.
    """

    error: str
    kind: str
    traceback: str
    death: DeathKind | None = None

    @classmethod
    def by(cls, error: Exception) -> "Raised":
        """Put an exception into words."""
        text = "".join(traceback.format_exception(error))
        death = error.kind if isinstance(error, WorkerLost) else None
        return cls(str(error), type(error).__name__, text, death)

    @property
    def line(self) -> str:
        """Say it in one line."""
        text = self.error if self.death else f"{self.kind}: {self.error}"
        return " ".join(text.split())


class Station:
    """Hold one worker, in an actor or in the process of the pool."""

    def __init__(self, worker_class: Callable[..., Worker], arguments: tuple[object, ...]) -> None:
        self._worker_class = worker_class
        self._arguments = arguments

    def arrive(self, sees_gpus: bool) -> str:
        """Name the node that this is on; an actor says so before it makes its worker.

        One without a GPU must not see any: Ray hides them no longer, unless an environment is made
        for every process, which takes a quarter of a second.
        """
        import ray

        if not sees_gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        node: str = ray.get_runtime_context().get_node_id()
        return node

    def ready(self) -> Said | Raised:
        """Make the worker and ask whether it is ready."""
        try:
            self._worker = self._worker_class(*self._arguments)
            return Said(self._worker.ready())
        except Exception as error:
            return Raised.by(error)

    def run(self, item: object) -> Iterator[Said | Raised]:
        """Do one item; if it raises, that is the last thing said."""
        try:
            for value in self._worker.run(item):
                yield Said(value)
        except Exception as error:
            yield Raised.by(error)
