"""A pool on a cluster whose machines come and go."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from ray._private.node import Node
from ray._private.parameter import RayParams
from ray._private.worker import global_worker

from photochrom.cluster import (
    ClusterFacts,
    Died,
    Done,
    Event,
    Failed,
    Leaving,
    Left,
    PoolSettings,
    RayPool,
    Ready,
    connect,
    draining,
)
from photochrom.cluster.session import OBJECT_STORE_BYTES, _loopback_only

PREEMPTION = 2  # DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION
PATIENCE = 120.0

# The workers' processes cannot import this file, so its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Clerk:
    """Works until a file is there, and in vain if so ordered."""

    def ready(self) -> str:
        return ray.get_runtime_context().get_node_id()

    def run(self, item: object) -> Iterator[object]:
        assert isinstance(item, Order)
        while not item.end.exists():
            time.sleep(0.1)
            yield None
        if item.in_vain:
            raise ValueError("in vain")


@dataclass(frozen=True)
class Order:
    end: Path
    in_vain: bool


@pytest.fixture(scope="module")
def one_machine() -> Iterator[ClusterFacts]:
    with connect("local", cpus=1) as facts:
        yield facts


@contextmanager
def another_machine(facts: ClusterFacts, cpus: int) -> Iterator[str]:
    """Let a machine join; yields its id."""
    parameters = RayParams(
        gcs_address=facts.address,
        redis_address=facts.address,
        node_ip_address="127.0.0.1",
        num_cpus=cpus,
        num_gpus=0,
        object_store_memory=OBJECT_STORE_BYTES,
        node_manager_port=0,
        min_worker_port=0,
        max_worker_port=0,
        include_log_monitor=False,
    )
    with _loopback_only():
        node = Node(parameters, head=False, shutdown_at_exit=False, spawn_reaper=False)
    try:
        yield node.node_id
    finally:
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def until(pool: RayPool, kind: type[Event], number: int, seen: list[Event]) -> list[Event]:
    """Return the first so many events of a kind; all events go to `seen`."""
    deadline = time.monotonic() + PATIENCE
    while len(found := [event for event in seen if isinstance(event, kind)]) < number:
        assert time.monotonic() < deadline, seen
        seen += pool.wait(1.0)
    return found


def free_cpus(wanted: float) -> bool:
    deadline = time.monotonic() + PATIENCE
    while ray.available_resources().get("CPU", 0.0) != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_a_pool_grows_and_shrinks_with_its_cluster_and_its_work(
    one_machine: ClusterFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "LOOK_SECONDS", 0.1)
    settings = PoolSettings(size=3, cpus=1, start_seconds=60)
    with closing(RayPool(Clerk, (), settings)) as pool:
        seen: list[Event] = []
        (first,) = until(pool, Ready, 1, seen)
        for actor in pool._actors.values():
            actor.heard -= 3600  # two have waited for a machine for an hour
        assert pool.wait(0.0) == []
        assert pool.free() == 1

        with another_machine(one_machine, cpus=2) as node:
            came = until(pool, Ready, 3, seen)[1:]
            assert {event.facts for event in came if isinstance(event, Ready)} == {node}
            assert pool.free() == 3

            pool.aim(1)
            until(pool, Left, 2, seen)
            assert pool.free() == 1
            assert free_cpus(2.0), "they hold on to their machines"

            pool.aim(10)
            until(pool, Ready, 5, seen)
            for key in "abc":
                pool.send(key, Order(tmp_path / "end", in_vain=key != "a"))
            drain(node)
            leaving = until(pool, Leaving, 2, seen)
            assert all(isinstance(event, Leaving) and event.key for event in leaving)
            (tmp_path / "end").touch()
            until(pool, Left, 4, seen)
            until(pool, Done, 1, seen)
            assert len(until(pool, Failed, 2, seen)) == 2, "what was begun is finished"
            assert pool.free() == 1
            assert first.worker not in {event.worker for event in seen if isinstance(event, Left)}
        assert not [event for event in seen if isinstance(event, Died)]


def drain(node: str) -> None:
    """Tell Ray that a machine will go in a minute, as a spot notice does."""
    deadline = int((time.time() + 60) * 1000)
    accepted, why = global_worker.gcs_client.drain_node(node, PREEMPTION, "spot", deadline)
    assert accepted, why
