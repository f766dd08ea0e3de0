"""The queue, as a state machine: whatever happens, every shard is done or given up."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.messages import Attempt, Shard
from photochrom.jobs.records import PlanRow

ATTEMPTS, BACKOFF = 3, 2.0


def shard_of(key: str, rows: int = 2) -> Shard:
    made = [
        PlanRow(
            row_id=f"{key}-{n}",
            row_key=f"{key}-{n}",
            source_uri="",
            source_version="",
            source_bytes=0,
            shard=0,
            shard_key=key,
            skip="",
            tone="",
            collection="",
            rights="",
            restriction="",
        )
        for n in range(rows)
    ]
    return Shard(key, 1, "2026-01-01", tuple(made))


def taken(queue: Queue, now: float = 0.0) -> Attempt:
    attempt = queue.next(now)
    assert attempt is not None
    return attempt


class QueueMachine(RuleBasedStateMachine):
    """Plays a pool that does anything a pool can do, in any order, late words too."""

    @initialize(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def begin(self, sizes: list[int]) -> None:
        self.shards = {f"s{n}": shard_of(f"s{n}", size) for n, size in enumerate(sizes)}
        self.queue = Queue(self.shards.values(), ATTEMPTS, BACKOFF)
        self.now = 100.0
        self.running: dict[str, Attempt] = {}
        self.suspects: dict[str, str | None] = {}
        self.done: set[str] = set()
        self.tries = dict.fromkeys(self.shards, 0)
        self.condemned: dict[str, set[str]] = {key: set() for key in self.shards}
        self.blamed = dict.fromkeys(self.shards, False)
        self.earliest = dict.fromkeys(self.shards, 0.0)

    def keys_for(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.shards)))

    @rule(seconds=st.sampled_from([0.0, 0.5, BACKOFF, 10 * BACKOFF]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        attempt = self.queue.next(self.now)
        if attempt is None:
            idle = set(self.shards) - self.done - set(self.queue.given_up) - set(self.running)
            assert all(self.earliest[key] > self.now for key in idle)
            return
        key = attempt.shard.key
        assert key not in self.running
        assert key not in self.done
        assert key not in self.queue.given_up
        assert self.now >= self.earliest[key]
        assert attempt.careful == self.blamed[key]
        assert attempt.condemned == self.condemned[key]
        assert attempt.last == (self.tries[key] == ATTEMPTS - 1)
        assert attempt.number <= ATTEMPTS + len(attempt.shard.rows)
        self.running[key], self.suspects[key] = attempt, None

    @precondition(lambda self: any(a.careful for a in self.running.values()))
    @rule(data=st.data())
    def work_on(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(k for k, a in self.running.items() if a.careful)))
        rows = [row.row_key for row in self.shards[key].rows]
        row = data.draw(st.sampled_from([*(r for r in rows if r not in self.condemned[key]), None]))
        self.queue.working_on(key, row)
        self.suspects[key] = row

    @rule(data=st.data(), late=st.booleans())
    def finish(self, data: st.DataObject, late: bool) -> None:
        key = self.keys_for(data) if late else self.a_running_one(data)
        if key is None:
            return
        self.queue.done(key)
        self.running.pop(key, None)
        self.done.add(key)

    @rule(data=st.data(), late=st.booleans())
    def fail(self, data: st.DataObject, late: bool) -> None:
        key = self.keys_for(data) if late else self.a_running_one(data)
        if key is None:
            return
        self.queue.failed(key, "storage", self.now)
        if self.running.pop(key, None):
            self.count(key)

    @rule(data=st.data(), late=st.booleans())
    def die(self, data: st.DataObject, late: bool) -> None:
        key = self.keys_for(data) if late else self.a_running_one(data)
        if key is None:
            return
        self.queue.died(key, "killed", self.now)
        attempt = self.running.pop(key, None)
        if attempt is None:
            return
        suspect = self.suspects[key]
        if attempt.careful and suspect is not None:
            self.condemned[key].add(suspect)
        else:
            self.count(key)

    def a_running_one(self, data: st.DataObject) -> str | None:
        return data.draw(st.sampled_from(sorted(self.running))) if self.running else None

    def count(self, key: str) -> None:
        self.tries[key] += 1
        self.blamed[key] = True
        if self.tries[key] < ATTEMPTS:
            self.earliest[key] = self.now + BACKOFF * 2 ** (self.tries[key] - 1)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "queue"):
            return
        given_up = set(self.queue.given_up)
        assert not given_up & self.done
        left = set(self.shards) - self.done - given_up
        assert self.queue.left == len(left)
        assert self.queue.finished == (not left)
        assert self.queue.rows_left == sum(len(self.shards[key].rows) for key in left)
        assert all(self.tries[key] >= ATTEMPTS for key in given_up)
        assert all(self.tries[key] < ATTEMPTS for key in left)

    def teardown(self) -> None:
        """However it went so far, deaths alone end it."""
        if not hasattr(self, "queue"):
            return
        for key in list(self.running):
            self.die_now(key)
        turns = 0
        while not self.queue.finished:
            self.now += 1000.0
            self.die_now(taken(self.queue, self.now).shard.key)
            turns += 1
            assert turns <= sum(ATTEMPTS + len(shard.rows) for shard in self.shards.values())

    def die_now(self, key: str) -> None:
        self.queue.died(key, "killed", self.now)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_shards_go_out_in_their_order_and_whole() -> None:
    queue = Queue([shard_of("a"), shard_of("b")], ATTEMPTS)
    first, second = taken(queue), taken(queue)
    assert (first.shard.key, second.shard.key) == ("a", "b")
    assert not first.careful
    assert not first.last
    assert first.number == 1
    assert queue.next(0) is None
    assert not queue.finished


def test_a_photo_that_kills_twice_is_condemned() -> None:
    queue = Queue([shard_of("a")], ATTEMPTS, backoff=0)
    taken(queue)
    queue.died("a", "SIGKILL", 0)
    careful = taken(queue)
    assert careful.careful
    assert careful.condemned == frozenset()
    queue.working_on("a", "a-0")
    queue.working_on("a", "a-1")
    queue.died("a", "SIGKILL", 0)
    third = taken(queue)
    assert third.condemned == {"a-1"}
    assert third.number == 3
    queue.done("a")
    assert queue.finished
    assert not queue.given_up


def test_a_death_between_photos_condemns_nobody() -> None:
    queue = Queue([shard_of("a")], ATTEMPTS, backoff=0)
    taken(queue)
    queue.died("a", "", 0)
    taken(queue)
    queue.working_on("a", "a-0")
    queue.working_on("a", None)
    queue.died("a", "", 0)
    assert taken(queue).condemned == frozenset()


def test_a_suspect_of_an_earlier_attempt_is_forgotten() -> None:
    queue = Queue([shard_of("a")], ATTEMPTS, backoff=0)
    taken(queue)
    queue.died("a", "", 0)
    taken(queue)
    queue.working_on("a", "a-0")
    queue.failed("a", "storage", 0)
    taken(queue)
    queue.died("a", "before its first photo", 0)
    assert queue.given_up == {"a": "before its first photo"}


def test_giving_up_keeps_the_last_error_and_the_others_go_on() -> None:
    queue = Queue([shard_of("a"), shard_of("b")], 2, backoff=5)
    taken(queue)
    queue.failed("a", "first", 0)
    assert taken(queue, 1).shard.key == "b"
    assert queue.next(4.9) is None
    attempt = taken(queue, 5)
    assert attempt.last
    queue.failed("a", "second", 5)
    assert queue.given_up == {"a": "second"}
    queue.done("b")
    assert queue.finished


def test_backoff_doubles() -> None:
    queue = Queue([shard_of("a")], 5, backoff=2)
    now = 0.0
    for pause in (2, 4, 8):
        taken(queue, now)
        queue.failed("a", "x", now)
        assert queue.next(now + pause - 0.1) is None
        now += pause
    assert taken(queue, now).number == 4


@pytest.mark.parametrize("word", ["done", "failed", "died"])
def test_a_late_word_on_a_finished_shard_changes_nothing(word: str) -> None:
    queue = Queue([shard_of("a")], ATTEMPTS)
    taken(queue)
    queue.done("a")
    queue.working_on("a", "a-0")
    if word == "done":
        queue.done("a")
    else:
        getattr(queue, word)("a", "late", 0)
    assert queue.finished
    assert queue.left == queue.rows_left == 0
    assert queue.given_up == {}


def test_a_shard_that_was_given_up_may_still_be_done_by_others() -> None:
    queue = Queue([shard_of("a")], 2, backoff=0)
    for _ in range(2):
        taken(queue)
        queue.failed("a", "storage", 0)
    assert queue.given_up
    queue.done("a")
    assert queue.given_up == {}


def test_a_machine_that_goes_away_condemns_no_photo() -> None:
    queue = Queue([shard_of("s")], ATTEMPTS, BACKOFF)
    taken(queue)
    queue.failed("s", "slow down", 0.0)
    careful = taken(queue, 10.0)
    assert careful.careful
    queue.working_on("s", "s-0")
    queue.died("s", "preempted", 10.0, blame=False)
    again = taken(queue, 100.0)
    assert again.condemned == frozenset()
    queue.working_on("s", "s-0")
    queue.died("s", "killed", 100.0)
    assert taken(queue, 200.0).condemned == {"s-0"}


def test_a_shard_that_is_handed_back_starts_as_if_it_had_not() -> None:
    queue = Queue([shard_of("a"), shard_of("b")], 2, backoff=5)
    for _ in range(5):
        assert taken(queue).shard.key == "a"
        assert taken(queue).shard.key == "b"
        queue.handed_back("a")
        queue.handed_back("b")
        queue.handed_back("b")
        assert queue.left == 2
    attempt = taken(queue)
    assert (attempt.number, attempt.careful, attempt.last) == (6, False, False)
    assert queue.given_up == {}


def test_a_photo_in_hand_is_not_blamed_for_what_is_handed_back() -> None:
    queue = Queue([shard_of("a")], ATTEMPTS, backoff=0)
    taken(queue)
    queue.failed("a", "x", 0)
    assert taken(queue).careful
    queue.working_on("a", "a-0")
    queue.handed_back("a")
    assert taken(queue).careful
    queue.died("a", "killed", 0)
    assert taken(queue).condemned == frozenset()


def test_pauses_are_stretched_by_chance() -> None:
    queue = Queue([shard_of("a")], 3, backoff=2, stretch=lambda: 1.5)
    taken(queue)
    queue.failed("a", "x", 0)
    assert queue.next(2.9) is None
    assert taken(queue, 3.0).number == 2


def test_what_a_shard_reads_is_known_until_it_is_done() -> None:
    queue = Queue([shard_of("a")], 3)
    assert queue.sources_of("a") == ["", ""]
    queue.done("a")
    assert queue.sources_of("a") == []
