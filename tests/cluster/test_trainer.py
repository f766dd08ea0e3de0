"""Crews on a real local Ray; each start takes seconds, so one run answers several questions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray

from photochrom.cluster import (
    ClusterFacts,
    Crew,
    CrewEvent,
    Report,
    Reported,
    Restarted,
    Returned,
    TrainerError,
    train,
)
from photochrom.cluster.foreman import Failure, Foreman, is_retriable
from tests.cluster.test_session import descendants, listening_addresses

# The workers' processes cannot import this file, so its functions travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", f"{'0' * 24}01000000"}
PAIR = Crew(workers=2, cpus_per_worker=1, gpus_per_worker=0, attempts=2)
ALONE = Crew(workers=1, cpus_per_worker=1, gpus_per_worker=0, attempts=1)


class BadInkError(ValueError):
    retriable = False

    def __init__(self, pot: int, text: str) -> None:
        super().__init__(text)
        self.pot = pot

    def __reduce__(self) -> tuple[type[BadInkError], tuple[int, str]]:
        return type(self), (self.pot, str(self))


class TornPageError(Exception):
    """Cannot be made again from its message, as pickle would."""

    def __init__(self, *, page: int) -> None:
        super().__init__(f"page {page} is torn")


def rehearse(settings: Mapping[str, Any], report: Report) -> dict[str, object]:
    """Add up the ranks, and do to the last worker what the settings say."""
    import torch
    import torch.distributed as dist

    place, last = Path(settings["place"]), dist.get_rank() == dist.get_world_size() - 1
    with (place / f"started-{dist.get_rank()}").open("a") as file:
        file.write("|")
    starts = len((place / f"started-{dist.get_rank()}").read_text())
    for step in range(3):
        report({"step": step, "start": starts, "rank": dist.get_rank()})
        while step == 0 and settings.get("wait") and not (place / "heard").exists():
            time.sleep(0.05)
    if starts <= settings.get("refusals", 0):
        raise ConnectionRefusedError("no archive answers")
    if last and starts <= settings.get("deaths", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if last and settings.get("spill"):
        raise BadInkError(7, "ink on the desk")
    total = torch.tensor([dist.get_rank() + 1.0])
    dist.all_reduce(total)
    return {
        "total": total.item(),
        "folder": str(Path.cwd()),
        "gpus": os.environ["CUDA_VISIBLE_DEVICES"],
        "wires": os.environ["GLOO_SOCKET_IFNAME"],
    }


def events_of(settings: Mapping[str, Any], crew: Crew) -> list[CrewEvent]:
    with closing(train(rehearse, settings, crew)) as events:
        return list(events)


def steps(start: int) -> list[CrewEvent]:
    return [Reported({"step": step, "start": start, "rank": 0}) for step in range(3)]


@dataclass
class Heard:
    place: Path
    events: list[CrewEvent]
    addresses: list[str]


@pytest.fixture(scope="module")
def heard(local_ray: ClusterFacts, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """Listen to two workers, of whom one is killed in its first start, while they wait for us."""
    heard = Heard(tmp_path_factory.mktemp("stage"), [], [])
    settings = {"place": str(heard.place), "wait": True, "deaths": 1}
    with closing(train(rehearse, settings, PAIR)) as events:
        for event in events:
            if not heard.events:
                heard.addresses = listening_addresses(descendants(os.getpid()))
                (heard.place / "heard").touch()
            heard.events.append(event)
    return heard


@pytest.mark.slow
class TestPair:
    def test_reports_come_live_and_in_order(self, heard: Heard) -> None:
        assert (heard.place / "heard").exists()
        assert heard.events[:3] == steps(1)

    def test_they_meet_on_loopback_only(self, heard: Heard) -> None:
        assert set(heard.addresses) <= LOOPBACK
        assert len(heard.addresses) >= 10

    def test_both_are_started_again_when_one_is_lost(self, heard: Heard) -> None:
        restarted = heard.events[3]
        assert isinstance(restarted, Restarted)
        assert restarted.number == 1
        assert restarted.because.startswith("worker 1: its process ended")
        assert heard.events[4:7] == steps(2)
        assert [len((heard.place / f"started-{rank}").read_text()) for rank in (0, 1)] == [2, 2]

    def test_they_come_to_the_end_together(self, heard: Heard) -> None:
        expected = {"total": 3.0, "folder": str(Path.cwd()), "gpus": "", "wires": "lo"}
        assert heard.events[7:] == [Returned(expected)]

    def test_ray_train_stays_out_of_this_process(self, heard: Heard) -> None:
        assert "ray.train" not in sys.modules


@pytest.mark.slow
def test_a_training_that_is_lost_again_and_again_ends_in_one_line(
    local_ray: ClusterFacts, tmp_path: Path
) -> None:
    events: list[CrewEvent] = []
    settings = {"place": str(tmp_path), "refusals": 1, "deaths": 9}
    with (
        pytest.raises(TrainerError, match=r"started 2 times .* worker 0: its process ended") as end,
        closing(train(rehearse, settings, Crew(1, 1, 0, attempts=2))) as told,
    ):
        events.extend(told)
    because = "ConnectionRefusedError: no archive answers"
    assert events == [*steps(1), Restarted(1, because), *steps(2)]
    assert len(str(end.value).splitlines()) == 1
    assert end.value.__cause__ is None


@pytest.mark.slow
def test_what_the_function_raises_comes_out_as_it_is(
    local_ray: ClusterFacts, tmp_path: Path
) -> None:
    with pytest.raises(BadInkError) as caught:
        events_of({"place": str(tmp_path), "spill": True}, PAIR)
    assert (str(caught.value), caught.value.pot) == ("ink on the desk", 7)
    assert "in rehearse" in "".join(caught.value.__notes__)
    assert caught.value.__cause__ is None
    assert (tmp_path / "started-0").read_text() == "|"


def test_a_crew_that_cannot_fit_is_refused_at_once(local_ray: ClusterFacts) -> None:
    with pytest.raises(TrainerError, match=r"8 workers of 1 CPUs .* room for 2; ask for fewer"):
        train(rehearse, {}, Crew(8, 1, 0, 1))
    with pytest.raises(TrainerError, match="1 GPUs do not fit"):
        train(rehearse, {}, Crew(1, 1, 1, 1))


@pytest.mark.parametrize("numbers", [(0, 1, 0, 1), (1, 1, 0, 0), (1, 0, 0, 1), (1, 1, -1, 1)])
def test_a_crew_that_could_do_nothing_is_none(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Crew(*numbers)


SCRIPT = """
import os, signal, sys, time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
import ray
from photochrom.cluster import Crew, TrainerError, connect, train

def work(settings, report):
    print("said by the worker", file=sys.stderr)
    report({"pid": os.getpid()})
    time.sleep(3600)

try:
    train(work, {}, Crew(1, 1, 0, 3))
except TrainerError as error:
    print(error)
try:
    with connect("local", cpus=1), closing(train(work, {}, Crew(1, 1, 0, 3))) as events:
        for event in events:
            print(event.value["pid"], flush=True)
except KeyboardInterrupt:
    print("stopped", ray.is_initialized(), os.listdir(os.environ["TMPDIR"]))
"""


@pytest.mark.slow
def test_ctrl_c_stops_the_crew_quietly_and_leaves_nothing_behind(tmp_path: Path) -> None:
    short = Path("/tmp") / f"p{os.getpid()}"
    short.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(short)},
        cwd=tmp_path,
    )
    try:
        assert running.stdout
        assert running.stdout.readline() == "no Ray to train on: call it inside `connect`\n"
        worker = int(running.stdout.readline())
        assert Path(f"/proc/{worker}").exists()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        left = [*short.iterdir(), *tmp_path.iterdir()]
        short.rmdir()
    assert (out, err, left) == ("stopped False []\n", "", [])
    assert not Path(f"/proc/{worker}").exists()


def test_missing_packages_are_named_with_the_way_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray.train", None)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: ray)  # no actor, and none is needed
    monkeypatch.setattr(ray, "current_actor", None, raising=False)
    with pytest.raises(TrainerError, match=r"pip install 'photochrom\[train\]'"):
        next(Foreman(str(tmp_path), ALONE).run(rehearse, {}))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BadInkError(1, "x"), False),
        (ValueError("x"), False),
        (RuntimeError("shapes do not match"), False),
        (RuntimeError("[pair.cc:537] Connection closed by peer [127.0.0.1]:4711"), True),
        (RuntimeError("Timed out waiting 1800000ms for recv operation to complete"), True),
        (ConnectionResetError("gone"), True),
        (TimeoutError("late"), True),
        (ray.exceptions.RayActorError(), True),
        (type("DistNetworkError", (type("DistError", (RuntimeError,), {}),), {})("x"), True),
        (type("Busy", (ValueError,), {"retriable": True})("x"), True),
        (type("Refused", (ConnectionError,), {"retriable": False})("x"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_only_what_may_pass_is_tried_again(error: Exception, expected: bool) -> None:
    assert is_retriable(error) is expected


def test_an_exception_that_does_not_travel_is_told_in_words() -> None:
    failure = Failure.by(1, TornPageError(page=7))
    assert failure.pickled == b""
    assert (failure.rank, failure.line) == (1, "TornPageError: page 7 is torn")
    whole = Failure.by(0, BadInkError(7, "ink"))
    assert isinstance(ray.cloudpickle.loads(whole.pickled), BadInkError)
