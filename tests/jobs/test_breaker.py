"""The breaker and the watch that keeps it: a job waits for its storage, but not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.jobs.driving.breaker import Breaker, BreakerSettings
from photochrom.jobs.driving.watch import Watch, passes
from photochrom.jobs.errors import (
    AccessDenied,
    JobError,
    RestrictionsUnread,
    StorageError,
    Unfinished,
)
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.sources import Sources

SETTINGS = BreakerSettings(first_pause=2, longest_pause=10, patience=100)


class Storm:
    """A clock, and a storage that answers or not."""

    def __init__(self) -> None:
        self.now, self.asked = 0.0, 0
        self.error: Exception | None = None
        self.notes: list[str] = []
        self.breaker = Breaker(SETTINGS)
        sources = Sources(Access())
        self.watch = Watch(self.breaker, self.ask, sources, self.notes.append, lambda: self.now)

    def ask(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error


def test_pauses_grow_to_their_longest() -> None:
    breaker, now, pauses = Breaker(SETTINGS), 0.0, []
    for _ in range(5):
        pauses.append(breaker.trip("down", now))
        assert not breaker.due(now + pauses[-1] - 0.1)
        now += pauses[-1]
        assert breaker.due(now)
    assert pauses == [2, 4, 8, 10, 10]


def test_pauses_are_stretched_by_chance() -> None:
    assert Breaker(SETTINGS, stretch=lambda: 1.5).trip("down", 0.0) == 3.0


def test_an_outage_without_end_stops_the_job_resumable() -> None:
    breaker = Breaker(SETTINGS)
    breaker.trip("down", 0.0)
    breaker.trip("down", 99.9)
    with pytest.raises(Unfinished, match=r"away for 100 s: down\. Nothing is lost; when it is"):
        breaker.trip("down", 100.0)


def test_only_a_commit_ends_an_outage() -> None:
    breaker = Breaker(SETTINGS)
    breaker.trip("down", 0.0)
    breaker.answered()
    assert not breaker.open
    with pytest.raises(Unfinished):
        breaker.trip("down", 100.0)
    breaker.committed()
    assert breaker.trip("down", 200.0) == 2
    assert not Breaker(SETTINGS).due(1e9)


def test_a_storage_that_answers_is_not_away() -> None:
    storm = Storm()
    assert not storm.watch.away("StorageError", [])
    assert storm.watch.clear()
    assert (storm.asked, storm.notes) == (1, [])


def test_work_waits_while_the_storage_is_away_and_goes_on_when_it_answers() -> None:
    storm = Storm()
    storm.error = StorageError("slow down")
    assert storm.watch.away("StorageError", [])
    assert storm.watch.away("StorageError", [])
    assert storm.asked == 1, "it is known to be away"
    assert not storm.watch.clear()
    storm.now = 2.0
    assert not storm.watch.clear()
    storm.error = None
    storm.now = 6.0
    assert storm.watch.clear()
    assert storm.notes == [
        "the storage is away, asking again in 2 s: slow down",
        "the storage is away, asking again in 4 s: slow down",
        "the storage answers again; the job goes on",
    ]


def test_a_commit_closes_the_breaker_at_once() -> None:
    storm = Storm()
    storm.error = StorageError("slow down")
    storm.watch.away("StorageError", [])
    storm.watch.committed()
    assert storm.watch.clear()


@pytest.mark.parametrize(
    "kind", ["NotFound", "AccessDenied", "OSError", "Unfinished", "annotations"]
)
def test_what_does_not_pass_is_not_waited_for(kind: str) -> None:
    storm = Storm()
    storm.error = StorageError("slow down")
    assert not storm.watch.away(kind, [])
    assert storm.asked == 0


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    storm = Storm()
    storm.error = AccessDenied("not for you")
    assert not storm.watch.away("StorageError", [])
    storm.error = None
    assert not storm.watch.away("StorageError", [str(tmp_path / "absent.tif")])


def test_an_unreadable_table_of_restrictions_is_waited_for() -> None:
    storm = Storm()
    storm.error = RestrictionsUnread("half saved")
    assert passes("RestrictionsUnread")
    assert storm.watch.away("RestrictionsUnread", [])
    assert not storm.watch.clear()


def test_the_side_of_the_sources_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    storm = Storm()

    def down(self: object, key: str) -> None:
        raise StorageError(f"{key}: no answer")

    monkeypatch.setattr("photochrom.jobs.storage.store.Store.answer", down)
    assert storm.watch.away("StorageError", ["file:///scans/a.tif", "file:///scans/b.tif"])
    assert storm.notes == ["the storage is away, asking again in 2 s: scans/a.tif: no answer"]


def test_a_call_that_an_outage_cut_off_is_made_again() -> None:
    """And then the outage is over: the next one has all our patience."""
    storm, made, ends = Storm(), [], [90.0, 180.0]

    def call() -> str:
        made.append(storm.now)
        if storm.error:
            raise JobError("the question failed")
        return "an answer"

    def sleep(seconds: float) -> None:
        storm.now += seconds
        if storm.now > ends[0]:
            storm.error = None

    while ends:
        storm.error = StorageError("no route to host")
        assert storm.watch.through(call, sleep) == "an answer"
        ends.pop(0)
    assert len(made) == 4
    assert storm.notes.count("the storage answers again; the job goes on") == 2


def test_a_call_that_fails_while_the_storage_answers_has_failed() -> None:
    storm = Storm()

    def call() -> None:
        raise JobError("no such column")

    with pytest.raises(JobError, match="no such column"):
        storm.watch.through(call, pytest.fail)
    assert storm.asked == 1
