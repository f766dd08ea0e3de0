"""The stopwatch: for how long a worker's generator painted, and for how long it had to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from photochrom.jobs.messages import Lap


class Stopwatch:
    """Runs from its first start on; used by the one thread that paints, and looked at after it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._busy = 0.0

    def start(self) -> None:
        """Begin to count, with the first shard."""
        if self._since is None:
            self._since = self._clock()

    @contextmanager
    def painting(self) -> Iterator[None]:
        """Count the block as the generator's work."""
        begun = self._clock()
        try:
            yield
        finally:
            self._busy += self._clock() - begun

    def lap(self) -> Lap:
        """Return what was counted since the last lap, and begin the next."""
        now, since = self._clock(), self._since
        busy, self._busy, self._since = self._busy, 0.0, now
        return Lap(busy, max(0.0, now - since - busy) if since is not None else 0.0)
