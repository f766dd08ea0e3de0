"""Pace: measured by what stands, it sizes shards, and says how far off an estimate was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from photochrom.jobs.cli.place import _took
from photochrom.jobs.planning import pace
from photochrom.jobs.planning.pace import Pace, known_pace, measured, shard_commits
from photochrom.jobs.planning.plan import read_plans
from photochrom.jobs.planning.shards import bounds
from photochrom.jobs.records import LedgerRow, from_parquet, to_parquet
from photochrom.jobs.settings import Run
from photochrom.jobs.status import status_of
from photochrom.jobs.storage.store import Store
from tests.jobs.archive import drive, driver_of, job_of, keys, place_of, write_photos
from tests.jobs.program import Program


def slowed(store: Store, seconds: float) -> None:
    """Let every photo of a place have taken so long, one after the other."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for key in keys(store, "ledger"):
        rows, _ = from_parquet(LedgerRow, store.read(key))
        for n, row in enumerate(rows):
            at = [begin + timedelta(seconds=seconds * (n + end)) for end in (0, 1)]
            rows[n] = replace(row, started_at=at[0], finished_at=at[1])
        store.put(key, to_parquet(LedgerRow, rows))
        begin += timedelta(seconds=seconds * len(rows))


@pytest.fixture
def place(tmp_path: Path) -> Store:
    """A job of 24 small photos, each of which took two seconds: ten times what is reckoned."""
    write_photos(tmp_path / "scans", 24)
    job = job_of(tmp_path / "scans", tmp_path / "out", "print.format=none")
    drive(job)
    slowed(place_of(job), 2.0)
    return place_of(job)


def pace_of(store: Store) -> Pace:
    found = measured(store, shard_commits(entry.key for entry in store.list("ledger")))
    assert found is not None
    return found


def test_a_pace_is_measured_by_commits(place: Store) -> None:
    found = pace_of(place)
    assert (found.rows, found.seconds) == (24, 48.0)
    assert found.factor == pytest.approx(10, rel=0.01)
    assert found.rate == pytest.approx(0.5)
    assert known_pace(place, Run(pace=3)) == found.factor


def test_a_few_commits_stand_for_all_in_the_rate(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "LOOKED_AT", 3)
    monkeypatch.setattr(pace, "_ENOUGH", 2)
    found = pace_of(place)
    assert found.rows < 24
    assert found.rate == pytest.approx(0.5, rel=0.35)


def test_before_there_are_commits_the_settings_tell(tmp_path: Path) -> None:
    nowhere = Store(str(tmp_path))
    assert known_pace(nowhere, Run()) is None
    assert known_pace(nowhere, Run(pace=0.25)) == 0.25


def test_shards_are_three_minutes_of_a_measured_pace() -> None:
    sizes, seconds = np.full(100_000, 10_000_000), np.full(100_000, 1.0)
    assert np.diff(bounds(sizes, seconds, Run(), None))[:3].tolist() == [107, 107, 107]
    assert np.diff(bounds(sizes, seconds, Run(), 0.1))[:3].tolist() == [1800, 1800, 1800]
    assert np.diff(bounds(sizes, seconds, Run(shard_rows=50), 0.1))[:3].tolist() == [50, 50, 50]
    room = Run(shard_bytes=30_000_000)
    assert np.diff(bounds(sizes, seconds, room, 0.1))[:3].tolist() == [3, 3, 3]
    few = bounds(sizes[:8], seconds[:8], Run(), 0.001)
    assert few == [0, 4]


def test_a_later_plan_knows_the_pace(place: Store, tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 40, first=24)
    job = job_of(tmp_path / "scans", tmp_path / "out", "print.format=none")
    driver_of(job).run()
    first, second = read_plans(place)
    reckoned = sum(cut.seconds for cut in second.cuts)
    assert first.reckoned == pytest.approx(sum(cut.seconds for cut in first.cuts), abs=0.1)
    assert second.reckoned == pytest.approx(10 * reckoned, rel=0.01)


def test_status_says_how_far_off_the_estimate_was(place: Store, program: Program) -> None:
    found = status_of(place)
    assert found.reckoned == pytest.approx(24 * 0.2, rel=0.05)
    assert found.took == pytest.approx(10, rel=0.01)
    text = program("status", place.root.removeprefix("file://")).out
    assert "one replica was reckoned to take 5 s; it took 10 times that" in text
    assert _took(replace(found, took=1.21)) == "; it took 21% more"
    assert _took(replace(found, took=0.9, left=3)) == "; it took 10% less, as far as it is done"
    assert _took(replace(found, took=None)) == ""


def test_a_calibration_stores_nothing_and_tells_time_and_price(
    tmp_path: Path, program: Program
) -> None:
    write_photos(tmp_path / "scans", 6)
    options = ["--set", "paint.model=echo", "--set", "paint.tone=positive", "--calibrate"]
    prices = ["--set", "run.price_per_hour=36", "--set", "run.replicas_per_node=2"]
    asked = ("plan", tmp_path / "scans", tmp_path / "out", *options, *prices, "--json")
    found = program(*asked).json
    assert not (tmp_path / "out").exists()
    assert found["pace"] > 0
    assert found["seconds"] == pytest.approx(found["pace"] * 6 * 0.2, rel=0.05)
    assert found["price"] == pytest.approx(found["seconds"] / 200)
    assert "--set run.pace=" in program(*asked[:-1]).out


def test_a_sample_that_cannot_be_colorized_is_no_pace(tmp_path: Path, program: Program) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.jpg").write_text("no photo")
    options = ["--set", "paint.model=echo", "--calibrate"]
    answer = program("plan", tmp_path / "scans", tmp_path / "out", *options)
    assert answer.code == 1
    assert "no photo of the sample was colorized; a.jpg: not_an_image" in answer.err
