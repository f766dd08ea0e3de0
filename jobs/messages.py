"""What drivers and workers tell each other about shards: small, frozen, picklable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from photochrom.jobs.records import LedgerRow, PlanRow, PrintedRow


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows worked on and committed together."""

    key: str
    plan: int
    ordered_at: str
    rows: Sequence[PlanRow]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a shard; `careful` goes photo by photo and says which one it is on."""

    shard: Shard
    number: int
    careful: bool
    condemned: frozenset[str]
    last: bool


class Lap(NamedTuple):
    """Seconds between two looks at the watch."""

    busy: float
    idle: float


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Who answers, once its generator is loaded; and how long that took to compile, if it was."""

    worker: str
    device: str
    warm_up_seconds: float | None


@dataclass(frozen=True, slots=True)
class Working:
    """A careful attempt begins this photo; None when it is past the last."""

    row_key: str | None


@dataclass(frozen=True, slots=True)
class Finished:
    """One photo has its row, which counts once its shard is committed."""

    row_key: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The shard's commit stands; not `ours` if another worker was first.

    `lap` is what the worker's generator has been doing since its last commit.
    """

    shard_key: str
    ours: bool
    rows: tuple[LedgerRow, ...]
    printed: tuple[PrintedRow, ...]
    lap: Lap

    @property
    def row_keys(self) -> set[str]:
        """The photos whose rows stand now."""
        return {row.row_key for row in self.rows}


@dataclass(frozen=True, slots=True)
class NotPrinted:
    """A row whose print could not be made, and why."""

    row_key: str
    row_id: str
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Filed:
    """The prints of a shard's rows are filed; of some there are none."""

    shard_key: str
    printed: tuple[PrintedRow, ...]
    not_printed: tuple[NotPrinted, ...]

    @property
    def row_keys(self) -> set[str]:
        """The photos that have been gone through."""
        return {row.row_key for row in self.printed} | {row.row_key for row in self.not_printed}


Message: TypeAlias = Working | Finished | Committed | Filed
