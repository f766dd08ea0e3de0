"""A crew that trains one network together: how large it is, and what is heard of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Report: TypeAlias = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Crew:
    """How many workers train together, what each may use, how often all may be started.

    A worker without GPUs sees none. Raises ValueError for a crew that could do nothing.
    """

    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    attempts: int

    def __post_init__(self) -> None:
        if self.workers < 1 or self.attempts < 1:
            raise ValueError("a crew needs at least one worker and one attempt")
        if self.cpus_per_worker <= 0 or self.gpus_per_worker < 0:
            raise ValueError("a worker needs CPUs, and no fewer than 0 GPUs")


@dataclass(frozen=True)
class Reported:
    """The first worker reported `value`."""

    value: Mapping[str, Any]


@dataclass(frozen=True)
class Restarted:
    """All workers are started again, for the `number`th time, because one was lost."""

    number: int
    because: str


@dataclass(frozen=True)
class Returned:
    """All workers came to the end; `value` is what the first one returned."""

    value: Any


CrewEvent: TypeAlias = Reported | Restarted | Returned
