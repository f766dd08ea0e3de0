"""Ray's many exceptions, told as one line and one kind."""

import re

from ray.exceptions import (
    ActorUnavailableError,
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)

from photochrom.cluster.events import DeathKind

LONGEST_CAUSE = 400
DETAIL = re.compile(r"Worker exit detail: (.*?)(?:\. Some common causes|$)", re.DOTALL)
NODE_LOST = "its node has died"
TOLD_TO_END = "receives a SIGTERM"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cause_of(error: RayError) -> str:
    """Say in one line why a worker is gone."""
    if isinstance(error, RayTaskError):
        return _short(f"{type(error.cause).__name__}: {error.cause}")
    text = COLOUR.sub("", str(error)).strip()
    if isinstance(error, RayActorError) and error.actor_init_failed:
        return _short(_end_of_traceback(text))
    found = DETAIL.search(text)
    return _short(f"its process ended: {found[1]}" if found else text)


def kind_of(error: RayError) -> DeathKind:
    """Say for the counters why a worker that had been ready is gone."""
    if isinstance(error, OutOfMemoryError):
        return "memory"
    if isinstance(error, RayActorError) and (error.preempted or TOLD_TO_END in str(error)):
        return "preempted"
    if isinstance(error, ActorUnavailableError | NodeDiedError) or NODE_LOST in str(error):
        return "unavailable"
    return "crash"


def _end_of_traceback(text: str) -> str:
    """Return the exception's own lines, which come after the last indented one."""
    lines = text.splitlines()
    indented = [number for number, line in enumerate(lines) if line.startswith(" ")]
    return "\n".join(lines[indented[-1] + 1 :] if indented else lines)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_CAUSE else line[: LONGEST_CAUSE - 1] + "…"
