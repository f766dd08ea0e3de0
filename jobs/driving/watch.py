"""The watch on the storage: asks it whether it is there when work fails, and while a job waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from photochrom.jobs import errors
from photochrom.jobs.driving.breaker import Breaker, BreakerSettings, by_chance
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.errors import JobError, RestrictionsUnread, StorageError
from photochrom.jobs.planning.restrictions import Restrictions
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store, split_uri

_TICK_SECONDS = 1.0

T = TypeVar("T")


def passes(kind: str) -> bool:
    """Say whether errors of this class, by its name, come from a storage that may be away."""
    found = getattr(errors, kind, None)
    if not isinstance(found, type) or not issubclass(found, StorageError | RestrictionsUnread):
        return False
    return found.retriable


class Watch:
    """Keeps the breaker: `ask` raises StorageError if the output place is not there.

    `tell` hears when the storage is away, and when it is not any more.
    """

    def __init__(
        self,
        breaker: Breaker,
        ask: Callable[[], None],
        sources: Sources,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[bool], None] = lambda away: None,
    ) -> None:
        self._breaker, self._ask, self._sources = breaker, ask, sources
        self._note, self._clock, self._tell = note, clock, tell
        self._samples: dict[str, str] = {}  # a source under each root that failed, to be looked at
        tell(False)

    @classmethod
    def over(
        cls,
        job: Job,
        store: Store,
        restrictions: Restrictions,
        note: Callable[[str], None],
        meters: Meters,
    ) -> Watch:
        """Watch over all that a job reads and writes, as patiently as it says."""
        settings = BreakerSettings(patience=job.run.outage_seconds)

        def ask() -> None:
            store.clock()  # which writes
            restrictions.refresh()

        sources = Sources(job.storage.source)
        return cls(Breaker(settings, by_chance), ask, sources, note, tell=meters.storage)

    def through(self, call: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
        """Return what a call does; in an outage wait for its end, and call again."""
        while True:
            try:
                answer = call()
            except (StorageError, JobError):
                if not self._silent():
                    raise
            else:
                self.committed()
                return answer
            while not self.clear():
                sleep(_TICK_SECONDS)

    def clear(self) -> bool:
        """Say whether work may be handed out, asking the storage if that is due."""
        if self._breaker.due(self._clock()) and self._there():
            self._breaker.answered()
            self._tell(False)
            self._note("the storage answers again; the job goes on")
        return not self._breaker.open

    def away(self, kind: str, uris: Iterable[str]) -> bool:
        """Say whether an attempt at these sources failed because the storage is away."""
        if not passes(kind):
            return False
        for uri in uris:
            self._samples.setdefault(split_uri(uri)[0], uri)
        return self._silent()

    def _silent(self) -> bool:
        """Say whether the storage is away, asking it if it was not away before."""
        return self._breaker.open or not self._there()

    def committed(self) -> None:
        """Hear that something got through."""
        if self._breaker.open:
            self._tell(False)
        self._breaker.committed()
        self._samples.clear()

    def _there(self) -> bool:
        try:
            self._ask()
            for uri in self._samples.values():
                self._look(uri)
        except (StorageError, RestrictionsUnread) as error:
            if not error.retriable:
                return True
            pause = self._breaker.trip(str(error), self._clock())
            self._tell(True)
            self._note(f"the storage is away, asking again in {pause:.0f} s: {error}")
            return False
        return True

    def _look(self, uri: str) -> None:
        """Raise StorageError if no answer comes; that it isn't there or not for us is one."""
        store, key = self._sources.at(uri)
        store.answer(key)
