from collections.abc import Iterator

import pytest

from photochrom.cluster import ClusterFacts, connect


@pytest.fixture(scope="session")
def local_ray() -> Iterator[ClusterFacts]:
    with connect("local", cpus=2) as facts:
        yield facts
