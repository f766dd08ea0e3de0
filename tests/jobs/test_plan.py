"""The log of plans: every row in exactly one of them, whoever writes it."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.jobs.errors import JobError
from photochrom.jobs.planning.inputs import planned_rows
from photochrom.jobs.planning.log import unplanned
from photochrom.jobs.planning.manifest_rows import ManifestRow
from photochrom.jobs.planning.plan import (
    Plan,
    append_plan,
    extend,
    open_shards,
    plan_name,
    read_plans,
)
from photochrom.jobs.planning.rows import Rows, plan_rows
from photochrom.jobs.planning.shards import cut_shards
from photochrom.jobs.records import PlanRow, to_table
from photochrom.jobs.settings import Run
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store
from tests.jobs.archive import current, drive, job_of, listing, outcomes, place_of, write_manifest
from tests.jobs.archive import write_photo as photo


def rows_of(*names: str, version: str = "1", size: int = 100) -> list[PlanRow]:
    manifest = [
        ManifestRow(row_id=name, uri=f"memory://scans/{name}", version=version, bytes=size)
        for name in names
    ]
    return list(planned_rows([to_table(ManifestRow, manifest)], Access()))


def plan(store: Store, run: Run, rows: list[PlanRow], sample: int | None = None) -> list[Plan]:
    return extend(store, run, Rows.of(rows), sample)


def cut(rows: list[PlanRow], number: int, run: Run, pace: float | None = None) -> list[PlanRow]:
    return plan_rows(cut_shards(to_table(PlanRow, rows), number, run, pace))


def append(store: Store, number: int, rows: list[PlanRow]) -> Plan | None:
    return append_plan(store, number, "grow", to_table(PlanRow, rows), Run(), 0, None)


def names(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{n:03d}" for n in range(count)]


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path) if request.param == "file" else f"memory://{uuid4().hex}")


def planned(plans: list[Plan]) -> Counter[str]:
    return Counter(row.row_id for plan in plans for row in plan.rows)


def test_a_plan_is_read_back_as_it_was_written(store: Store) -> None:
    rows = [replace(rows_of("x")[0], skip="restricted"), *rows_of(*names(9))]
    (written,) = plan(store, Run(), rows)
    assert read_plans(store) == [written]
    assert written.number == 1
    assert written.kind == "grow"
    assert [row.row_id for row in written.skipped] == ["x"]
    assert sorted(r.row_id for s in written.shards for r in s.rows) == names(9)
    assert [len(shard.rows) for shard in written.shards] == [4, 4, 1]
    assert {row.shard_key for row in written.rows if not row.skip} == {
        shard.key for shard in written.shards
    }
    assert all(shard.ordered_at == written.created_at for shard in written.shards)


def test_only_new_rows_are_planned(store: Store) -> None:
    plan(store, Run(), rows_of(*names(5)))
    before = listing(store)
    assert len(plan(store, Run(), rows_of(*names(5)))) == 1
    assert listing(store) == before
    plans = plan(store, Run(), rows_of(*names(7)))
    assert [row.row_id for row in plans[1].rows] == ["005", "006"]
    assert len(unplanned(Rows.of(rows_of(*names(7))), plans)) == 0


def test_a_new_version_is_a_new_row(store: Store) -> None:
    plan(store, Run(), rows_of("a", "b"))
    plans = plan(store, Run(), [*rows_of("a"), *rows_of("b", version="2")])
    assert [(row.row_id, row.source_version) for row in plans[1].rows] == [("b", "2")]
    assert plans[1].rows[0].row_key != plans[0].rows[1].row_key


def test_a_sample_is_spread_and_the_rest_follows(store: Store) -> None:
    rows = rows_of(*names(100))
    (sample,) = plan(store, Run(), rows, sample=5)
    assert [row.row_id for row in sample.rows] == ["000", "020", "040", "060", "080"]
    assert planned(plan(store, Run(), rows, sample=5)).total() == 5
    assert planned(plan(store, Run(), rows, sample=3)).total() == 5
    assert planned(plan(store, Run(), rows, sample=8)).total() == 8
    plans = plan(store, Run(), rows)
    assert planned(plans) == Counter(names(100))
    assert len(plans) == 3


def test_a_later_word_on_an_input_stands(store: Store) -> None:
    rows = rows_of(*names(6))
    plan(store, Run(shard_rows=3), rows)
    restricted = [replace(rows[0], restriction="donor embargo", skip="restricted"), *rows[1:]]
    negative = [restricted[0], replace(rows[1], tone="negative"), *rows[2:]]
    plans = plan(store, Run(), negative)
    assert [(row.row_id, row.skip, row.tone) for row in plans[1].rows] == [
        ("000", "restricted", ""),
        ("001", "", "negative"),
    ]
    work = [(row.row_id, row.tone) for shard in open_shards(plans, ()) for row in shard.rows]
    assert work == [("002", ""), ("003", ""), ("004", ""), ("005", ""), ("001", "negative")]
    assert plan(store, Run(), negative) == plans


@pytest.mark.parametrize(("rows", "sample"), [(3, 50), (7, 4), (1, 1)])
def test_a_sample_is_never_more_than_asked(rows: int, sample: int, store: Store) -> None:
    plans = plan(store, Run(), rows_of(*names(rows)), sample=sample)
    assert planned(plans).total() == min(rows, sample)


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 400), max_size=60),
    most=st.integers(1, 20),
    room=st.integers(1, 1000),
)
def test_shards_hold_every_row_in_order_within_bounds(
    sizes: list[int], most: int, room: int
) -> None:
    planned = rows_of(*names(len(sizes)))
    rows = [replace(row, source_bytes=s) for row, s in zip(planned, sizes, strict=True)]
    made = cut(rows, 1, Run(shard_rows=most, shard_bytes=room))
    assert [row.row_key for row in made] == [row.row_key for row in rows]
    assert [row.shard for row in made] == sorted(row.shard for row in made)
    for ordinal in {row.shard for row in made}:
        shard = [row for row in made if row.shard == ordinal]
        assert len(shard) <= most
        assert len(shard) == 1 or sum(row.source_bytes for row in shard) <= room
        assert len({row.shard_key for row in shard}) == 1
    assert len({row.shard_key for row in made}) == len({row.shard for row in made})


def test_small_jobs_are_cut_finer_and_skips_have_no_shard() -> None:
    assert len({row.shard_key for row in cut(rows_of(*names(64)), 1, Run())}) == 16
    assert len({row.shard_key for row in cut(rows_of(*names(5)), 1, Run())}) == 2
    (skipped,) = cut([replace(rows_of("a")[0], skip="restricted")], 1, Run())
    assert (skipped.shard, skipped.shard_key) == (-1, "")
    assert cut(rows_of("a"), 1, Run()) != cut(rows_of("a"), 2, Run())


def test_a_number_is_given_once(store: Store) -> None:
    assert append(store, 1, rows_of("a"))
    assert append(store, 1, rows_of("a")) is None
    assert planned(read_plans(store)) == {"a": 1}


class Late(Store):
    """A store in which another planner is quicker, between our reading and our writing."""

    others: list[list[PlanRow]]

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if self.others:
            plan(Store(self.root), Run(), self.others.pop())
        return super().put_if_absent(key, data)

    def list(self, prefix: str = "") -> object:  # type: ignore[override]
        found = list(super().list(prefix))
        if self.others:
            plan(Store(self.root), Run(), self.others.pop())
        return iter(found)


def test_losing_the_race_means_planning_again(store: Store) -> None:
    late = Late(store.root)
    late.others = [rows_of(*names(4)), rows_of(*names(2))]
    plans = plan(late, Run(), rows_of(*names(6)))
    assert planned(plans) == Counter(names(6))
    assert read_plans(store) == plans
    assert planned(read_plans(store)) == Counter(names(6))


def test_planners_in_a_race_plan_every_row_once(store: Store) -> None:
    start = threading.Barrier(6)

    def race(number: int) -> None:
        mine = Store(store.root)
        start.wait()
        for step in range(3):
            plan(mine, Run(), rows_of(*names(4, f"{step}-"), *names(3, f"{step}-{number}-")))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(race, range(6)))
    plans = read_plans(store)
    found = planned(plans)
    assert set(found.values()) == {1}
    assert len(found) == 3 * (4 + 6 * 3)
    keys = Counter(shard.key for plan in plans for shard in plan.shards)
    assert set(keys.values()) == {1}


def test_a_gap_in_the_log_is_an_error(store: Store) -> None:
    for count in (1, 2, 3):
        plan(store, Run(), rows_of(*names(count)))
    store.delete(plan_name(2))
    with pytest.raises(JobError, match=r"plan/000003\.parquet as its number 2"):
        read_plans(store)


def test_sizes_and_versions_are_asked_for(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.tif")
    manifest = [
        ManifestRow(row_id="a", uri=f"file://{path}"),
        ManifestRow(row_id="b", uri=f"file://{tmp_path}/missing.tif"),
        ManifestRow(row_id="c", uri=f"file://{path}", bytes=7, version="own"),
        ManifestRow(row_id="d", uri=f"file://{path}", version="own"),
    ]
    found, missing, known, pinned = planned_rows([to_table(ManifestRow, manifest)], Access())
    entry = Store(str(tmp_path)).stat("a.tif")
    assert (found.source_bytes, found.source_version) == (entry.size, entry.version)
    assert (missing.source_bytes, missing.skip) == (0, "")
    assert (known.source_bytes, known.source_version) == (7, "own")
    assert (pinned.source_bytes, pinned.source_version) == (entry.size, "own")


def test_restricted_and_archived_photos_get_their_row_unread(tmp_path: Path) -> None:
    manifest = write_manifest(
        tmp_path / "list.csv",
        [
            {"uri": "a.tif", "restriction": "until 2040", "bytes": 1},
            {"uri": "b.tif", "storage_class": "GLACIER", "bytes": 1},
            {"uri": "c.tif", "storage_class": "DEEP_ARCHIVE", "bytes": 1},
            {"uri": "d.tif", "storage_class": "STANDARD_IA"},
        ],
    )
    photo(tmp_path / "d.tif")
    job = job_of(manifest, tmp_path / "out")
    assert drive(job).total == 4
    assert outcomes(place_of(job)) == {
        "a.tif": "skipped:restricted",
        "b.tif": "skipped:archived_storage",
        "c.tif": "skipped:archived_storage",
        "d.tif": "colorized",
    }
    row = current(place_of(job))["a.tif"]
    assert (row["restriction"], row["ai_colorized"], row["source_sha256"]) == (
        "until 2040",
        False,
        None,
    )


def test_a_file_that_cannot_be_named_does_not_stop_the_plan(tmp_path: Path) -> None:
    photo(tmp_path / "a.tif")
    manifest = write_manifest(tmp_path / "list.csv", [{"uri": "a.tif"}, {"uri": "x" * 300}])
    job = job_of(manifest, tmp_path / "out")
    assert drive(job).total == 2
    assert outcomes(place_of(job)) == {"a.tif": "colorized", "x" * 300: "failed:missing"}
