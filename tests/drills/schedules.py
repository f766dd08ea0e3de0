"""Fault schedules: what befalls a job and when, all of it drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.drills.archive import EATS, KILLS, SEGFAULTS
from tests.drills.weather import CUT, LOST, RESET, SLOW_DOWN, STALE, STALL

KILL_WORKER, HANG_WORKER, KILL_DRIVER = "kill a worker", "stop a worker", "kill the driver"
TERM_DRIVER, TWIN, PRUNE = "interrupt the driver", "start a second driver", "prune"
OUTAGE, KILL_SERVER = "storage away, or full", "kill the storage"

_EVENTS = {
    KILL_WORKER: 5,
    KILL_DRIVER: 3,
    TERM_DRIVER: 1,
    TWIN: 2,
    PRUNE: 3,
    OUTAGE: 3,
    HANG_WORKER: 1,
    KILL_SERVER: 1,
}
_HARMS = {SLOW_DOWN: 0.1, RESET: 0.05, LOST: 0.05, CUT: 0.03, STALL: 0.01, STALE: 0.05}
_REASONS = {KILLS: "killed_worker", SEGFAULTS: "killed_worker", EATS: "out_of_memory"}


@dataclass(frozen=True)
class Schedule:
    """How many photographs, which do harm, what the weather is, and what happens after a while."""

    seed: int
    in_s3: bool
    count: int
    harm: dict[int, bytes]
    rates: dict[str, float]
    events: tuple[tuple[float, str], ...]

    @classmethod
    def drawn(cls, seed: int) -> Schedule:
        """Draw a schedule."""
        dice = random.Random(f"photochrom drill {seed}")
        count = dice.randint(8, 24)
        harmed = dice.sample(range(count), dice.choice((0, 0, 1, 1, 2)))
        chosen = dice.choices(list(_EVENTS), list(_EVENTS.values()), k=dice.randint(1, 4))
        return cls(
            seed=seed,
            in_s3=seed % 3 == 0,
            count=count,
            harm={number: dice.choice(list(_REASONS)) for number in harmed},
            rates={
                kind: most * dice.random() for kind, most in _HARMS.items() if dice.random() < 0.5
            },
            events=tuple((dice.uniform(0.2, 2.5), event) for event in chosen),
        )

    def failed(self, names: list[str]) -> dict[str, str]:
        """Say which photographs must fail, and why."""
        return {names[number]: _REASONS[mark] for number, mark in self.harm.items()}
