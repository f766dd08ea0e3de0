"""Rows in files: the same as one by one, read when they are wanted, and travelling as a tuple."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.jobs.errors import ManifestError
from photochrom.jobs.identity import row_key
from photochrom.jobs.messages import Shard
from photochrom.jobs.planning import plan as planning
from photochrom.jobs.planning.inputs import planned_rows, row_keys
from photochrom.jobs.planning.log import unplanned
from photochrom.jobs.planning.manifest_rows import ManifestRow, plain_rows, row_of
from photochrom.jobs.planning.plan import extend, open_shards, read_plans
from photochrom.jobs.planning.rows import Rows
from photochrom.jobs.records import PlanRow, to_table
from photochrom.jobs.settings import Run, load_job
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store

CELLS = st.sampled_from(
    [
        *("a.tif", "b/c.png", "..", "a/../b", "x..y", "/etc", "\\x", "C:/a", "C:a", "ä" * 600),
        *("s3://b/k", "s3://b", "s3://b/", "s3://k@b/x", "s3://b//x", "s3://other/x", "gs://b/x"),
        *("file:///scans/a.tif", "file:///scans/a/", "file:///elsewhere/a", "file://scans/a"),
        *("memory://m/a", "a\x07b", "x\x7fy", "", "positive", "NEGATIVE", "sepia", "café", "a:b"),
    ]
)
VALUES = {
    "texts": st.one_of(st.none(), CELLS),
    "numbers": st.one_of(st.none(), st.integers(-2, 1 << 40)),
}


def table_of(uris: list[Any], others: list[Any], sizes: list[Any], column: str) -> pa.Table:
    return pa.table(
        {
            "uri": pa.array(uris, pa.string()),
            column: pa.array(others, pa.string()),
            "bytes": pa.array(sizes, pa.int64()),
        }
    )


@settings(deadline=None)
@given(
    data=st.lists(st.tuples(VALUES["texts"], VALUES["texts"], VALUES["numbers"]), max_size=4),
    column=st.sampled_from(["row_id", "tone", "rights", "version"]),
)
def test_a_batch_at_once_is_what_its_rows_are_one_by_one(
    data: list[tuple[Any, Any, Any]], column: str
) -> None:
    job = load_job("s3://b/list.parquet", "memory://out", ['allow=["file:///scans", "memory://m"]'])
    table = (
        table_of(*(list(cells) for cells in zip(*data, strict=True)), column=column)
        if data
        else table_of([], [], [], column)
    )
    try:
        one_by_one = [row_of(job, "s3://b", record) for record in table.to_pylist()]
    except ManifestError:
        one_by_one = None
    found = plain_rows(job, "s3://b", table)
    if found is not None:
        assert one_by_one is not None
        assert found.equals(to_table(ManifestRow, one_by_one))


def test_a_usual_batch_needs_no_second_look() -> None:
    job = load_job("s3://b/list.parquet", "memory://out", ['allow=["file:///scans"]'])
    table = table_of(
        ["a/é.tif", "s3://b/x.tif", "file:///scans/b"], ["1", None, "x"], [1, None, 3], "row_id"
    )
    found = plain_rows(job, "s3://b", table)
    assert found is not None
    assert found["row_id"].to_pylist() == ["1", "s3://b/x.tif", "x"]
    assert found["uri"].to_pylist() == ["s3://b/a/é.tif", "s3://b/x.tif", "file:///scans/b"]
    assert found["bytes"].to_pylist() == [1, -1, 3]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            *[st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=8)] * 3
        ),
        min_size=1,
    )
)
def test_many_keys_are_those_of_each(rows: list[tuple[str, str, str]]) -> None:
    wanted = [row_key(*row) for row in rows if "\x7f" not in "".join(row)]
    columns = zip(*[row for row in rows if "\x7f" not in "".join(row)], strict=True)
    if wanted:
        found = row_keys(*(pa.chunked_array([list(column)], pa.string()) for column in columns))
        assert found.to_pylist() == wanted


# --- plans of many rows --------------------------------------------------------------------------


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path) if request.param == "file" else f"memory://{uuid4().hex}")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a plan hold thirty rows, in groups of seven."""
    monkeypatch.setattr(planning, "PLAN_ROWS", 30)
    monkeypatch.setattr(planning, "GROUP_ROWS", 7)


def rows_of(count: int, skipped: int = 0, size: int = 100) -> Rows:
    rows = [
        ManifestRow(
            row_id=f"{n:03}",
            uri=f"memory://scans/{n}",
            version="1",
            bytes=size * (1 + n % 5),
            restriction="embargo" if n % 10 < skipped else "",
        )
        for n in range(count)
    ]
    return planned_rows(
        [to_table(ManifestRow, rows[:40]), to_table(ManifestRow, rows[40:])], Access()
    )


def ids(rows: Any) -> list[str]:
    return [row.row_id for row in rows]


def test_a_large_manifest_is_several_plans_and_every_row_is_in_one(store: Store) -> None:
    rows = rows_of(100, skipped=2)
    plans = extend(store, Run(shard_rows=8), rows)
    assert [plan.count for plan in plans] == [30, 30, 30, 10]
    assert read_plans(store) == plans
    assert sorted(ids(row for plan in plans for row in plan.rows)) == ids(rows)
    assert [row.skip for plan in plans for row in plan.skipped] == ["restricted"] * 20
    shards = [shard for plan in plans for shard in plan.shards]
    assert sorted(ids(row for shard in shards for row in shard.rows)) == [
        row.row_id for row in rows if not row.skip
    ]
    assert all({row.shard_key for row in shard.rows} == {shard.key} for shard in shards)
    assert len(unplanned(rows, plans)) == 0
    assert len(extend(store, Run(), rows)) == 4


def test_a_plan_that_was_half_written_is_gone_on_with(store: Store) -> None:
    rows = rows_of(100)
    everything = extend(store, Run(), rows)
    store.delete("plan/000004.parquet")
    store.delete("plan/000003.parquet")
    plans = extend(store, Run(), rows)
    assert [ids(plan.rows) for plan in plans] == [ids(plan.rows) for plan in everything]


def test_the_log_is_read_without_its_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = extend(store, Run(), rows_of(60))

    def refused(*_: object) -> None:
        raise AssertionError("its rows were read")

    monkeypatch.setattr("photochrom.jobs.planning.rows.PlanFile.table", refused)
    monkeypatch.setattr(Store, "fetch", refused)
    shards = open_shards(read_plans(store), ())
    assert sum(len(shard.rows) for shard in shards) == sum(plan.count for plan in plans)


def test_a_shard_travels_with_its_rows(store: Store) -> None:
    (plan,) = extend(store, Run(), rows_of(20))
    for shard in plan.shards:
        there: Shard = pickle.loads(pickle.dumps(shard))
        assert isinstance(there.rows, tuple)
        assert list(there.rows) == list(shard.rows)
        assert all(isinstance(row, PlanRow) for row in there.rows)
        assert shard.rows[1:3] == there.rows[1:3]


def test_the_largest_shards_come_first(store: Store) -> None:
    sizes = [1, 900, 20, 4000, 5]
    rows = [
        ManifestRow(row_id=str(n), uri=f"memory://s/{n}.tif", version="1", bytes=size * 1_000_000)
        for n, size in enumerate(sizes)
    ]
    plans = extend(store, Run(shard_rows=1), planned_rows([to_table(ManifestRow, rows)], Access()))
    assert [shard.rows[0].row_id for shard in open_shards(plans, ())] == ["3", "1", "2", "4", "0"]


def test_a_later_word_on_many_rows_takes_them_out_of_their_shards(store: Store) -> None:
    rows = rows_of(70)
    extend(store, Run(shard_rows=8), rows)

    def changed(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("tone")
        tones = np.where(
            [row_id.endswith("7") for row_id in table["row_id"].to_pylist()], "negative", ""
        )
        return table.set_column(at, "tone", pa.array(tones.tolist(), pa.string()))

    plans = extend(store, Run(shard_rows=8), rows.mapped(changed))
    assert [(plan.count, plan.again) for plan in plans] == [(30, 0), (30, 0), (10, 0), (7, 7)]
    work = [(row.row_id, row.tone) for shard in open_shards(plans, ()) for row in shard.rows]
    assert sorted(work) == [(f"{n:03}", "negative" if n % 10 == 7 else "") for n in range(70)]
