"""The storage goes away, slows down, lies, fills up: no photo is blamed, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time

import pytest

from photochrom.jobs.audit.orphans import orphans, prune
from photochrom.jobs.identity import commit_name
from photochrom.jobs.planning.plan import read_plans
from tests.drills.drive import ALL_WELL, UNFINISHED, Drive
from tests.drills.long_form import LONG_ONLY
from tests.drills.place import until
from tests.drills.promises import AT_ONCE, assert_the_promises_hold, counting, standing
from tests.drills.weather import CUT, LOST, RESET, SLOW_DOWN, STALE, STALL
from tests.drills.yard import Yard

COUNT = 48  # so many that something is left when the first are committed
FEW = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def commits(yard: Yard) -> set[str]:
    """Return the shards that are committed."""
    return {entry.key for entry in yard.store.list("ledger")}


def some_work(yard: Yard, driving: Drive) -> None:
    """Wait until something is committed."""
    until(lambda: commits(yard) or driving.process.exitcode is not None, "a commit")
    assert driving.process.exitcode is None, driving.said


def test_an_outage_longer_than_all_attempts_is_waited_out(s3_yard: Yard) -> None:
    s3_yard.fill(COUNT)
    server = s3_yard.server
    assert server
    with s3_yard.drive() as driving:
        some_work(s3_yard, driving)
        server.kill()
        until(lambda: driving.said.count("the storage is away") > 1, "two questions in vain")
        server.start()
        assert driving.ended() == ALL_WELL, driving.said
        assert "the storage answers again; the job goes on" in driving.said
    assert_the_promises_hold(s3_yard.job(calm=True))


@LONG_ONLY
def test_an_outage_without_end_leaves_a_job_that_can_be_finished(s3_yard: Yard) -> None:
    s3_yard.fill(COUNT)
    with s3_yard.drive("run.outage_seconds=3") as driving:
        some_work(s3_yard, driving)
        s3_yard.weather.away = True
        assert driving.ended() == UNFINISHED
        assert "Nothing is lost; when it is back, run the same command again" in driving.said
    s3_yard.weather.away = False
    s3_yard.finish({})


@pytest.mark.parametrize(
    "rates",
    [
        {SLOW_DOWN: 0.05, RESET: 0.05, LOST: 0.05, CUT: 0.05, STALE: 0.2},
        pytest.param({SLOW_DOWN: 0.3}, marks=LONG_ONLY),
        pytest.param({RESET: 0.1, LOST: 0.1, CUT: 0.1, STALE: 0.1, STALL: 0.02}, marks=LONG_ONLY),
    ],
    ids=["some of each", "slow down", "lines that break"],
)
def test_foul_weather_blames_no_photo(rates: dict[str, float], s3_yard: Yard) -> None:
    s3_yard.fill(FEW)
    s3_yard.weather.rates = rates
    with s3_yard.drive() as driving:
        assert driving.ended() in (ALL_WELL, UNFINISHED), driving.said
    assert s3_yard.weather.harm.total() > 3
    assert s3_yard.failures() == {}
    s3_yard.finish({})


def test_a_full_disk_is_waited_for(folder_yard: Yard) -> None:
    folder_yard.fill(COUNT)
    with folder_yard.drive() as driving:
        some_work(folder_yard, driving)
        folder_yard.full.touch()
        until(lambda: "No space left on device" in driving.said, "the disk to be full")
        time.sleep(3)
        folder_yard.full.unlink()
        assert driving.ended() == ALL_WELL, driving.said
    assert_the_promises_hold(folder_yard.job())


def test_a_hung_worker_loses_its_shard_and_a_zombie_does_no_harm(folder_yard: Yard) -> None:
    folder_yard.fill(COUNT)
    with folder_yard.drive("run.lease_seconds=4") as driving:
        some_work(folder_yard, driving)
        hung = driving.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        assert driving.ended() == ALL_WELL, driving.said
    assert_the_promises_hold(folder_yard.job())


def test_two_drivers_and_a_prune_at_once_remove_nothing_that_counts(folder_yard: Yard) -> None:
    folder_yard.fill(COUNT)
    gone: set[str] = set()
    with folder_yard.drive() as first, folder_yard.drive() as second:
        until(lambda: folder_yard.store.exists("plan/000001.parquet"), "a plan")
        while first.process.is_alive() or second.process.is_alive():
            removed = prune(folder_yard.store, orphans(folder_yard.store, AT_ONCE), AT_ONCE)
            gone |= {orphan.key for orphan in removed}
        assert (first.ended(), second.ended()) == (ALL_WELL, ALL_WELL)
        assert "another driver is at work on this job" in first.said + second.said
    assert not gone & counting(folder_yard.store)
    assert counting(folder_yard.store) <= standing(folder_yard.store)
    assert_the_promises_hold(folder_yard.job())


def test_a_restriction_stops_what_a_running_job_has_not_stored(folder_yard: Yard) -> None:
    folder_yard.fill(COUNT)
    table = folder_yard.folder / "restrictions.csv"
    table.write_text("row_id\n")
    with folder_yard.drive(f"restrictions={table}") as driving:
        some_work(folder_yard, driving)
        shards = {row.row_id: row.shard_key for row in read_plans(folder_yard.store)[0].rows}
        table.write_text("row_id\n" + "\n".join(shards) + "\n")
        assert driving.ended() == ALL_WELL, driving.said
        done = commits(folder_yard)
    assert {commit_name(shard) for shard in shards.values()} == done
    restricted = folder_yard.failures()
    assert restricted
    assert set(restricted.values()) == {"restricted"}
    printed = [key for key in standing(folder_yard.store) if key.startswith("prints/")]
    assert len(printed) == COUNT - len(restricted)
