"""Machines come and go: a job on a cluster that loses a raylet, a spot node, and its head."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import ray
from ray._private.node import Node
from ray._private.parameter import RayParams

from photochrom.cluster import ClusterFacts, connect
from photochrom.cluster.session import OBJECT_STORE_BYTES, _loopback_only
from photochrom.jobs.driving.launch import ray_pool
from photochrom.jobs.messages import Finished
from tests.drills.archive import sheets
from tests.drills.long_form import LONG_ONLY
from tests.drills.place import Place, TwoParties, fill, until
from tests.drills.promises import assert_the_promises_hold
from tests.jobs.archive import Listener, driver_of, job_of, write_photos

COUNT = 96
START_SECONDS = 300.0
PREEMPTION = 2  # DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@contextmanager
def another_machine(facts: ClusterFacts) -> Iterator[Node]:
    """Let a machine of one CPU join."""
    parameters = RayParams(
        gcs_address=facts.address,
        redis_address=facts.address,
        node_ip_address="127.0.0.1",
        num_cpus=1,
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
        yield node
    finally:
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def kill_raylet(node: Node) -> None:
    """Kill a machine's raylet and bury it: workers obey a zombie as if it lived."""
    for info in node.all_processes["raylet"]:
        info.process.kill()
        info.process.wait()


def take_away(node: Node, address: str) -> None:
    """Give notice that a machine will be taken away, and take it."""
    deadline = int((time.time() + 1) * 1000)
    client = ray._raylet.GcsClient(address=address)
    accepted, why = client.drain_node(node.node_id, PREEMPTION, "spot", deadline)
    assert accepted, why
    time.sleep(1.0)
    node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


class Fate(Listener):
    """Does something to the cluster when so many photographs are finished."""

    def __init__(self, strokes: dict[int, Callable[[], None]]) -> None:
        super().__init__()
        self.strokes = strokes

    def advance(self, finished: Finished) -> None:
        super().advance(finished)
        if stroke := self.strokes.pop(len(self.finished), None):
            stroke()


def test_a_raylet_is_killed_and_a_spot_node_taken_away(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", COUNT)
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.replicas=3", "print.format=tiff")
    with connect("local", cpus=1) as facts, ExitStack() as machines:
        first, second = (machines.enter_context(another_machine(facts)) for _ in range(2))
        until(lambda: ray.cluster_resources().get("CPU") == 3, "the machines")
        fate = Fate(
            {
                COUNT // 8: lambda: kill_raylet(first),
                COUNT // 4: lambda: take_away(second, facts.address),
            }
        )
        driver_of(job, ray_pool("auto"), fate).run()
    assert not fate.strokes
    assert_the_promises_hold(job)


@LONG_ONLY
@pytest.mark.parametrize("killed", [("gcs_server",), ("raylet", "ray::")], ids=["gcs", "raylet"])
def test_the_only_machine_of_the_cluster_loses_its_ray(
    parties: TwoParties, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: tuple[str, ...]
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "10")
    bucket = f"loses-{len(killed)}"
    place = Place(parties, bucket, tmp_path, fill(parties, bucket, sheets(COUNT)))
    with place.run() as driving:
        ended = driving.process.poll
        until(lambda: place.commits() or ended() is not None, "a commit", START_SECONDS)
        assert ended() is None, driving.said
        for pid, name in driving.family().items():
            if name.startswith(killed):
                os.kill(pid, signal.SIGKILL)
        assert driving.ended() != 0
    with place.run() as driving:
        assert driving.ended(START_SECONDS) == 0
    place.assert_all_done_and_proven(COUNT)
