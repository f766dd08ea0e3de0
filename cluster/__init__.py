"""Where work runs.

A Pool takes items one at a time to workers of a plain class and reports what they say: ready,
progress, done, failed, died. RayPool keeps them as actors on a cluster and replaces the dead;
InlinePool has one, in this process. `connect` starts a private Ray or joins a cluster, `resolve`
says how many replicas fit on it. Nothing here knows what a photograph is, or retries anything.
"""

from typing import TYPE_CHECKING, Any

from photochrom.cluster.contract import Pool, Worker
from photochrom.cluster.errors import PoolError, WorkerLost
from photochrom.cluster.events import DeathKind, Died, Done, Event, Failed, Progress, Ready
from photochrom.cluster.inline import InlinePool
from photochrom.cluster.session import connect
from photochrom.cluster.sizing import ClusterFacts, Node, Sizes, resolve

if TYPE_CHECKING:
    from photochrom.cluster.pool import PoolSettings, RayPool

__all__ = [
    "ClusterFacts",
    "DeathKind",
    "Died",
    "Done",
    "Event",
    "Failed",
    "InlinePool",
    "Node",
    "Pool",
    "PoolError",
    "PoolSettings",
    "Progress",
    "RayPool",
    "Ready",
    "Sizes",
    "Worker",
    "WorkerLost",
    "connect",
    "resolve",
]


def __getattr__(name: str) -> Any:
    """Import what needs Ray only when it is asked for."""
    if name in ("PoolSettings", "RayPool"):
        from photochrom.cluster import pool

        return getattr(pool, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
