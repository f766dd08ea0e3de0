"""A pool of Ray actors: only ready ones get work, the dead are replaced, the silent are killed.

It asks for as many as the items left can use. Those that no machine has room for stay asked for,
which is what makes a cluster grow; those with nothing left to do are let go, and it may shrink.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict, Field
from ray.exceptions import RayError, RayTaskError

from photochrom.cluster import causes
from photochrom.cluster.contract import Worker
from photochrom.cluster.draining import Draining
from photochrom.cluster.errors import PoolError
from photochrom.cluster.events import (
    DeathKind,
    Died,
    Done,
    Event,
    Failed,
    Leaving,
    Left,
    Progress,
    Ready,
)
from photochrom.cluster.home import Home
from photochrom.cluster.station import Raised, Station

_FAILURES_ALLOWED = 2  # then the worker, and not its items, may be what is broken


class PoolSettings(BaseModel):
    """How many workers there may be, what each may use, and how patient the pool is.

    `lease_seconds` is the longest silence allowed between two progress values, `start_seconds` that
    before a worker is ready. For a machine it waits as long again, and for ever if it has workers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1)
    cpus: float = Field(default=1.0, ge=0)
    gpus: float = Field(default=0.0, ge=0)
    memory: int | None = Field(default=None, gt=0)  # bytes, reserved by Ray's bookkeeping
    lease_seconds: float = Field(default=900.0, gt=0)
    start_seconds: float = Field(default=1800.0, gt=0)
    start_failures_allowed: int = Field(default=3, ge=1)


@dataclass
class _Actor:
    name: str
    handle: Any
    pending: Any  # what it owes us: its next answer, or the stream of its item; None if idle
    heard: float  # when it last gave a sign of life, or was given something to do
    node: str = ""  # where it is; nowhere as long as no machine has room for it
    ready: bool = False
    leaving: bool = False  # its node is: what it does it may finish
    key: str | None = None
    failures: int = 0  # items in a row that raised


class RayPool:
    """Keep up to `size` actors of a plain class at work; needs a connected Ray.

    An actor that dies, cannot be reached, outlives its lease or raises WorkerLost is given up for
    good and another one started in its place; Ray itself never restarts or retries anything.
    """

    def __init__(
        self,
        worker_class: Callable[..., Worker],
        arguments: Sequence[object],
        settings: PoolSettings,
    ) -> None:
        self._settings = settings
        self._worker = worker_class, tuple(arguments)
        self._actor_class = ray.remote(
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            memory=settings.memory,
            max_restarts=0,
            max_task_retries=0,
        )(Station)
        self._actors: dict[str, _Actor] = {}
        self._started = 0
        self._start_failures = 0
        self._last_cause = ""
        self._closed = False
        self._later: list[Event] = []
        self._wanted = settings.size
        self._draining, self._home = Draining(), Home()
        self._refill()

    def free(self) -> int:
        """Count the actors that have answered `ready` and hold no item."""
        return sum(actor.pending is None for actor in self._actors.values())

    def aim(self, items: int) -> None:
        """Ask for as many workers as there are items left, or let go of those without work."""
        self._wanted = max(1, min(self._settings.size, items))
        surplus = len(self._actors) - self._wanted
        idle = [a for a in reversed(self._actors.values()) if a.key is None]
        # Whoever is furthest from being ready goes first, and of equals who came last.
        for actor in sorted(idle, key=lambda a: (a.ready, bool(a.node)))[: max(0, surplus)]:
            self._part_from(actor)
        self._refill()

    def send(self, key: str, item: object) -> None:
        """Give an item to a free actor."""
        actor = next((a for a in self._actors.values() if a.pending is None), None)
        if actor is None:
            raise PoolError(f"no worker is free for {key}: wait for one before sending")
        # With one unread value allowed, a yield returns only after we have read it: without this
        # most values yielded just before a kill are lost on their way.
        actor.pending = actor.handle.run.options(
            num_returns="streaming", _generator_backpressure_num_objects=1
        ).remote(item)
        actor.key, actor.heard = key, time.monotonic()

    def wait(self, timeout: float) -> list[Event]:
        """Return what has happened, sleeping in Ray until something does or `timeout` is over.

        Raises PoolError where no worker can be started any more.
        """
        if self._closed:
            raise PoolError("the pool is closed")
        if not self._actors:
            raise PoolError(
                f"no worker could be started, {self._start_failures} died before they were ready; "
                f"the last said: {self._last_cause}. Mend that and run the same command again"
            )
        deadline = time.monotonic() + timeout
        patience = 0.0  # listen first, lest our own absence be taken for their silence
        while True:
            self._home.check()
            self._look_for_leavers()
            events = [*self._collect(patience), *self._give_up_silent()]
            now = time.monotonic()
            if events or now >= deadline:
                later, self._later = self._later, []
                return events + later
            patience = max(0.0, min(deadline, self._next_expiry()) - now)

    def close(self) -> None:
        """Kill all actors."""
        self._closed = True
        while self._actors:
            _, actor = self._actors.popitem()
            ray.kill(actor.handle, no_restart=True)

    def _refill(self) -> None:
        """Start what is missing, unless starting has failed too often in a row."""
        while (
            len(self._actors) < self._wanted
            and self._start_failures < self._settings.start_failures_allowed
        ):
            self._started += 1
            name = f"worker-{self._started}"
            handle = self._actor_class.remote(*self._worker)
            arrival = handle.arrive.remote(self._settings.gpus > 0)
            self._actors[name] = _Actor(name, handle, arrival, time.monotonic())

    def _collect(self, timeout: float) -> list[Event]:
        """Take one event from each actor that has one, waiting up to `timeout` for the first."""
        owing = {actor.pending: actor for actor in self._owing()}
        if not owing:
            time.sleep(timeout)
            return []
        come, _ = ray.wait(list(owing), num_returns=1, timeout=timeout)
        if come and len(owing) > 1:
            come, _ = ray.wait(list(owing), num_returns=len(owing), timeout=0)
        return [event for pending in come if (event := self._hear(owing[pending]))]

    def _hear(self, actor: _Actor) -> Event | None:
        actor.heard = time.monotonic()
        try:
            if not actor.node:
                actor.node = ray.get(actor.pending)
                actor.pending = actor.handle.ready.remote()
                return None
            return self._next(actor, actor.key) if actor.key is not None else self._greet(actor)
        except RayError as error:
            return self._give_up(actor, causes.cause_of(error), causes.kind_of(error))

    def _greet(self, actor: _Actor) -> Event:
        answer = ray.get(actor.pending)
        if isinstance(answer, Raised):
            return self._give_up(actor, answer.line, "start")
        actor.pending, actor.ready = None, True
        self._start_failures = 0
        self._refill()
        return Ready(actor.name, answer.value)

    def _next(self, actor: _Actor, key: str) -> Event:
        try:
            said = ray.get(next(actor.pending))
        except StopIteration:
            actor.failures = 0
            self._free(actor)
            return Done(actor.name, key)
        except RayTaskError as error:  # what was yielded could not be sent
            return self._failed(
                actor, key, Raised(causes.cause_of(error), "RayTaskError", str(error))
            )
        if isinstance(said, Raised) and said.death:
            return self._give_up(actor, said.line, said.death)
        if isinstance(said, Raised):
            return self._failed(actor, key, said)
        return Progress(actor.name, key, said.value)

    def _failed(self, actor: _Actor, key: str, raised: Raised) -> Failed:
        """Free an actor whose item raised, or replace it if that happens again and again."""
        self._free(actor)
        actor.failures += 1
        if not actor.leaving and actor.failures >= _FAILURES_ALLOWED:
            self._replace(actor)
            cause = f"its work raised {actor.failures} times in a row"
            self._later.append(Died(actor.name, None, cause, "failing"))
        return Failed(actor.name, key, raised.error, raised.kind, raised.traceback)

    def _free(self, actor: _Actor) -> None:
        """Take note that a worker is rid of its item, and part from one whose machine leaves."""
        actor.key, actor.pending = None, None
        if actor.leaving:
            self._part_from(actor)

    def _give_up_silent(self) -> list[Died]:
        now = time.monotonic()
        silent = [actor for actor in self._owing() if now >= self._expiry(actor)]
        return [
            self._give_up(actor, _silence(actor, now - actor.heard), "silent") for actor in silent
        ]

    def _look_for_leavers(self) -> None:
        """Part from idle workers on nodes that will go away; let the others finish first."""
        going = self._draining.nodes()
        for actor in [a for a in self._actors.values() if a.node in going and not a.leaving]:
            actor.leaving = True
            self._later.append(Leaving(actor.name, actor.key))
            if actor.key is None:
                self._part_from(actor)

    def _part_from(self, actor: _Actor) -> None:
        """Let go of a worker that is not needed here any more, and say so if it was known."""
        if actor.ready:
            self._later.append(Left(actor.name))
        self._replace(actor)

    def _give_up(self, actor: _Actor, cause: str, kind: DeathKind) -> Died:
        """Replace an actor that can do no more, and say what was lost with it."""
        self._start_failures = 0 if actor.ready else self._start_failures + 1
        self._last_cause = cause
        self._replace(actor)
        return Died(actor.name, actor.key, cause, kind if actor.ready else "start")

    def _replace(self, actor: _Actor) -> None:
        """Kill an actor for good, forget it, and start another in its place."""
        ray.kill(actor.handle, no_restart=True)
        del self._actors[actor.name]
        self._refill()

    def _owing(self) -> list[_Actor]:
        return [actor for actor in self._actors.values() if actor.pending is not None]

    def _expiry(self, actor: _Actor) -> float:
        if not actor.node and any(other.ready for other in self._actors.values()):
            return float("inf")
        patience = self._settings.lease_seconds if actor.ready else self._settings.start_seconds
        return actor.heard + patience

    def _next_expiry(self) -> float:
        return min((self._expiry(a) for a in self._owing()), default=float("inf"))


def _silence(actor: _Actor, seconds: float) -> str:
    if actor.node:
        return f"silent for {seconds:.0f} s"
    return f"no machine had room for it for {seconds:.0f} s"
