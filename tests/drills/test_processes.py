"""Any process may die: jobs over a real S3 server on a real Ray, stopped in every way there is."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from photochrom.jobs.audit.questions import questions
from photochrom.jobs.identity import commit_name
from photochrom.jobs.planning.plan import read_plans
from tests.drills.archive import EATS, HANGS, KILLS, SEGFAULTS, sheets
from tests.drills.place import (
    Driving,
    Place,
    TwoParties,
    fill,
    until,
)

COUNT = 200
MANY = 320  # enough that four stops come before the end
FAILED = "SELECT row_id, reason FROM current WHERE outcome <> 'colorized' ORDER BY row_id"
STOPS: dict[str, Callable[[int], None]] = {
    "Ctrl-C": lambda pid: os.killpg(pid, signal.SIGINT),
    "SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
    "SIGINT": lambda pid: os.kill(pid, signal.SIGINT),
}

pytestmark = pytest.mark.slow


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let drivers keep their temporary files where we see them; sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def wait_for_work(driving: Driving, place: Place, beyond: int) -> None:
    """Return when a shard is committed and another under way, and the driver still lives."""
    until(lambda: len(place.commits()) > beyond and place.under_way(), "commits")
    assert driving.process.poll() is None


@pytest.mark.timeout(600)
def test_a_job_stopped_in_every_way_goes_on_to_its_end(
    parties: TwoParties, scratch: Path, tmp_path: Path
) -> None:
    place = Place(parties, "stopped", tmp_path, fill(parties, "stopped", sheets(MANY)))
    with place.run() as driving:
        wait_for_work(driving, place, 0)
        driving.process.kill()
        assert driving.ended() == -signal.SIGKILL
        until(lambda: not any("Station" in name for name in driving.family().values()), "workers")
    for stop in STOPS.values():
        standing, left = len(place.commits()), set(scratch.iterdir())
        with place.run() as driving:
            wait_for_work(driving, place, standing)
            stop(driving.process.pid)
            assert driving.ended() == 130
            assert driving.said.count("the same command goes on from here") == 1
            assert "another driver" not in driving.said
            until(lambda: not driving.family(), "Ray's processes to end")
        assert set(scratch.iterdir()) <= left
    assert len(place.commits()) < 16
    with place.run() as driving:
        assert driving.ended() == 0
        assert driving.answer()["counts"] == [{"outcome": "colorized", "reason": "", "rows": MANY}]
    place.assert_all_done_and_proven(MANY)

    before = place.listing()
    with place.run() as driving:
        assert driving.ended() == 0
        assert driving.answer()["done_now"] == 0
    assert place.listing() == before


def test_a_driver_told_to_stop_while_ray_starts_stops(
    parties: TwoParties, scratch: Path, tmp_path: Path
) -> None:
    place = Place(parties, "early", tmp_path, fill(parties, "early", sheets(4)))
    with place.run() as driving:
        until(lambda: "gcs_server" in driving.family().values(), "Ray to start")
        os.kill(driving.process.pid, signal.SIGTERM)
        assert driving.ended() == 130
        assert driving.said == "interrupted; the same command goes on from here"
    assert list(scratch.iterdir()) == []
    assert place.commits() == set()


def test_photos_that_kill_or_hang_their_worker_fail_alone(
    parties: TwoParties, tmp_path: Path
) -> None:
    harm = {20: KILLS, 60: SEGFAULTS, 61: KILLS, 100: HANGS, 140: EATS}
    photos = sheets(COUNT, harm)
    place = Place(parties, "harmed", tmp_path, fill(parties, "harmed", photos))
    notes = tmp_path / "notes"
    notes.mkdir()
    with place.harmed(notes, "run.lease_seconds=12") as driving:
        healthy = until(lambda: healthy_shards(place, {photos[n].name for n in harm}), "a plan")
        victim = until(lambda: kill_a_worker(notes, place, healthy), "a worker at work")
        assert driving.ended() == 3
        assert "a worker died" in driving.said
        assert f" {COUNT} of {COUNT} photos, {len(harm)} failed" in driving.said
    assert place.ask(FAILED) == [
        {
            "row_id": photos[number].name,
            "reason": "out_of_memory" if mark == EATS else "killed_worker",
        }
        for number, mark in harm.items()
    ]
    place.assert_all_done_and_proven(COUNT, len(harm))
    again = "SELECT DISTINCT attempt FROM ledger WHERE shard_key = ?"
    with questions(place.store) as tables:
        assert tables.ask(again, victim) == [{"attempt": 2}]


def healthy_shards(place: Place, harmed: set[str]) -> set[str]:
    """Return the shards that no marked photograph is in."""
    shards = [shard for plan in read_plans(place.store) for shard in plan.shards]
    return {shard.key for shard in shards if harmed.isdisjoint(row.row_id for row in shard.rows)}


def kill_a_worker(notes: Path, place: Place, healthy: set[str]) -> str:
    """Kill a worker in the midst of a healthy shard; return the shard's key, "" if none was."""
    for note in notes.iterdir():
        with suppress(FileNotFoundError):
            shard, pid = note.read_text(), int(note.name)
            if shard in healthy:
                os.kill(pid, signal.SIGSTOP)  # so that it cannot commit while we look
                if commit_name(shard) not in place.commits():
                    os.kill(pid, signal.SIGKILL)
                    return shard
                os.kill(pid, signal.SIGCONT)
    return ""
