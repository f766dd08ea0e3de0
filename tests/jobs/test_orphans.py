"""Orphans: which there are, which may go, and that nothing that counts ever does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from photochrom.jobs import ledger
from photochrom.jobs.audit.orphans import Orphan, orphans, prune
from photochrom.jobs.identity import plate_name, print_name
from photochrom.jobs.planning.plan import append_plan, read_plans
from photochrom.jobs.records import PlanRow, to_table
from photochrom.jobs.settings import Run
from photochrom.jobs.storage.store import Store
from tests.jobs.archive import (
    drive,
    findings,
    job_of,
    keys,
    listing,
    place_of,
    planned_only,
    write_photos,
)
from tests.jobs.program import Program

NOW = timedelta(0)


def rows_of(store: Store) -> list[PlanRow]:
    return [row for plan in read_plans(store) for row in plan.rows]


def litter(store: Store, row: PlanRow) -> tuple[str, str]:
    """Leave a plate and a print of a row, as an attempt that came too late does."""
    plate = plate_name(row.row_key, "e" * 64)
    printed = print_name(row.collection, row.source_uri, row.row_key, "e" * 64, "tif")
    for key in (plate, printed):
        store.put(key, b"late")
    return plate, printed


def kept(store: Store, grace: timedelta = NOW) -> dict[str, str]:
    return {orphan.key: orphan.kept for orphan in orphans(store, grace)}


def test_what_counts_is_no_orphan(place: Store) -> None:
    assert orphans(place, NOW) == []
    assert not any(key.startswith(".probe") for key in keys(place, ""))


def test_late_work_on_a_committed_photo_goes_and_nothing_else(place: Store) -> None:
    before = listing(place)
    left = litter(place, rows_of(place)[0])
    assert kept(place) == dict.fromkeys(left, "")
    assert {orphan.key for orphan in prune(place, orphans(place, NOW), NOW)} == set(left)
    assert listing(place) == before
    assert findings(place) == []


def test_the_young_are_kept_by_the_clock_of_the_storage(place: Store) -> None:
    left = litter(place, rows_of(place)[0])
    assert kept(place, timedelta(hours=1)) == dict.fromkeys(left, "it is too young")
    assert list(prune(place, orphans(place, NOW), timedelta(hours=1))) == []
    assert set(left) <= listing(place).keys()


def test_of_a_shard_at_work_nothing_goes(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    planned_only(job)
    store = place_of(job)
    left = litter(store, rows_of(store)[0])
    assert kept(store) == dict.fromkeys(left, "its shard is not committed")
    assert list(prune(store, orphans(store, NOW), NOW)) == []
    drive(job)
    assert kept(store) == dict.fromkeys(left, "")


def test_of_a_photo_that_may_be_done_again_nothing_goes(mixed: Path) -> None:
    job = job_of(mixed, mixed.parent / "out")
    drive(job)
    store = place_of(job)
    rows = {row.row_id: row for row in rows_of(store)}
    failed, skipped = litter(store, rows["empty.tif"]), litter(store, rows["holiday.png"])
    assert kept(store) == dict.fromkeys(
        failed, "its photo failed, and may be tried again"
    ) | dict.fromkeys(skipped, "its photo was skipped, and may be taken up again")


def test_what_history_names_stays(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    store = place_of(job)
    before = set(keys(store, "plates"))
    for path in (job_folder / "scans").rglob("photo-000.*"):
        path.unlink()
    write_photos(job_folder / "scans", 1, first=0)
    drive(job)
    superseded = kept(store)
    assert superseded
    assert set(superseded.values()) == {"an earlier row names it"}
    assert any(key in before for key in superseded)


def test_a_plan_that_comes_meanwhile_ends_a_prune(place: Store) -> None:
    rows = rows_of(place)
    left = litter(place, rows[0])
    found = orphans(place, NOW)
    going = prune(place, found, NOW)
    gone = next(going)
    assert append_plan(place, 2, "retry", to_table(PlanRow, rows[:1]), Run(), 1, None)
    assert list(going) == []
    assert [key for key in left if place.exists(key)] == [key for key in left if key != gone.key]
    assert list(prune(place, found, NOW)) == [], "its shard is at work now"


def test_one_written_again_meanwhile_stays(place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left = litter(place, rows_of(place)[0])
    found = orphans(place, NOW)
    before = place.clock()
    monkeypatch.setattr(Store, "clock", lambda self: before)
    going = prune(place, found, NOW)
    for key in left:
        place.put(key, b"again")
    assert list(going) == []


def test_a_prune_that_was_stopped_in_between_does_not_rely_on_what_it_saw(place: Store) -> None:
    litter(place, rows_of(place)[0])
    ticks: Iterator[float] = iter([0.0, 6.0, 6.0, 12.0])
    assert list(prune(place, orphans(place, NOW), NOW, lambda: next(ticks))) == []


def test_only_what_was_shown_goes(place: Store) -> None:
    rows = rows_of(place)
    shown = litter(place, rows[0])
    found = orphans(place, NOW)
    litter(place, rows[1])
    assert {orphan.key for orphan in prune(place, found, NOW)} == set(shown)
    forged = [Orphan(key, 1, place.clock(), "") for key in keys(place, "plates")]
    assert not {orphan.key for orphan in prune(place, forged, NOW)} & set(
        entry for entry in keys(place, "ledger")
    )
    assert findings(place) == []


def test_writes_that_never_ended_go_when_they_are_old(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(place)
    begin_write(place, "plates/ab/begun.png")
    place.put(".probe/lost", b"")
    young = orphans(place, NOW)
    assert [(one.kept, one.size) for one in young] == [("it is too young", n) for n in (4, 0)]
    assert list(prune(place, young, NOW)) == []
    later = place.clock() + timedelta(hours=25)
    monkeypatch.setattr(Store, "clock", lambda self: later)
    old = orphans(place, NOW)
    assert [one.kept for one in old] == ["", ""]
    assert list(prune(place, old, NOW)) == old
    assert orphans(place, NOW) == []
    assert not list(Path(place.root.removeprefix("file://")).rglob("*.tmp"))
    assert listing(place) == before


def begin_write(store: Store, key: str) -> None:
    """Die in the midst of a write."""
    if (child := os.fork()) == 0:
        setattr(os, "replace", lambda *_: os._exit(0))  # noqa: B010 - in this child alone
        store.put(key, b"half")
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_command_shows_asks_and_removes(
    place: Store, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place.root.removeprefix("file://")
    left = litter(place, rows_of(place)[0])
    told = program("audit", out, "--prune")
    assert "it is too young" in told.out
    assert "0 of 2 orphans may be removed" in told.out
    later = place.clock() + timedelta(hours=25)
    monkeypatch.setattr(Store, "clock", lambda self: later)
    assert "--yes removes them" in program("audit", out, "--prune").out
    assert all(place.exists(key) for key in left)
    assert program("audit", out, "--prune", "--older-than", "0.5", "--yes").code == 2
    assert "2 removed" in program("audit", out, "--prune", "--yes").out
    assert not any(place.exists(key) for key in left)
    assert findings(place) == []
    assert ledger.committed(place)
