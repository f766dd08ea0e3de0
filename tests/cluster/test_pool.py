import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import ray

from photochrom.cluster import (
    Died,
    Done,
    Event,
    Failed,
    InlinePool,
    Pool,
    PoolError,
    PoolSettings,
    Progress,
    RayPool,
    Ready,
    WorkerLost,
)

# The workers' processes cannot import this file, so its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

MakePool = Callable[..., Pool]


class TornPageError(Exception):
    """Cannot be made again from its message, as pickle would."""

    def __init__(self, *, page: int) -> None:
        super().__init__(f"page {page} is torn")


class Scribe:
    """Do what the item spells out, word by word."""

    def __init__(self, name: str = "anne") -> None:
        self.name = name

    def ready(self) -> dict[str, object]:
        return {"name": self.name, "pid": os.getpid()}

    def run(self, item: object) -> Iterator[object]:
        assert isinstance(item, str)
        for word in item.split():
            match word:
                case "spill":
                    raise ValueError("ink on the desk")
                case "tear":
                    raise TornPageError(page=7)
                case "break":
                    raise WorkerLost("device", "the quill\nis broken")
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "sleep":
                    time.sleep(3600)
                case "nap":
                    time.sleep(0.5)
                case "chatter":
                    end = time.monotonic() + 3
                    while time.monotonic() < end:
                        yield word
                case _:
                    yield word


class Inkless(Scribe):
    def __init__(self, name: str = "anne") -> None:
        raise FileNotFoundError("no inkwell")


class Unready(Scribe):
    def ready(self) -> dict[str, object]:
        raise RuntimeError("still sharpening the quill")


class LateRiser(Scribe):
    """Dies in its first two starts."""

    def __init__(self, tally: str) -> None:
        with Path(tally).open("a") as file:
            file.write("|")
        if len(Path(tally).read_text()) < 3:
            os._exit(1)
        super().__init__("late")


@pytest.fixture(params=["inline", "ray"])
def make_pool(request: pytest.FixtureRequest) -> MakePool:
    if request.param == "inline":
        return InlinePool
    request.getfixturevalue("local_ray")
    return ray_pool


def ray_pool(
    worker_class: type[Scribe], arguments: Sequence[object] = (), **settings: float
) -> RayPool:
    defaults = {"size": 1, "cpus": 0.5}
    return RayPool(worker_class, arguments, PoolSettings.model_validate(defaults | settings))


def events_until(pool: Pool, kind: type[Event], number: int = 1) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + 200
    while sum(isinstance(event, kind) for event in events) < number:
        assert time.monotonic() < deadline, events
        events += pool.wait(1.0)
    return events


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def told(events: Sequence[Event]) -> list[object]:
    return [event.value for event in events if isinstance(event, Progress)]


def test_only_a_ready_worker_gets_work(make_pool: MakePool) -> None:
    with closing(make_pool(Scribe, ("berta",))) as pool:
        assert pool.free() == 0
        with pytest.raises(PoolError, match="no worker is free"):
            pool.send("early", "one")
        (ready,) = events_until(pool, Ready)
        assert isinstance(ready, Ready)
        assert isinstance(ready.facts, dict)
        assert ready.facts["name"] == "berta"
        assert pool.free() == 1
        pool.send("k", "one")
        assert pool.free() == 0
        with pytest.raises(PoolError, match="no worker is free"):
            pool.send("second", "one")


def test_progress_comes_in_order_and_then_done(make_pool: MakePool) -> None:
    with closing(make_pool(Scribe)) as pool:
        worker = events_until(pool, Ready)[0].worker
        for key, words in [("a", "one two three"), ("b", ""), ("c", "four")]:
            pool.send(key, words)
            expected = [Progress(worker, key, word) for word in words.split()]
            assert events_until(pool, Done) == [*expected, Done(worker, key)]
            assert pool.free() == 1


def test_what_an_item_raises_is_told_and_the_worker_goes_on(make_pool: MakePool) -> None:
    with closing(make_pool(Scribe)) as pool:
        worker = events_until(pool, Ready)[0].worker
        pool.send("bad", "one spill two")
        *before, failed = events_until(pool, Failed)
        assert told(before) == ["one"]
        assert failed == Failed(worker, "bad", "ink on the desk", "ValueError")
        assert isinstance(failed, Failed)
        assert "in run" in failed.traceback
        pool.send("good", "three")
        assert events_until(pool, Done) == [Progress(worker, "good", "three"), Done(worker, "good")]


def test_a_worker_that_can_do_no_more_dies_over_its_item_and_is_replaced(
    make_pool: MakePool,
) -> None:
    with closing(make_pool(Scribe)) as pool:
        worker = events_until(pool, Ready)[0].worker
        pool.send("fatal", "one break two")
        *before, died = events_until(pool, Died)
        assert told(before) == ["one"]
        assert died == Died(worker, "fatal", "the quill is broken", "device")
        assert pool.free() == 0
        assert [type(event) for event in events_until(pool, Ready)] == [Ready]
        pool.send("next", "three")
        assert told(events_until(pool, Done)) == ["three"]


def test_an_exception_that_does_not_travel_is_told_all_the_same(make_pool: MakePool) -> None:
    with closing(make_pool(Scribe)) as pool:
        worker = events_until(pool, Ready)[0].worker
        pool.send("bad", "tear")
        assert events_until(pool, Failed) == [
            Failed(worker, "bad", "page 7 is torn", "TornPageError")
        ]


@pytest.mark.parametrize(
    ("worker_class", "cause"), [(Inkless, "no inkwell"), (Unready, "still sharpening the quill")]
)
def test_workers_that_never_start_end_the_pool(
    make_pool: MakePool, worker_class: type[Scribe], cause: str
) -> None:
    with closing(make_pool(worker_class)) as pool, pytest.raises(PoolError, match=cause):
        events_until(pool, Ready)


def test_a_worker_that_cannot_be_made_anew_here_ends_the_pool(tmp_path: Path) -> None:
    class Once(Scribe):
        def __init__(self, place: str) -> None:
            Path(place).mkdir()
            super().__init__(place)

    with closing(InlinePool(Once, (str(tmp_path / "desk"),))) as pool:
        events_until(pool, Ready)
        pool.send("fatal", "break")
        assert isinstance(events_until(pool, Died)[-1], Died)
        with pytest.raises(PoolError, match="the worker did not start: FileExistsError"):
            events_until(pool, Ready)


def test_an_idle_pool_waits_out_the_timeout(make_pool: MakePool) -> None:
    with closing(make_pool(Scribe)) as pool:
        events_until(pool, Ready)
        assert pool.wait(0.01) == []


def test_a_closed_pool_stays_closed(make_pool: MakePool) -> None:
    pool = make_pool(Scribe)
    events_until(pool, Ready)
    pool.close()
    pool.close()
    assert pool.free() == 0
    with pytest.raises(PoolError, match="closed"):
        pool.wait(0)


@pytest.mark.usefixtures("local_ray")
class TestRayPool:
    def test_workers_work_side_by_side(self) -> None:
        with closing(ray_pool(Scribe, size=2)) as pool:
            events_until(pool, Ready, 2)
            pool.send("a", "one nap two nap three")
            pool.send("b", "one nap two nap three")
            events = events_until(pool, Done, 2)
            first_end = next(i for i, event in enumerate(events) if isinstance(event, Done))
            keys = {event.key for event in events[:first_end] if isinstance(event, Progress)}
            assert keys == {"a", "b"}
            assert sorted(str(value) for value in told(events)) == sorted(
                2 * ["one", "two", "three"]
            )

    @pytest.mark.parametrize("attempt", range(3))
    def test_all_that_was_told_before_a_death_is_heard_before_it(self, attempt: int) -> None:
        with closing(ray_pool(Scribe)) as pool:
            worker = events_until(pool, Ready)[0].worker
            pool.send("fatal", "1 2 3 4 5 die 6")
            events = events_until(pool, Died)
            assert told(events) == ["1", "2", "3", "4", "5"]
            died = events[-1]
            assert isinstance(died, Died)
            assert (died.worker, died.key, died.kind) == (worker, "fatal", "crash")
            assert "its process ended" in died.cause

    def test_a_killed_worker_is_replaced_and_the_other_works_on(self) -> None:
        with closing(ray_pool(Scribe, size=2)) as pool:
            ready = [event for event in events_until(pool, Ready, 2) if isinstance(event, Ready)]
            pids = {event.worker: event.facts["pid"] for event in ready}  # type: ignore[index]
            pool.send("held", "one sleep")
            (told_by,) = events_until(pool, Progress)
            os.kill(pids[told_by.worker], signal.SIGKILL)
            pool.send("other", "two")
            events = events_until(pool, Died)
            while not any(isinstance(event, Ready) for event in events):
                events += pool.wait(1.0)
            died = next(event for event in events if isinstance(event, Died))
            replacement = next(event for event in events if isinstance(event, Ready))
            assert (died.worker, died.key) == (told_by.worker, "held")
            assert replacement.worker not in pids
            while pool.free() < 2:
                events += pool.wait(1.0)
            assert [event.key for event in events if isinstance(event, Done)] == ["other"]
            pool.send("again", "three")
            pool.send("again too", "four")
            assert len(told(events_until(pool, Done, 2))) == 2

    def test_a_worker_that_is_told_to_end_has_not_crashed(self) -> None:
        with closing(ray_pool(Scribe)) as pool:
            (ready,) = events_until(pool, Ready)
            assert isinstance(ready, Ready)
            assert isinstance(ready.facts, dict)
            pool.send("held", "one sleep")
            events_until(pool, Progress)
            os.kill(ready.facts["pid"], signal.SIGTERM)
            died = events_until(pool, Died)[-1]
            assert isinstance(died, Died)
            assert (died.key, died.kind) == ("held", "preempted")
            assert events_until(pool, Ready)[-1].worker != ready.worker

    def test_a_worker_that_fails_again_and_again_is_replaced(self) -> None:
        with closing(ray_pool(Scribe)) as pool:
            first = events_until(pool, Ready)[0].worker
            for key in ("bad", "good", "bad again"):
                pool.send(key, "spill" if "bad" in key else "one")
                assert events_until(pool, Done if key == "good" else Failed)[-1].worker == first
            pool.send("worse", "spill")
            events = events_until(pool, Died)
            assert [event.key for event in events if isinstance(event, Failed)] == ["worse"]
            assert isinstance(events[-1], Died)
            assert (events[-1].worker, events[-1].key, events[-1].kind) == (first, None, "failing")
            assert events_until(pool, Ready)[-1].worker != first

    def test_the_process_of_a_worker_that_can_do_no_more_ends(self) -> None:
        with closing(ray_pool(Scribe)) as pool:
            pids: list[int] = []
            for _ in range(2):
                ready = events_until(pool, Ready)[-1]
                assert isinstance(ready, Ready)
                assert isinstance(ready.facts, dict)
                pids.append(ready.facts["pid"])
                pool.send("fatal", "break")
                events_until(pool, Died)
            assert pids[0] != pids[1]
            deadline = time.monotonic() + 30
            while alive(pids[0]):
                assert time.monotonic() < deadline, "it is still there"
                time.sleep(0.05)

    def test_a_silent_worker_loses_its_lease(self) -> None:
        with closing(ray_pool(Scribe, lease_seconds=1.0)) as pool:
            events_until(pool, Ready)
            pool.send("stuck", "one sleep")
            *progress, died = events_until(pool, Died)
            assert told(progress) == ["one"]
            assert isinstance(died, Died)
            assert (died.key, died.kind) == ("stuck", "silent")
            assert "silent for 1 s" in died.cause
            events_until(pool, Ready)
            pool.send("next", "two")
            assert told(events_until(pool, Done)) == ["two"]

    def test_talk_of_one_worker_does_not_cover_the_silence_of_another(self) -> None:
        with closing(ray_pool(Scribe, size=2, lease_seconds=1.0)) as pool:
            events_until(pool, Ready, 2)
            pool.send("silent", "sleep")
            pool.send("talking", "chatter")
            events = [event for event in events_until(pool, Done) if isinstance(event, Died | Done)]
            assert [event.key for event in events] == ["silent", "talking"]

    def test_our_own_absence_is_not_their_silence(self) -> None:
        with closing(ray_pool(Scribe, lease_seconds=0.5)) as pool:
            events_until(pool, Ready)
            pool.send("k", "one two three")
            for _ in range(4):
                time.sleep(0.6)
                (event,) = pool.wait(0.5)
            assert isinstance(event, Done)

    def test_a_worker_that_starts_at_last_forgives_its_failures(self, tmp_path: Path) -> None:
        with closing(ray_pool(LateRiser, (str(tmp_path / "tally"),))) as pool:
            events = events_until(pool, Ready)
            deaths = [event for event in events if isinstance(event, Died)]
            assert [(died.key, died.kind) for died in deaths] == [(None, "start")] * 2
            pool.send("k", "one")
            assert told(events_until(pool, Done)) == ["one"]

    def test_a_start_that_takes_too_long_is_a_failed_start(self) -> None:
        pool = ray_pool(Scribe, cpus=64, start_seconds=0.2, start_failures_allowed=2)
        with closing(pool), pytest.raises(PoolError, match=r"2 died before .* no machine had room"):
            events_until(pool, Ready)

    def test_a_worker_without_a_gpu_sees_none(self) -> None:
        class Looker(Scribe):
            def ready(self) -> dict[str, object]:
                return {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}

        with closing(ray_pool(Looker)) as pool:
            (ready,) = events_until(pool, Ready)
            assert isinstance(ready, Ready)
            assert ready.facts == {"gpus": ""}


def test_a_worker_that_is_lost_says_so_in_any_process() -> None:
    lost = pickle.loads(pickle.dumps(WorkerLost("device", "the quill is broken")))
    assert isinstance(lost, WorkerLost)
    assert (lost.kind, str(lost)) == ("device", "the quill is broken")
