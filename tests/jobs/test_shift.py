"""The shift: what an outage's end is told by."""

from __future__ import annotations

import pytest

from photochrom.cluster.events import Done, Event, Progress
from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.driving.shift import Shift, Standing
from photochrom.jobs.messages import Committed, Filed, Lap, Shard
from tests.jobs.archive import NO_METERS, Listener
from tests.jobs.test_breaker import StorageError, Storm


class Scripted:
    """A pool of one worker, during whose work the storage is found to be away."""

    def __init__(self, storm: Storm, said: Standing) -> None:
        self._storm, self._said = storm, said

    def free(self) -> int:
        return 1

    def aim(self, items: int) -> None: ...
    def send(self, key: str, item: object) -> None: ...
    def close(self) -> None: ...

    def wait(self, timeout: float) -> list[Event]:
        self._storm.error = StorageError("no route to host")
        assert self._storm.watch.away("StorageError", [])
        return [Progress("w", "k", self._said), Done("w", "k")]


@pytest.mark.parametrize(
    ("said", "over"),
    [(Committed("k", True, (), (), Lap(0, 0)), True), (Filed("k", (), ()), False)],
)
def test_only_what_was_written_ends_an_outage(said: Standing, over: bool) -> None:
    storm, heard = Storm(), list[Standing]()
    shift = Shift(storm.watch, Listener(), NO_METERS, heard.append)
    shift.work(Queue([Shard("k", 1, "", ())], 3), Scripted(storm, said))
    assert heard == [said]
    assert storm.breaker.open is not over
