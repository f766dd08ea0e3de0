"""The views: what counts now, what ever was, and where it may lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from photochrom.jobs.audit.questions import questions
from photochrom.jobs.errors import JobError, StorageError
from photochrom.jobs.records import EventRow, LedgerRow, PrintedRow, from_parquet, to_parquet
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.originals import key_of
from tests.jobs.archive import (
    current,
    drive,
    findings,
    job_of,
    keys,
    outcomes,
    place_of,
    prints,
    write_photo,
    write_photos,
)


@pytest.mark.parametrize(
    "name", ["out [1]", "o*", "outs?", "o'ut", "plan=7/outcome=x/collection=y"]
)
def test_a_place_may_be_called_anything(name: str, tmp_path: Path) -> None:
    for number, root in enumerate(("out", name)):
        write_photos(tmp_path / f"scans-{number}", 2 + number)
        job = job_of(tmp_path / f"scans-{number}", tmp_path / root, "print.format=tiff")
        assert drive(job).counts == {("colorized", ""): 2 + number}
    assert set(outcomes(place_of(job)).values()) == {"colorized"}
    assert {row["collection"] for row in current(place_of(job)).values()} == {"album-0", "album-1"}
    assert findings(place_of(job)) == []


def test_an_empty_place_has_every_view_and_no_rows(tmp_path: Path) -> None:
    with questions(Store(str(tmp_path))) as tables:
        for view in ("current", "ledger", "prints", "printed", "plans", "events"):
            assert tables.ask(f"SELECT * FROM {view}") == []
        assert tables.counts() == {}


def test_the_highest_plan_counts_and_history_stays(tmp_path: Path) -> None:
    name = "album-0/photo-000.tif"
    write_photos(tmp_path / "scans", 2)
    job = job_of(tmp_path / "scans", tmp_path / "out")
    drive(job)
    first = current(place_of(job))[name]
    write_photo(tmp_path / "scans" / name, 9, width=90)
    drive(job)
    second = current(place_of(job))[name]
    with questions(place_of(job)) as tables:
        rows = tables.ask("SELECT row_key FROM ledger WHERE row_id = ? ORDER BY plan", name)
        assert [row["row_key"] for row in rows] == [first["row_key"], second["row_key"]]
        assert tables.ask("SELECT count(*) AS n FROM plans") == [{"n": 3}]
        assert tables.ask("SELECT count(*) AS n FROM printed") == [{"n": 3}]
    assert [row["row_key"] for row in prints(place_of(job)) if row["row_id"] == name] == [
        second["row_key"]
    ]


def test_a_takedown_hides_a_row_and_its_prints(place: Store) -> None:
    name = "album-0/photo-000.tif"
    now = datetime.now(UTC)
    for event in ("review", "takedown"):
        assert name in current(place)
        row = EventRow(
            event=event, row_id=name, row_key="", subject="", actor="us", at=now, note=""
        )
        place.put(f"events/{event}.parquet", to_parquet(EventRow, [row]))
    assert name not in current(place)
    assert len(current(place)) == len(prints(place)) == 3
    assert findings(place) == []


def test_rows_of_an_older_schema_have_empty_columns(place: Store) -> None:
    key = keys(place, "ledger")[0]
    rows, _ = from_parquet(LedgerRow, place.read(key))
    table = pq.read_table(pa.BufferReader(to_parquet(LedgerRow, rows)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(["confidence", "tone_evidence"]), sink)
    place.put(key, bytes(sink.getvalue()))
    assert {row["confidence"] for row in current(place).values()} == {None}
    assert {row["tone_evidence"] for row in current(place).values()} == {None}


def test_columns_of_a_newer_schema_can_be_asked_for(place: Store) -> None:
    key = keys(place, "ledger")[0]
    table = pq.read_table(pa.BufferReader(place.read(key)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column("mood", pa.array(["good"] * len(table))), sink)
    place.put(key, bytes(sink.getvalue()))
    with questions(place) as tables:
        assert tables.ask("SELECT DISTINCT mood FROM current") == [{"mood": "good"}]
    assert findings(place) == []


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM current", ""])
def test_a_question_that_fails_is_one_line(sql: str, place: Store) -> None:
    with questions(place) as tables, pytest.raises(JobError) as caught:
        tables.ask(sql)
    assert "\n" not in str(caught.value)


def test_keys_are_found_by_old_and_new_names(place: Store) -> None:
    elsewhere = "s3://prints/plates/old/place"
    for key in [*keys(place, "plates"), *keys(place, "prints")]:
        assert key_of(place, f"{place.root}/{key}") == key
        assert key_of(place, f"{elsewhere}/{key}") == key


class Down(Store):
    """A store that cannot be read from at present."""

    def fetch(self, key: str, path: Path, version: str = "") -> object:  # type: ignore[override]
        raise StorageError(f"{self.uri(key)}: slow down")


def test_a_storage_that_is_down_is_no_finding(place: Store) -> None:
    with pytest.raises(StorageError, match="slow down"):
        findings(Down(place.root))


def test_a_print_of_another_tone_does_not_count(place: Store) -> None:
    """A flat photo taken for a negative later has the same plate and another print."""
    before = prints(place)
    key = next(key for key in keys(place, "printed") if key.endswith(".parquet"))
    rows, _ = from_parquet(PrintedRow, place.read(key))
    others = [replace(row, tone_table_sha256="0" * 64, output_uri="file:///0") for row in rows]
    place.put(f"{key.rpartition('/')[0]}/shard-other.parquet", to_parquet(PrintedRow, others))
    assert prints(place) == before
