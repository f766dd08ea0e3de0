"""Restrictions: what is in the table is not processed, and no table means no work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest

from photochrom.jobs.driving.presses import here
from photochrom.jobs.driving.reprint import Reprint, print_recipe
from photochrom.jobs.errors import Restricted, RestrictionsUnread
from photochrom.jobs.messages import Message
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.planning import restrictions as module
from photochrom.jobs.planning.restrictions import Restrictions, restrictions_of
from photochrom.jobs.planning.retry import Again
from photochrom.jobs.records import PlanRow, schema_of
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.access import Access
from photochrom.jobs.working.worker import Worker
from tests.jobs.archive import (
    NO_METERS,
    Listener,
    current,
    drive,
    driver_of,
    findings,
    inline,
    job_of,
    keys,
    outcomes,
    place_of,
    write_manifest,
)
from tests.jobs.program import Program

SHA = "a" * 64


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "FRESH_SECONDS", -1.0)
    module._shared.cache_clear()
    yield
    module._shared.cache_clear()


def restricted_job(folder: Path, *rows: dict[str, object]) -> Job:
    write(folder, *rows)
    named = f"restrictions={folder / 'restrictions.csv'}"
    return job_of(folder / "scans", folder / "out", "print.format=tiff", named)


def write(folder: Path, *rows: dict[str, object]) -> None:
    write_manifest(folder / "restrictions.csv", rows or [{"row_id": ""}])
    if not rows:
        (folder / "restrictions.csv").write_text("row_id\n")


def first_id(folder: Path) -> str:
    return str(sorted((folder / "scans" / "album-0").iterdir())[0].relative_to(folder / "scans"))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"row_id": "a"}, "row_id a"),
        ({"prefix": "file:///scans/fam"}, "prefix file:///scans/fam"),
        ({"sha256": SHA.upper()}, f"sha256 {SHA}"),
        ({"prefix": "file:///scans/other"}, ""),
        ({"row_id": "a.tif"}, ""),
    ],
)
def test_each_kind_of_entry_restricts(row: dict[str, object], why: str, tmp_path: Path) -> None:
    table = write_manifest(tmp_path / "r.csv", [row])
    found = Restrictions([f"file://{table}"], Access())
    assert found.why("a", "file:///scans/family/a.tif", SHA) == why
    if why:
        with pytest.raises(Restricted, match=why):
            found.check("a", "file:///scans/family/a.tif", SHA)


def test_rows_of_a_plan_are_skipped(tmp_path: Path) -> None:
    entries = [{"row_id": "7", "prefix": ""}, {"row_id": "", "prefix": "s3://scans/f\u00e9/"}]
    table = write_manifest(tmp_path / "r.csv", entries)
    found = Restrictions([f"file://{table}"], Access())
    uris = [
        "s3://scans/a.tif",
        "s3://scans/f\u00e9/b.tif",
        "s3://scans/f\u00e9",
        "s3://scans/c.tif",
    ]
    names = ("source_version", "shard_key", "skip", "tone", "collection", "rights", "restriction")
    rows = [
        PlanRow(
            row_id=str(5 + n),
            row_key="",
            source_uri=uri,
            source_bytes=0,
            shard=-1,
            **dict.fromkeys(names, ""),
        )
        for n, uri in enumerate(uris)
    ]
    batch = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema_of(PlanRow))
    restricted = found.applied_to(batch)
    assert restricted["restriction"].to_pylist() == [
        "",
        "prefix s3://scans/f\u00e9/",
        "row_id 7",
        "",
    ]
    assert restricted["skip"].to_pylist() == ["", "restricted", "restricted", ""]
    others = [name for name in batch.schema.names if name not in ("skip", "restriction")]
    assert restricted.select(others) == batch.select(others)
    assert found.applied_to(batch.slice(3)) == batch.slice(3)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is empty; to restrict nothing"),
        ("id\n7\n", "row 1 has none of row_id, prefix, sha256"),
        ("sha256\nabc\n", "'abc' is no sha256"),
        ("prefix\nscans/\n", "write 'scans/' in full"),
        (None, "no such object"),
    ],
)
def test_a_table_that_cannot_be_read_stops_everything(
    text: str | None, what: str, job_folder: Path
) -> None:
    job = restricted_job(job_folder)
    if text is None:
        (job_folder / "restrictions.csv").unlink()
    else:
        (job_folder / "restrictions.csv").write_text(text)
    with pytest.raises(RestrictionsUnread, match=f"nothing is processed: .*{what}"):
        drive(job)
    assert keys(place_of(job), "") == []


def test_what_the_plan_finds_is_skipped_and_lifted_again(job_folder: Path) -> None:
    first = first_id(job_folder)
    album = f"file://{job_folder / 'scans' / 'album-1'}/"
    job = restricted_job(job_folder, {"row_id": first, "prefix": ""}, {"prefix": album})
    assert drive(job).counts == {("colorized", ""): 2, ("skipped", "restricted"): 4}
    rows = current(place_of(job))
    assert rows[first]["restriction"] == f"row_id {first}"
    assert {row["restriction"] for row in rows.values()} == {
        "",
        f"row_id {first}",
        f"prefix {album}",
    }
    assert len(keys(place_of(job), "plates")) == len(keys(place_of(job), "prints")) == 2
    write(job_folder)
    assert drive(job).counts == {("colorized", ""): 6}
    assert findings(place_of(job)) == []


def test_a_hash_is_found_by_the_worker_and_retried_when_lifted(job_folder: Path) -> None:
    first = first_id(job_folder)
    digest = hashlib.sha256((job_folder / "scans" / first).read_bytes()).hexdigest()
    job = restricted_job(job_folder, {"sha256": digest})
    assert drive(job).counts == {("colorized", ""): 5, ("skipped", "restricted"): 1}
    store = place_of(job)
    assert current(store)[first]["restriction"] == f"sha256 {digest}"
    assert current(store)[first]["source_sha256"] == digest
    assert drive(job).done_now == 0
    write(job_folder)
    assert driver_of(job).retry(Again()).counts[("skipped", "restricted")] == 1
    assert driver_of(job).retry(Again(("restricted",))).counts == {("colorized", ""): 6}
    assert findings(store) == []


@pytest.mark.parametrize("before", ["plates", "prints"])
def test_one_added_during_a_run_stops_what_is_not_stored_yet(
    before: str, job_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, first = restricted_job(job_folder), first_id(job_folder)

    class Late(Worker):
        def run(self, item: object) -> Iterator[Message]:
            put = self._store.put if before == "prints" else None
            if put is None:
                write(job_folder, {"row_id": first})
            else:

                def store_and_restrict(key: str, data: bytes) -> None:
                    put(key, data)
                    write(job_folder, {"row_id": first})

                monkeypatch.setattr(self._store, "put", store_and_restrict)
            yield from super().run(item)

    driver_of(job, inline(Late)).run()
    store = place_of(job)
    assert outcomes(store)[first] == "skipped:restricted"
    name = Path(first).stem
    assert not any(name in key for key in keys(store, "prints"))
    row = current(store)[first]
    assert (row["plate_uri"], row["ai_colorized"], row["restriction"]) == (
        None,
        False,
        f"row_id {first}",
    )
    assert findings(store) == []


def test_a_table_that_goes_missing_during_a_run_stores_nothing_more(job_folder: Path) -> None:
    job = restricted_job(job_folder)
    job = job.model_copy(update={"run": job.run.model_copy(update={"outage_seconds": 0.0})})

    class Careless(Worker):
        def run(self, item: object) -> Iterator[Message]:
            (job_folder / "restrictions.csv").unlink(missing_ok=True)
            yield from super().run(item)

    with pytest.raises(Exception, match=r"the storage has been away .* cannot be read"):
        driver_of(job, inline(Careless)).run()
    store = place_of(job)
    assert keys(store, "ledger") == keys(store, "plates") == keys(store, "prints") == []
    write(job_folder)
    assert drive(job).counts == {("colorized", ""): 6}


def test_a_place_remembers_its_table(job_folder: Path, program: Program) -> None:
    job, first = restricted_job(job_folder), first_id(job_folder)
    drive(job)
    store = place_of(job)
    forgetful = job_of(job_folder / "scans", job_folder / "out", "print.format=tiff")
    write(job_folder, {"row_id": first})
    assert restrictions_of(forgetful, store).why(first, "file:///x") == f"row_id {first}"
    pinned = read_pinned(store)
    pinned = pinned.model_copy(update={"job": forgetful})
    work = Reprint(store, pinned, print_recipe(format="jpeg"), here, Listener(), NO_METERS)
    work.run()
    (failure,) = work.failures
    assert (failure.row_id, failure.reason, failure.error) == (
        first,
        "restricted",
        f"row_id {first}",
    )
