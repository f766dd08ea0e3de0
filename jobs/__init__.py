"""The job: manifest to plan to workers to prints, plates and ledger commits.

A `Job` (settings) names a manifest, an output place and two recipes; an `Order` is a job with its
place opened. The `Driver` appends to the log of plans, queues the shards that no commit covers and
hands them to a pool; a `Worker` does one shard and commits it, last of all. `audit` asks what
stands, `cli` is the program. Storage holds the truth: any of them may die.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photochrom.jobs.driving.driver import Driver
    from photochrom.jobs.planning.order import Order
    from photochrom.jobs.settings import Job, load_job
    from photochrom.jobs.storage.store import Store

_HOMES = {
    "Driver": "photochrom.jobs.driving.driver",
    "Job": "photochrom.jobs.settings",
    "Order": "photochrom.jobs.planning.order",
    "Store": "photochrom.jobs.storage.store",
    "load_job": "photochrom.jobs.settings",
}

__all__ = ["Driver", "Job", "Order", "Store", "load_job"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
