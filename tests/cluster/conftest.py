from collections.abc import Iterator

import pytest

from photochrom.cluster import ClusterFacts, connect


@pytest.fixture(scope="module")
def local_ray() -> Iterator[ClusterFacts]:
    """Run a Ray for each file: one that lost count of its CPUs over a kill hinders no other."""
    with connect("local", cpus=2) as facts:
        yield facts
