"""Machines come and go: a job on a cluster that loses a raylet, a spot node, and its head."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2

from photochrom.cluster.session import OBJECT_STORE_BYTES, _loopback_only
from tests.drills.archive import sheets
from tests.drills.place import Driving, Place, TwoParties, fill, until
from tests.drills.test_schedules import LONG
from tests.servers import free_ports

COUNT = 128
START_SECONDS = 300.0  # four machines in one take their time

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def cluster(parties: TwoParties, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # keeps Ray on loopback
    with _loopback_only():
        cluster = Cluster()
        add_node(cluster, cpus=0)
        yield cluster
        cluster.shutdown()


def add_node(cluster: Cluster, cpus: int = 1) -> Any:
    return cluster.add_node(
        num_cpus=cpus,
        num_gpus=0,
        node_ip_address="127.0.0.1",
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        include_log_monitor=False,
        dashboard_port=free_ports(1)[0],
    )


def driven(place: Place, cluster: Cluster) -> Driving:
    words = ("run", str(place.job_file), "--json", "--address", cluster.address)
    return place.photochrom(*words, "--set", "run.replicas=3")


def beyond(driving: Driving, place: Place, commits: int) -> int:
    """Wait for further commits while the driver lives; return how many there are."""
    ended = driving.process.poll
    until(lambda: len(place.commits()) > commits or ended() is not None, "commits", START_SECONDS)
    assert driving.process.poll() is None, driving.said
    return len(place.commits())


def kill(node: Any, kind: str) -> None:
    """Kill a node's processes of a kind, and bury them: workers obey a zombie as if it lived."""
    for info in node.all_processes[kind]:
        info.process.kill()
        info.process.wait()


def drain(cluster: Cluster, node: Any, seconds: float) -> None:
    """Give notice that a node will be taken away."""
    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    deadline = int((time.time() + seconds) * 1000)
    client = ray._raylet.GcsClient(address=cluster.address)
    accepted, why = client.drain_node(node.node_id, reason, "spot", deadline)
    assert accepted, why


def test_a_raylet_is_killed_and_a_spot_node_taken_away(
    parties: TwoParties, cluster: Cluster, tmp_path: Path
) -> None:
    first, second, _ = (add_node(cluster) for _ in range(3))
    place = Place(parties, "nodes", tmp_path, fill(parties, "nodes", sheets(COUNT)))
    with driven(place, cluster) as driving:
        done = beyond(driving, place, 0)
        kill(first, "raylet")
        beyond(driving, place, done)
        drain(cluster, second, 1.0)
        time.sleep(1.0)
        cluster.remove_node(second, allow_graceful=False)
        assert driving.ended() == 0, driving.said
    place.assert_all_done_and_proven(COUNT)


@pytest.mark.skipif(not LONG, reason="of the long form: make drills")
def test_the_head_of_the_cluster_is_killed(
    parties: TwoParties, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
    for _ in range(3):
        add_node(cluster)
    place = Place(parties, "head", tmp_path, fill(parties, "head", sheets(COUNT)))
    with driven(place, cluster) as driving:
        beyond(driving, place, 0)
        kill(cluster.head_node, "gcs_server")
        assert driving.ended() != 0
    cluster.shutdown()
    with place.run() as driving:
        assert driving.ended() == 0
    place.assert_all_done_and_proven(COUNT)
