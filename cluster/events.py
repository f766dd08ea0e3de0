"""What a pool reports: frozen, picklable, the same from every pool."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

DeathKind: TypeAlias = Literal[
    "start", "crash", "memory", "device", "unavailable", "preempted", "silent", "failing"
]

THE_ITEMS_FAULT: frozenset[DeathKind] = frozenset({"crash", "memory", "device", "silent"})
"""Deaths that the item in hand can bring about."""


@dataclass(frozen=True)
class Ready:
    """A worker has loaded and waits for its first item; `facts` is what its `ready()` answered."""

    worker: str
    facts: object


@dataclass(frozen=True)
class Progress:
    """A worker yielded `value` while it did the item `key`."""

    worker: str
    key: str
    value: object


@dataclass(frozen=True)
class Done:
    """A worker came to the end of the item `key` and is free again."""

    worker: str
    key: str


@dataclass(frozen=True)
class Failed:
    """The item `key` raised; its worker lives on and is free again.

    `kind` is the name of the exception's class, `error` its message.
    """

    worker: str
    key: str
    error: str
    kind: str
    traceback: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True)
class Died:
    """A worker is gone for good, and with it the item `key` that it held; None while it held none.

    The process ended, was unreachable, kept silent past its lease, or said itself that it can do no
    more. `cause` is for people, `kind` for counters. Work of an unreachable worker may go on beside
    its second attempt.
    """

    worker: str
    key: str | None
    cause: str
    kind: DeathKind


@dataclass(frozen=True)
class Leaving:
    """A worker's machine will be taken away; it may finish `key`, and then gets nothing more.

    What it does not finish in time ends in Died, as `preempted`.
    """

    worker: str
    key: str | None


@dataclass(frozen=True)
class Left:
    """A worker that held no item has been let go: too little is left, or its machine leaves."""

    worker: str


Event: TypeAlias = Ready | Progress | Done | Failed | Died | Leaving | Left
