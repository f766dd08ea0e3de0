"""Copies of commits: right whoever wrote them and whenever, and only ever a shortcut."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from photochrom.jobs import compaction, ledger
from photochrom.jobs.audit import questions as asking
from photochrom.jobs.audit.orphans import orphans
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.compaction import Compactor, compact, copies_of, copy_commits, faults
from photochrom.jobs.errors import StorageError
from photochrom.jobs.records import (
    LedgerRow,
    PrintedRow,
    from_parquet,
    table_bytes,
    to_parquet,
)
from photochrom.jobs.storage.store import Store
from photochrom.jobs.tally import Tally
from tests.conftest import access_to
from tests.jobs.archive import (
    current,
    drive,
    findings,
    job_of,
    keys,
    listing,
    place_of,
    prints,
    said,
    write_photos,
)
from tests.servers import SeaweedFS

TOGETHER = 4


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few commits be enough, and questions look for their copies."""
    monkeypatch.setattr(compaction, "TOGETHER", TOGETHER)
    monkeypatch.setattr(asking, "TOGETHER", TOGETHER)


@pytest.fixture
def store() -> Store:
    return Store(f"memory://{uuid4().hex}")


def row(row_id: str, shard: str, plan: int = 1) -> LedgerRow:
    now = datetime.now(UTC)
    said = dict.fromkeys(("collection", "rights", "restriction", "operator", "worker"), "")
    said |= dict.fromkeys(("weights_sha256", "recipe_digest", "recipe_json", "precision"), "")
    return LedgerRow(
        row_id=row_id,
        row_key=row_id,
        plan=plan,
        shard_key=shard,
        attempt=1,
        outcome="failed",
        reason="missing",
        ai_colorized=False,
        source_uri="",
        source_version="",
        source_bytes=0,
        model="",
        code_version="",
        device="",
        started_at=now,
        finished_at=now,
        **said,
    )


def commit(store: Store, *shards: str) -> None:
    for shard in shards:
        ledger.commit(store, shard, [row(f"{shard}-{n}", shard) for n in range(3)])


def ids(store: Store) -> list[str]:
    with questions(store) as tables:
        found = tables.ask("SELECT row_id FROM ledger ORDER BY row_id")
    return [one["row_id"] for one in found]


def ids_of(*shards: str) -> list[str]:
    return sorted(f"{shard}-{n}" for shard in shards for n in range(3))


def test_copies_answer_for_their_commits_and_late_ones_for_themselves(store: Store) -> None:
    commit(store, *"abcdefghi")
    assert compact(store) == 2
    assert compact(store) == 0
    assert ids(store) == ids_of(*"abcdefghi")
    commit(store, *"jk")
    assert ids(store) == ids_of(*"abcdefghijk")
    assert [len(copy.holds) for copy in copies_of(store, "ledger")] == [4, 4]
    assert faults(store) == []


def test_questions_read_the_copies(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(store, *"abcde")
    compact(store)
    read: list[str] = []
    fetch = Store.fetch

    def noting(self: Store, key: str, path: Path, version: str = "") -> object:
        read.append(key)
        return fetch(self, key, path, version)

    monkeypatch.setattr(Store, "fetch", noting)
    assert len(ids(store)) == 15
    assert len([key for key in read if key.startswith("ledger/")]) == 1


def test_copies_that_overlap_count_every_row_once(store: Store) -> None:
    commit(store, *"abcdefghijk")
    for shards in ("abcdefg", "defk", "hijk"):
        copy_commits(store, "ledger", map(ledger.commit_name, shards))
    assert [len(copy.holds) for copy in copies_of(store, "ledger")] == [7, 4]
    assert ids(store) == ids_of(*"abcdefghijk")
    assert faults(store) == []


def test_compactors_in_a_race_leave_a_ledger_that_is_right(store: Store) -> None:
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for step in range(6):
            commit(store, f"{number}{step}")
            compact(store)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    shards = [f"{number}{step}" for number in range(4) for step in range(6)]
    assert ids(store) == ids_of(*shards)
    assert faults(store) == []


class Dying(Store):
    """A store whose process dies before it writes."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        raise KeyboardInterrupt


def test_a_killed_compactor_leaves_nothing(store: Store) -> None:
    commit(store, *"abcd")
    before = listing(store)
    with pytest.raises(KeyboardInterrupt):
        compact(Dying(store.root))
    assert listing(store) == before
    assert compact(store) == 1


def test_a_copy_that_lies_is_found(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 8)
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.shard_rows=2", "print.format=tiff")
    drive(job)
    store = place_of(job)
    assert {key.split("/")[1] for key in keys(store, "compacted")} == {"ledger", "printed"}
    with questions(store, copies=False) as tables:
        assert tables.ask("SELECT * FROM current ORDER BY row_id") == [*current(store).values()]
        order = "ORDER BY row_id, print_digest"
        assert tables.ask(f"SELECT * FROM prints {order}") == prints(store)
    assert findings(store) == []
    key = next(key for key in keys(store, "compacted/ledger"))
    table = pq.read_table(pa.BufferReader(store.read(key)))
    reasons = pa.array(["corrupt"] * len(table))
    lie = table.set_column(table.schema.get_field_index("reason"), "reason", reasons)
    store.put(key, compaction.table_bytes(lie, {"holds": table.schema.metadata[b"holds"].decode()}))
    assert said(findings(store)) == "this copy's rows are not those of its commits"
    nothing = {"holds": table.schema.metadata[b"holds"].decode()}
    store.put(key, compaction.table_bytes(table.slice(0, 0), nothing))
    assert current(store) == {}, "questions believe it"
    assert orphans(store) == [], "what removes objects does not"


def test_rows_of_older_and_newer_schemas_are_copied_whole(store: Store) -> None:
    commit(store, *"abc")
    commit(store, "d")
    for shard, change in (("a", _without_confidence), ("b", _with_mood)):
        key = ledger.commit_name(shard)
        sink = pa.BufferOutputStream()
        pq.write_table(change(pq.read_table(pa.BufferReader(store.read(key)))), sink)
        store.put(key, bytes(sink.getvalue()))
    assert compact(store) == 1
    with questions(store) as tables:
        found = tables.ask("SELECT mood, count(*) AS n FROM ledger GROUP BY ALL ORDER BY ALL")
    assert found == [{"mood": "good", "n": 3}, {"mood": None, "n": 9}]
    assert faults(store) == []


def _without_confidence(table: pa.Table) -> pa.Table:
    return table.drop_columns(["confidence"])


def _with_mood(table: pa.Table) -> pa.Table:
    return table.append_column("mood", pa.array(["good"] * len(table)))


def test_prints_are_copied_by_recipe(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 8)
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.shard_rows=2")
    drive(job)
    store = place_of(job)
    digest = keys(store, "printed")[0].split("/")[1]
    other = "0" * len(digest)
    for key in [key for key in keys(store, "printed") if key.endswith(".parquet")]:
        rows, _ = from_parquet(PrintedRow, store.read(key))
        made = [replace(row, print_digest=other) for row in rows]
        store.put(key.replace(digest, other), to_parquet(PrintedRow, made))
    before = prints(store)
    compact(store)
    assert {key.split("/")[2] for key in keys(store, "compacted/printed")} == {digest, other}
    assert prints(store) == before


def test_a_driver_copies_as_it_goes(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 12)
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.shard_rows=2", "print.format=none")
    drive(job)
    store = place_of(job)
    assert sorted(len(copy.holds) for copy in copies_of(store, "ledger")) == [2, 4]
    assert findings(store) == []


def test_what_is_left_over_is_copied_where_there_is_much(store: Store) -> None:
    commit(store, *"abcd")
    assert compact(store, rest=True) == 1
    commit(store, *"ef")
    assert compact(store) == 0
    assert compact(store, rest=True) == 1
    assert compact(store, rest=True) == 0
    assert ids(store) == ids_of(*"abcdef")


def test_few_commits_stay_as_they_are(store: Store) -> None:
    commit(store, *"abc")
    assert compact(store, rest=True) == 0


def test_a_sum_that_lies_is_found(store: Store) -> None:
    commit(store, *"abcd")
    compact(store)
    (copy,) = copies_of(store, "ledger")
    table = pq.read_table(pa.BufferReader(store.read(copy.key)))
    assert copy.tally == Tally.of(table)
    false = replace(copy.tally, low_chroma=7).to_json()
    store.put(
        copy.key, table_bytes(table, {"holds": json.dumps(sorted(copy.holds)), "tally": false})
    )
    assert faults(store) == [(copy.key, "this copy's rows do not add up to what it says")]


def test_a_storage_that_fails_costs_only_the_copies(store: Store) -> None:
    class Down(Store):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            raise StorageError("slow down")

    commit(store, *"abcd")
    notes: list[str] = []
    compactor = Compactor(Down(store.root), notes.append)
    compactor.committed(TOGETHER)
    compactor.close()
    assert notes == ["commits were not copied together, which only makes questions slow: slow down"]


def test_on_s3_a_copy_is_read_in_ranges(
    bucket: str, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(f"s3://{bucket}/out", access_to(seaweed))
    commit(store, *"abcd")
    assert compact(store) == 1

    def refused(*_: object) -> None:
        raise AssertionError("fetched whole")

    monkeypatch.setattr(Store, "fetch", refused)
    assert ids(store) == ids_of(*"abcd")
