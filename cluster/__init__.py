"""Where work runs.

A Pool takes items one at a time to workers of a plain class and reports what they say: ready,
progress, done, failed, died, leaving, left. RayPool keeps them as actors on a cluster, replaces the
dead and grows and shrinks with its work; InlinePool has one, in this process; no item is tried
twice. `train` runs one function in all the
workers of a Crew at once, on Ray Train, and starts them again when one is lost. `connect` starts a
private Ray or joins a cluster, `resolve` says how many replicas fit on it. `submit` sends work to a
cluster's jobs server; `render` fills files for clusters, and `lint` checks them. Nothing here knows
what a photograph is.
"""

from typing import TYPE_CHECKING, Any

from photochrom.cluster.contract import Pool, Worker
from photochrom.cluster.crew import Crew, CrewEvent, Report, Reported, Restarted, Returned
from photochrom.cluster.errors import PoolError, TrainerError, WorkerLost
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
from photochrom.cluster.inline import InlinePool
from photochrom.cluster.session import connect
from photochrom.cluster.sizing import ClusterFacts, Node, Sizes, resolve

if TYPE_CHECKING:
    from photochrom.cluster.pool import PoolSettings, RayPool
    from photochrom.cluster.trainer import train

__all__ = [
    "ClusterFacts",
    "Crew",
    "CrewEvent",
    "DeathKind",
    "Died",
    "Done",
    "Event",
    "Failed",
    "InlinePool",
    "Leaving",
    "Left",
    "Node",
    "Pool",
    "PoolError",
    "PoolSettings",
    "Progress",
    "RayPool",
    "Ready",
    "Report",
    "Reported",
    "Restarted",
    "Returned",
    "Sizes",
    "TrainerError",
    "Worker",
    "WorkerLost",
    "connect",
    "resolve",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import what needs Ray only when it is asked for."""
    if name in ("PoolSettings", "RayPool"):
        from photochrom.cluster import pool

        return getattr(pool, name)
    if name == "train":
        from photochrom.cluster import trainer

        return trainer.train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
