from __future__ import annotations

from typing import Any

import pytest
import ray
from ray.exceptions import RpcError

from photochrom.cluster import home
from photochrom.cluster.errors import PoolError
from photochrom.cluster.home import Home

HERE, ELSEWHERE = "aa" * 28, "bb" * 28


class Context:
    def get_node_id(self) -> str:
        return HERE


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Return which nodes of a made-up cluster live; it is asked at every look."""
    alive = {HERE: True, ELSEWHERE: True}

    def listed() -> list[dict[str, Any]]:
        return [{"NodeID": node, "Alive": lives} for node, lives in alive.items()]

    monkeypatch.setattr(ray, "get_runtime_context", Context)
    monkeypatch.setattr(ray, "nodes", listed)
    monkeypatch.setattr(home, "LOOK_SECONDS", 0.0)
    return alive


def test_only_the_death_of_our_own_node_ends_the_work(nodes: dict[str, bool]) -> None:
    ours = Home()
    ours.check()
    nodes[ELSEWHERE] = False
    ours.check()
    nodes[HERE] = False
    with pytest.raises(PoolError, match=r"has died.* run again"):
        ours.check()


def test_it_is_asked_now_and_then(nodes: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "LOOK_SECONDS", 3600.0)
    ours = Home()
    nodes[HERE] = False
    ours.check()


def test_a_head_that_does_not_answer_is_not_our_death(
    nodes: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise RpcError("no answer")

    monkeypatch.setattr(ray, "nodes", away)
    Home().check()
