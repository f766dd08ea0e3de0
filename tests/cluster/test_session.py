import os
import subprocess
import sys
from pathlib import Path

import pytest

from photochrom.cluster import ClusterFacts, PoolError, connect

LISTENING = "0A"


def descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def sockets(pid: int) -> set[str]:
    links = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            links.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    return links


def listening_addresses(pids: set[int]) -> list[str]:
    """Return the local addresses, in the kernel's hexadecimal, on which the processes listen."""
    held = set().union(*(sockets(pid) for pid in pids))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in held:
                found.append(fields[1].partition(":")[0])
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_a_local_ray_listens_on_loopback_only(local_ray: ClusterFacts) -> None:
    addresses = listening_addresses(descendants(os.getpid()))
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", f"{'0' * 24}01000000"}
    assert len(addresses) >= 4
    assert set(addresses) <= loopback


def test_facts_name_the_node_and_what_it_offers(local_ray: ClusterFacts) -> None:
    (node,) = local_ray.nodes
    assert (node.address, node.cpus, local_ray.cpus, local_ray.gpus) == ("127.0.0.1", 2, 2, 0)
    assert local_ray.address.startswith("127.0.0.1:")


def test_a_connected_process_stays_connected(local_ray: ClusterFacts) -> None:
    with connect("local") as again:
        assert again == local_ray
    with connect("auto") as still_there:
        assert still_there == local_ray


def test_another_cluster_than_the_connected_one_is_refused(local_ray: ClusterFacts) -> None:
    with pytest.raises(PoolError, match="already"), connect("127.0.0.1:1"):
        pass


def test_what_cannot_work_is_said_before_ray_starts() -> None:
    with pytest.raises(PoolError, match="submit"), connect("ray://head:10001"):
        pass
    with pytest.raises(PoolError, match="local Ray only"), connect("head:6379", cpus=2):
        pass


SCRIPT = """
import os, sys
from photochrom.cluster import PoolError, connect
assert "ray" not in sys.modules, "importing the wing imports ray"
try:
    with connect("127.0.0.1:9"):
        pass
except PoolError as error:
    print(error)
try:
    with connect("local", cpus=1) as facts:
        import ray
        print(facts.cpus, ray.get(ray.remote(lambda: os.getpid()).remote()) != os.getpid())
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print("stopped", ray.is_initialized(), os.listdir(os.environ["TMPDIR"]))
"""


def test_an_interrupted_session_leaves_nothing_behind(tmp_path: Path) -> None:
    short = Path("/tmp") / f"p{os.getpid()}"
    short.mkdir()
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            timeout=240,
            env=os.environ | {"TMPDIR": str(short)},
            cwd=tmp_path,
            check=False,
        )
    finally:
        left = list(short.iterdir())
        short.rmdir()
    assert done.returncode == 0, done.stderr
    assert left == []
    assert "no Ray cluster answers at 127.0.0.1:9" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["1.0 True", "stopped False []"]
