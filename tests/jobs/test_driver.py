"""Whole jobs, from a manifest to its rows: every input gets exactly one truthful row."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photochrom.colorize.picture import PIXELS, ToneTable
from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.audit.ready import DUPLICATES
from photochrom.jobs.errors import OtherJob
from photochrom.jobs.pinned import JOB_FILE
from photochrom.jobs.planning.plan import read_plans
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.originals import key_of
from photochrom.jobs.working.worker import Worker
from tests.jobs.archive import (
    Listener,
    current,
    drive,
    driver_of,
    findings,
    job_of,
    keys,
    listing,
    outcomes,
    place_of,
    prints,
    write_manifest,
    write_photo,
    write_photos,
)


def test_every_input_gets_its_row(mixed: Path, tmp_path: Path) -> None:
    job, listener = job_of(mixed, tmp_path / "out", "print.format=tiff"), Listener()
    summary = drive(job, listener=listener)
    assert summary.counts == {
        ("colorized", ""): 9,
        ("failed", "corrupt"): 1,
        ("failed", "empty"): 1,
        ("failed", "not_an_image"): 1,
        ("skipped", "already_colour"): 1,
    }
    assert (summary.total, summary.failed, summary.done_now) == (13, 3, 13)
    rows = current(place_of(job))
    assert len(rows) == 13
    assert {len(row["row_key"]) for row in rows.values()} == {32}
    assert all(row["ai_colorized"] == bool(row["plate_uri"]) for row in rows.values())
    assert all(row["error"] for row in rows.values() if row["outcome"] == "failed")
    assert [row["row_id"] for row in prints(place_of(job))] == sorted(
        row_id for row_id, row in rows.items() if row["ai_colorized"]
    )
    assert findings(place_of(job)) == []
    assert sorted(word.row_key for word in listener.finished) == sorted(
        row["row_key"] for row in rows.values()
    )
    assert listener.begun == [(13, 0)]
    assert listener.ends == 1
    assert keys(place_of(job), "drivers") == []


@pytest.mark.parametrize("format", ["tiff", "png", "jpeg", "webp", "none"])
def test_prints_of_every_format_are_verified(format: str, job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", f"print.format={format}")
    assert drive(job).counts == {("colorized", ""): 6}
    found = prints(place_of(job))
    assert len(found) == (0 if format == "none" else 6)
    lossless = format in ("tiff", "png")
    assert {row["luma_proof"] for row in found} <= {"exact" if lossless else "measured"}
    assert findings(place_of(job)) == []
    assert len(keys(place_of(job), "plates")) == 6


def test_a_job_may_live_in_memory(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", f"memory://{job_folder.name}-{os.getpid()}/out")
    assert drive(job).counts == {("colorized", ""): 6}
    assert findings(place_of(job)) == []


# --- again, and more -----------------------------------------------------------------------------


def test_a_finished_job_is_left_untouched(mixed: Path, tmp_path: Path) -> None:
    job = job_of(mixed, tmp_path / "out")
    first = drive(job)
    before = listing(place_of(job))
    again = drive(job)
    assert listing(place_of(job)) == before
    assert again.counts == first.counts
    assert again.done_now == 0


def test_more_photos_are_added_and_nothing_else_is_done(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    before = listing(place_of(job))
    write_photos(job_folder / "scans", 20, first=6)
    listener = Listener()
    summary = drive(job, listener=listener)
    assert (summary.total, summary.done_now) == (26, 20)
    assert listener.begun == [(26, 6)]
    after = listing(place_of(job))
    assert {key: after[key] for key in before} == before
    new = after.keys() - before.keys()
    assert sum(key.startswith("plates/") for key in new) == 20
    assert sum(key.startswith("prints/") for key in new) == 20
    assert findings(place_of(job)) == []


def test_a_sample_first_then_the_rest(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    summary = drive(job, sample=2)
    assert summary.counts == {("colorized", ""): 2, ("pending", ""): 4}
    assert drive(job).counts == {("colorized", ""): 6}
    assert findings(place_of(job)) == []


def test_a_plan_without_work_is_taken_up_by_the_next_driver(job_folder: Path) -> None:
    class Interrupted(BaseException):
        pass

    class Stopping(Worker):
        def run(self, item: object) -> Iterator[Any]:
            for n, message in enumerate(super().run(item)):
                if n == 2:
                    raise Interrupted
                yield message

    job = job_of(job_folder / "scans", job_folder / "out")
    with pytest.raises(Interrupted):
        drive(job, worker=Stopping)
    assert len(read_plans(place_of(job))) == 1
    assert current(place_of(job)) == {}
    assert keys(place_of(job), "drivers") == []
    assert drive(job).counts == {("colorized", ""): 6}
    assert len(read_plans(place_of(job))) == 1
    assert findings(place_of(job)) == []


# --- another job ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("paint.render_size=80", "paint.render_size is 64 there and 80 here"),
        ("paint.tone=negative", "paint.tone is 'positive' there and 'negative' here"),
        ("paint.model=pocket", "paint.weights_sha256 is "),
        ("print.format=png", "print.format is 'jpeg' there and 'png' here. for further prints of "),
        ("print.long_side=20", "print.long_side is None there and 20 here"),
    ],
)
def test_another_recipe_is_another_job(change: str, words: str, job_folder: Path) -> None:
    scans, out = job_folder / "scans", job_folder / "out"
    drive(job_of(scans, out))
    before = listing(place_of(job_of(scans, out)))
    with pytest.raises(OtherJob) as caught:
        drive(job_of(scans, out, change))
    assert words in str(caught.value)
    assert ("photochrom print file://" in str(caught.value)) == change.startswith("print.")
    assert listing(place_of(job_of(scans, out))) == before


def test_another_manifest_is_another_job(job_folder: Path) -> None:
    out = job_folder / "out"
    drive(job_of(job_folder / "scans", out))
    before = listing(Store(str(out)))
    write_photos(job_folder / "more", 2)
    with pytest.raises(OtherJob, match=r"manifest is '.*/scans' there and '.*/more'"):
        drive(job_of(job_folder / "more", out))
    assert listing(Store(str(out))) == before


def test_a_slash_at_the_end_of_a_folder_is_no_difference(job_folder: Path) -> None:
    drive(job_of(job_folder / "scans", job_folder / "out"))
    again = drive(job_of(f"{job_folder}/scans/", f"{job_folder}/out/"))
    assert again.done_now == 0


def test_how_it_is_run_is_no_difference(job_folder: Path) -> None:
    drive(job_of(job_folder / "scans", job_folder / "out"))
    again = job_of(job_folder / "scans", job_folder / "out", "run.threads=1", "operator=other")
    assert drive(again).done_now == 0


def test_a_release_with_other_pixels_refuses(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    store = place_of(job)
    pinned = json.loads(store.read(JOB_FILE))
    pinned["paint"]["pixels"] += 1
    store.put(JOB_FILE, json.dumps(pinned).encode())
    before = listing(store)
    write_photos(job_folder / "scans", 1, first=6)
    with pytest.raises(OtherJob, match=rf"paint\.pixels is {PIXELS + 1} there and {PIXELS} "):
        drive(job)
    assert listing(store) == before


# --- sources that change -------------------------------------------------------------------------


def test_a_source_that_changes_after_its_plan_fails_and_is_taken_up_anew(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    driver = driver_of(job)
    changed = job_folder / "scans" / "album-0" / "photo-000.tif"
    write_photo(changed, 77, width=60)
    driver.run()
    name = "album-0/photo-000.tif"
    store = place_of(job)
    assert outcomes(store)[name] == "failed:source_changed"
    old = current(store)[name]
    summary = drive(job)
    assert summary.counts == {("colorized", ""): 6}
    new = current(store)[name]
    assert new["width"] == 60
    assert new["row_key"] != old["row_key"]
    assert (old["plan"], new["plan"]) == (1, 2)
    assert findings(store) == []


def test_a_missing_file_fails_alone(job_folder: Path) -> None:
    rows: list[dict[str, object]] = [{"uri": "scans/album-0/photo-000.tif"}, {"uri": "lost.tif"}]
    job = job_of(write_manifest(job_folder / "list.csv", rows), job_folder / "out")
    assert drive(job).counts == {("colorized", ""): 1, ("failed", "missing"): 1}
    write_photo(job_folder / "lost.tif", 5)
    assert drive(job).counts == {("colorized", ""): 2}
    assert findings(place_of(job)) == []


def test_equal_bytes_under_two_names_are_two_rows(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 2)
    shutil.copy(tmp_path / "scans/album-0/photo-000.tif", tmp_path / "scans/copy.tif")
    job = job_of(tmp_path / "scans", tmp_path / "out")
    assert drive(job).counts == {("colorized", ""): 3}
    with questions(place_of(job)) as tables:
        (found,) = tables.ask(DUPLICATES)
    assert (found["rows"], found["row_ids"]) == (2, "album-0/photo-000.tif, copy.tif")
    assert findings(place_of(job)) == []


@pytest.mark.parametrize("bits", [8, 16])
def test_a_negative_by_the_manifest(bits: int, tmp_path: Path) -> None:
    write_photo(tmp_path / "a.tif", 1, bits=bits)
    rows: list[dict[str, object]] = [{"uri": "a.tif", "tone": "negative"}]
    job = job_of(write_manifest(tmp_path / "l.csv", rows), tmp_path / "out", "print.format=tiff")
    assert drive(job).counts == {("colorized", ""): 1}
    store = place_of(job)
    row = current(store)["a.tif"]
    assert row["tone"] == "negative"
    assert row["tone_evidence"].startswith("manifest; ")
    table = ToneTable.from_bytes(store.read(key_of(store, row["tone_table_uri"])))
    assert table.sha256 == row["tone_table_sha256"]
    assert table.entries is not None
    assert len(table.entries) == 1 << bits
    assert np.all(np.diff(table.entries.astype(int)) <= 0)
    assert findings(store) == []


def test_the_manifests_tone_outranks_the_jobs(tmp_path: Path) -> None:
    for name in "ab":
        write_photo(tmp_path / f"{name}.png", 3)
    rows: list[dict[str, object]] = [{"uri": "a.png", "tone": "positive"}, {"uri": "b.png"}]
    manifest = write_manifest(tmp_path / "list.csv", rows)
    job = job_of(manifest, tmp_path / "out", "paint.tone=negative")
    drive(job)
    found = {
        k: (row["tone"], row["tone_evidence"].partition(";")[0])
        for k, row in current(place_of(job)).items()
    }
    assert found == {"a.png": ("positive", "manifest"), "b.png": ("negative", "job")}
    assert len([key for key in keys(place_of(job), "plates") if key.endswith(".tone")]) == 1
    assert findings(place_of(job)) == []


def test_commits_are_named_by_shard(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    shards = [shard.key for plan in read_plans(place_of(job)) for shard in plan.shards]
    assert sorted(keys(place_of(job), "ledger")) == sorted(map(ledger.commit_name, shards))
