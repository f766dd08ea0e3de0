"""The breaker: while the storage is away, a job waits for it instead of failing its rows.

A pure state machine: an attempt that the storage failed trips it when the storage does not answer
either, then it is asked again with growing pauses. An outage lasts until something is committed: a
storage that answers and fails by turns is not waited for for ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from photochrom.jobs.errors import Unfinished


class BreakerSettings(BaseModel):
    """How long the pauses between two questions are, and when to stop asking; in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_pause: float = Field(default=2.0, gt=0)
    longest_pause: float = Field(default=60.0, gt=0)
    patience: float = Field(default=1800.0, ge=0)


class Breaker:
    """Closed while the storage is there; `now` is any clock in seconds.

    `stretch` makes pauses longer by chance, so that many drivers do not ask all at once.
    """

    def __init__(self, settings: BreakerSettings, stretch: Callable[[], float] = lambda: 1) -> None:
        self._settings, self._stretch = settings, stretch
        self._away_since: float | None = None
        self._asked = 0
        self._ask_at = 0.0
        self.open = False

    def trip(self, cause: str, now: float) -> float:
        """Note that the storage did not answer, and return the pause until it is asked again.

        Raises Unfinished once the outage has lasted longer than our patience.
        """
        if self._away_since is None:
            self._away_since = now
        away = now - self._away_since
        if away >= self._settings.patience:
            raise Unfinished(
                f"stopped, as the storage has been away for {away:.0f} s: {cause}. Nothing is "
                "lost; when it is back, run the same command again"
            )
        growing = self._settings.first_pause * 2.0 ** min(self._asked, 30)
        pause = min(growing, self._settings.longest_pause) * self._stretch()
        self.open, self._asked, self._ask_at = True, self._asked + 1, now + pause
        return pause

    def due(self, now: float) -> bool:
        """Say whether it is time to ask the storage again."""
        return self.open and now >= self._ask_at

    def answered(self) -> None:
        """Note that the storage answers; whether work gets through will be seen."""
        self.open = False

    def committed(self) -> None:
        """Note that a shard got through: the outage, if there was one, is over."""
        self.open, self._asked, self._away_since = False, 0, None


def by_chance() -> float:
    """Return by how much a pause is made longer."""
    return random.uniform(1, 1.5)
