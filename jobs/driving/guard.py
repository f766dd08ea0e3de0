"""The guard: stop a job whose devices break at every photo, before it condemns an archive.

A device that is lost at every paint would have the queue blame one photo after another. Stopped in
time, the shards at hand stay uncommitted, and their photos without rows. A job of fewer photos than
losses may end before the guard does: `retry` does its `killed_worker` rows again.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from photochrom.cluster.events import DeathKind
from photochrom.jobs.errors import Unfinished
from photochrom.jobs.messages import Finished
from photochrom.jobs.reasons import Outcome


class GuardSettings(BaseModel):
    """How many lost devices in a row, with no photo colorized in between, stop a job.

    Where so many workers or more are at work, each may lose its device once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    losses: int = Field(default=5, ge=1)


class Guard:
    """Counts lost devices since a photo was last colorized."""

    def __init__(self, settings: GuardSettings | None = None) -> None:
        self._settings = settings or GuardSettings()
        self._in_a_row = 0
        self._most_workers = 0

    def workers(self, count: int) -> None:
        """Note how many workers are ready."""
        self._most_workers = max(self._most_workers, count)

    def finished(self, finished: Finished) -> None:
        """Note a photo's end; only a colorized one has shown that a device works."""
        if finished.outcome == Outcome.COLORIZED:
            self._in_a_row = 0

    def died(self, kind: DeathKind, cause: str) -> None:
        """Count a worker's death; raises Unfinished when it is one lost device too many."""
        self._in_a_row += kind == "device"
        if self._in_a_row >= max(self._settings.losses, self._most_workers + 1):
            raise Unfinished(
                f"stopped, as workers lost their devices {self._in_a_row} times in a row with no "
                f"photo colorized in between; the last: {cause}. "
                "Mend the device and run the same command again"
            )
