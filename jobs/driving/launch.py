"""Launch: a pool of workers on Ray for a driver that knows no Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from photochrom.cluster import Pool, PoolSettings, RayPool, connect, resolve
from photochrom.jobs.driving.driver import OpenPool
from photochrom.jobs.settings import Run
from photochrom.jobs.working.worker import Orders, Worker


def ray_pool(address: str, debug: bool = False, worker: type[Worker] = Worker) -> OpenPool:
    """Return what opens a pool on a Ray of this machine (`local`) or on a cluster."""

    @contextmanager
    def open_pool(orders: Orders, shards: int) -> Iterator[Pool]:
        with connect(address, debug=debug) as facts:
            run = orders.job.run
            sizes = resolve(
                run.max_replicas or run.replicas,
                run.cpus_per_replica,
                run.gpus_per_replica,
                facts,
                elastic=run.max_replicas is not None,
            )
            pool = RayPool(worker, (orders,), pool_settings(run, sizes, shards))
            try:
                yield pool
            finally:
                pool.close()

    return open_pool


def pool_settings(run: Run, sizes: tuple[int, float, float], shards: int) -> PoolSettings:
    """Say what the pool may use: never more replicas than there are shards."""
    replicas, cpus, gpus = sizes
    return PoolSettings(
        size=max(1, min(replicas, shards)),
        cpus=cpus,
        gpus=gpus,
        lease_seconds=run.lease_seconds,
    )
