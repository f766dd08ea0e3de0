"""The queue of shards: a pure state machine that knows attempts, suspects and what is left.

A shard is tried whole first. After a death or an error it is tried photo by photo, and the photo
that a worker was on when it died again is condemned: the next attempt gives it a `killed_worker`
row without touching it. Deaths that name a photo cost no attempt, so a shard of many such photos
still ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from photochrom.jobs.messages import Attempt, Shard


@dataclass(slots=True)
class _State:
    shard: Shard
    tries: int = 0
    starts: int = 0
    careful: bool = False
    suspect: str | None = None
    condemned: set[str] = field(default_factory=set)
    not_before: float = 0.0
    error: str = ""


class Queue:
    """Shards waiting, running, done and given up; `now` is any clock in seconds.

    `stretch` makes pauses longer by chance, so that shards that failed together part ways.
    """

    def __init__(
        self,
        shards: Iterable[Shard],
        attempts: int,
        backoff: float = 2.0,
        stretch: Callable[[], float] = lambda: 1,
    ) -> None:
        self._attempts, self._backoff, self._stretch = attempts, backoff, stretch
        self._states = {shard.key: _State(shard) for shard in shards}
        self._waiting = deque(self._states)
        self._running: set[str] = set()
        self.given_up: dict[str, str] = {}

    @property
    def finished(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._waiting and not self._running

    @property
    def left(self) -> int:
        """How many shards wait or run."""
        return len(self._waiting) + len(self._running)

    @property
    def rows_left(self) -> int:
        """How many rows the waiting and running shards hold."""
        keys = [*self._waiting, *self._running]
        return sum(len(self._states[key].shard.rows) for key in keys)

    def sources_of(self, key: str) -> list[str]:
        """Return the URIs that a shard which is not done reads."""
        state = self._states.get(key)
        return [row.source_uri for row in state.shard.rows] if state else []

    def next(self, now: float) -> Attempt | None:
        """Take the next shard whose turn it is; None if all must wait."""
        for _ in range(len(self._waiting)):
            key = self._waiting.popleft()
            state = self._states[key]
            if state.not_before <= now:
                self._running.add(key)
                state.suspect = None
                state.starts += 1
                return Attempt(
                    shard=state.shard,
                    number=state.starts,
                    careful=state.careful,
                    condemned=frozenset(state.condemned),
                    last=state.tries + 1 >= self._attempts,
                )
            self._waiting.append(key)
        return None

    def working_on(self, key: str, row_key: str | None) -> None:
        """Note the photo that a careful attempt begins, or None between photos."""
        if state := self._states.get(key):
            state.suspect = row_key

    def done(self, key: str) -> None:
        """Note that a shard is committed, by whomever; a late word on it changes nothing."""
        self._running.discard(key)
        if key in self._waiting:
            self._waiting.remove(key)
        self._states.pop(key, None)
        self.given_up.pop(key, None)

    def failed(self, key: str, error: str, now: float) -> None:
        """Note that the work raised, its worker alive: try again later, or give up."""
        if state := self._stopped(key):
            state.careful = True
            self._again(state, error, now)

    def handed_back(self, key: str) -> None:
        """Note that an attempt ended through no fault of its shard: it counts for nothing."""
        if self._stopped(key):
            self._waiting.append(key)

    def died(self, key: str, cause: str, now: float, blame: bool = True) -> None:
        """Note that the worker died over a shard: try photo by photo, or condemn the suspect.

        Without `blame` its machine went away, which no photo can be held to account for.
        """
        if (state := self._stopped(key)) is None:
            return
        if blame and state.careful and state.suspect is not None:
            state.condemned.add(state.suspect)
            self._waiting.append(key)
        else:
            state.careful = True
            self._again(state, cause, now)

    def _stopped(self, key: str) -> _State | None:
        if key not in self._running:
            return None
        self._running.remove(key)
        return self._states[key]

    def _again(self, state: _State, error: str, now: float) -> None:
        state.tries += 1
        if state.tries >= self._attempts:
            self.given_up[state.shard.key] = error
        else:
            pause = self._backoff * 2 ** (state.tries - 1) * self._stretch()
            state.not_before = now + pause
            self._waiting.append(state.shard.key)
