"""A job is handed in as soon as its head has an agent for it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from photochrom.cluster import submit
from photochrom.cluster.submit import JobServer

TOO_SOON = "status code 500: No available agent to submit job, please try again later."


@dataclass
class Client:
    """A client whose first calls fail."""

    failures: int
    message: str
    calls: int = 0

    def submit_job(self, *, submission_id: str) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise RuntimeError(self.message)
        return submission_id


def handed_in(client: Client) -> str:
    server = object.__new__(JobServer)
    server._client = client
    return server._taken(submission_id="a-1")


def test_a_head_that_has_just_begun_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.0)
    client = Client(2, TOO_SOON)
    assert (handed_in(client), client.calls) == ("a-1", 3)


def test_it_is_not_asked_for_ever_nor_after_another_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(submit, "_SECONDS", 0.0)
    for message in (TOO_SOON, "no room"):
        client = Client(9, message)
        with pytest.raises(RuntimeError, match=message[:7]):
            handed_in(client)
        assert client.calls == 1
