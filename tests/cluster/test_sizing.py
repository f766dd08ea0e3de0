import pytest

from photochrom.cluster import ClusterFacts, Node, PoolError, resolve

LAPTOP = ClusterFacts("local", (Node("127.0.0.1", 8, 0),))
SMALL = ClusterFacts("local", (Node("127.0.0.1", 1, 0),))
GPU_NODES = ClusterFacts("head:6379", (Node("a", 16, 4), Node("b", 16, 4), Node("c", 64, 0)))
THIN_GPU = ClusterFacts("head:6379", (Node("a", 4, 8),))


@pytest.mark.parametrize(
    ("facts", "replicas", "cpus", "gpus", "expected"),
    [
        (LAPTOP, "auto", 2, "auto", (4, 2, 0)),
        (LAPTOP, 3, 2, "auto", (3, 2, 0)),
        (SMALL, "auto", 2, "auto", (1, 1, 0)),
        (GPU_NODES, "auto", 2, "auto", (8, 2, 1)),
        (GPU_NODES, "auto", 2, 0, (48, 2, 0)),
        (GPU_NODES, "auto", 2, 0.5, (16, 2, 0.5)),
        (THIN_GPU, "auto", 2, "auto", (2, 2, 1)),
        (GPU_NODES, 5, 4, "auto", (5, 4, 1)),
    ],
)
def test_auto_takes_what_is_there(
    facts: ClusterFacts,
    replicas: int,
    cpus: float,
    gpus: float,
    expected: tuple[int, float, float],
) -> None:
    assert resolve(replicas, cpus, gpus, facts) == expected


@pytest.mark.parametrize(
    ("facts", "replicas", "cpus", "gpus", "missing"),
    [
        (LAPTOP, 5, 2, "auto", "want of CPUs"),
        (LAPTOP, 1, 9, 0, "want of CPUs"),
        (LAPTOP, 1, 1, 1, "want of GPUs"),
        (LAPTOP, "auto", 1, 1, "want of GPUs"),
        (GPU_NODES, 9, 2, "auto", "want of GPUs"),
        (THIN_GPU, 3, 2, 1, "want of CPUs"),
    ],
)
def test_what_can_never_fit_is_refused_by_name(
    facts: ClusterFacts, replicas: int, cpus: float, gpus: float, missing: str
) -> None:
    with pytest.raises(PoolError, match=missing):
        resolve(replicas, cpus, gpus, facts)


def test_a_cluster_that_grows_may_be_asked_for_more() -> None:
    assert resolve(20, 2, 1, LAPTOP, elastic=True) == (20, 2, 1)


def test_what_a_growing_cluster_cannot_tell_yet_must_be_said() -> None:
    with pytest.raises(PoolError, match="gpus_per_replica to 1, or to 0"):
        resolve(20, 2, "auto", LAPTOP, elastic=True)
    assert resolve(20, 2, "auto", GPU_NODES, elastic=True) == (20, 2, 1)
