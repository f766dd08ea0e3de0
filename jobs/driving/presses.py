"""Presses: the pool that a reprint works with, in this process or on Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from typing import Literal

from photochrom.cluster import InlinePool, Pool, connect, resolve
from photochrom.jobs.working.press import Press, PrintOrders

OpenPresses = Callable[[PrintOrders], AbstractContextManager[Pool]]
"""Opens a pool of presses for these orders."""


@contextmanager
def here(orders: PrintOrders) -> Iterator[Pool]:
    """Open one press in this process, with a thread for each CPU."""
    orders = replace(orders, threads=os.cpu_count() or 1)
    with closing(InlinePool(Press, (orders,))) as pool:
        yield pool


def on_ray(
    address: str, replicas: int | Literal["auto"] = "auto", press: type[Press] = Press
) -> OpenPresses:
    """Return what opens presses on a Ray of this machine (`local`) or on a cluster, without GPUs.

    Each has the CPUs, and as many threads, as the job's `cpus_per_replica` says. Like the job's own
    workers they are up to `max_replicas`, on a cluster that grows.
    """
    from photochrom.cluster import PoolSettings, RayPool

    @contextmanager
    def open_presses(orders: PrintOrders) -> Iterator[Pool]:
        run = orders.pinned.job.run
        with connect(address) as facts:
            asked, grows = replicas, run.max_replicas is not None
            if asked == "auto" and run.max_replicas is not None:
                asked = run.max_replicas
            sizes = resolve(asked, run.cpus_per_replica, 0.0, facts, elastic=grows)
            settings = PoolSettings(
                size=sizes.replicas, cpus=sizes.cpus, lease_seconds=run.lease_seconds
            )
            threads = max(1, round(sizes.cpus))
            with closing(RayPool(press, (replace(orders, threads=threads),), settings)) as pool:
                yield pool

    return open_presses
