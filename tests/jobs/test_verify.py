"""Verify: nothing that is not as it must be stays unfound, on either road to it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from typer.testing import CliRunner

from photochrom.colorize.picture import PIXELS
from photochrom.colorize.picture.luma import luma
from photochrom.jobs.audit.stray import verify_file
from photochrom.jobs.audit.verify import Verifier
from photochrom.jobs.cli import app
from photochrom.jobs.errors import OtherJob
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.records import LedgerRow, PlanRow, PrintedRow, from_parquet, to_parquet
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.originals import key_of
from tests.jobs.archive import (
    drive,
    findings,
    job_of,
    keys,
    place_of,
    prints,
    said,
    write_colour_photo,
    write_photo,
    write_photos,
)

R = TypeVar("R")


def must_be_found(store: Store, words: str, count: int = 1) -> None:
    """Hold what verify finds against the words, as a call and as a command."""
    found = findings(store)
    assert words in said(found)
    assert len(found) == count
    answer = CliRunner().invoke(app, ["verify", store.root, "--json"])
    assert answer.exit_code == 4
    assert words in "\n".join(finding["what"] for finding in json.loads(answer.stdout)["findings"])


def rewritten(store: Store, folder: str, row: type[R], change: Callable[[R], R | None]) -> None:
    """Write a folder's Parquet files anew, with changed or dropped rows."""
    for key in keys(store, folder):
        if key.endswith(".parquet"):
            rows, metadata = from_parquet(row, store.read(key))
            changed = [new for old in rows if (new := change(old)) is not None]
            store.put(key, to_parquet(row, changed, metadata))


def first_print(store: Store) -> tuple[str, Path]:
    """Return the first TIFF print's key and its file."""
    key = next(key for key in keys(store, "prints") if "photo-000" in key)
    return key, Path(store.root.removeprefix("file://")) / key


def fitted(store: Store, path: Path) -> None:
    """Let the print's row say the digest that the spoilt file has."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def fit(row: PrintedRow) -> PrintedRow:
        fits = row.output_uri.endswith(path.name)
        return replace(row, output_sha256=digest) if fits else row

    rewritten(store, "printed", PrintedRow, fit)


def respoilt(path: Path, change: Callable[[NDArray[Any]], None], xmp: bool = True) -> None:
    """Change a TIFF's samples and keep its marks, or leave them out."""
    with tifffile.TiffFile(path) as tiff:
        samples = tiff.asarray()
        packet = tiff.pages[0].tags[700].value  # type: ignore[union-attr]
    change(samples)
    tags = [(700, 1, len(packet), packet, True)] if xmp else []
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, extratags=tags)


def test_a_whole_place_is_as_it_must_be(place: Store) -> None:
    report = Verifier(place, read_pinned(place)).place()
    assert (report.rows, report.prints, report.findings) == (4, 4, ())
    answer = CliRunner().invoke(app, ["verify", place.root])
    assert answer.exit_code == 0
    assert "everything is as it must be" in answer.stdout


def test_rewriting_alone_is_harmless(place: Store) -> None:
    _, path = first_print(place)
    respoilt(path, lambda samples: None)
    fitted(place, path)
    assert findings(place) == []


# --- files that are not what their rows say ------------------------------------------------------


def test_one_step_of_luma_in_one_pixel(place: Store) -> None:
    def brighter(samples: NDArray[Any]) -> None:
        samples[3, 5] += np.where(samples[3, 5] < 60000, 1, -1).astype(samples.dtype)

    _, path = first_print(place)
    respoilt(path, brighter)
    fitted(place, path)
    must_be_found(place, "its luma is not the original's: off by up to 1")


def test_the_colour_of_one_pixel(place: Store) -> None:
    def turned(samples: NDArray[Any]) -> None:
        wanted = luma(samples)[3, 5]
        samples[3, 5] = wanted  # as grey as its luma
        assert luma(samples)[3, 5] == wanted

    _, path = first_print(place)
    respoilt(path, turned)
    fitted(place, path)
    must_be_found(place, "its colour is not the plate's")


def test_marks_that_were_taken_off(place: Store) -> None:
    _, path = first_print(place)
    respoilt(path, lambda samples: None, xmp=False)
    fitted(place, path)
    must_be_found(place, "the mark that says `made with AI` is missing")


def test_marks_of_another_print(place: Store) -> None:
    _, path = first_print(place)
    row = prints(place)[0]
    data = path.read_bytes()
    assert data.count(row["plate_sha256"].encode()) >= 1
    path.write_bytes(data.replace(row["plate_sha256"].encode(), b"0" * 64))
    fitted(place, path)
    must_be_found(place, "the mark PlateSHA256 is not the row's")


def test_bytes_that_were_changed_without_the_row(place: Store) -> None:
    _, path = first_print(place)
    respoilt(path, lambda samples: None)
    must_be_found(place, "the file's bytes are not those of the row")


def test_a_deleted_print(place: Store) -> None:
    key, _ = first_print(place)
    place.delete(key)
    must_be_found(place, "no such object")


def test_a_print_cut_short(place: Store) -> None:
    _, path = first_print(place)
    path.write_bytes(path.read_bytes()[:3000])
    assert findings(place)


@pytest.mark.parametrize("swap", [True, False])
def test_another_photos_plate_or_none(swap: bool, place: Store) -> None:
    one, other = keys(place, "plates")[:2]
    if swap:
        place.put(one, place.read(other))
        must_be_found(place, "the plate is not the one in the ledger")
    else:
        place.delete(one)
        must_be_found(place, "no such object")


def test_a_plate_that_is_none(place: Store) -> None:
    place.put(keys(place, "plates")[0], b"no plate")
    must_be_found(place, "not a plate")


def test_an_original_that_was_changed(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 3)
    job = job_of(tmp_path / "scans", tmp_path / "out", "print.format=tiff")
    drive(job)
    write_photo(tmp_path / "scans/album-0/photo-000.tif", 99)
    must_be_found(place_of(job), "the original's bytes are not those that were colorized")


@pytest.mark.parametrize("what", ["deleted", "changed"])
def test_a_tone_table(what: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 1)
    job = job_of(tmp_path / "scans", tmp_path / "out", "paint.tone=negative", "print.format=tiff")
    drive(job)
    store = place_of(job)
    assert findings(store) == []
    (table,) = [key for key in keys(store, "plates") if key.endswith(".tone")]
    if what == "deleted":
        store.delete(table)
        must_be_found(store, "no such object")
    else:
        data = bytearray(store.read(table))
        data[100] ^= 1
        store.put(table, bytes(data))
        must_be_found(store, "the tone table is not the one in the ledger")


def test_a_lossy_print_further_off_than_it_says(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 1)
    job = job_of(tmp_path / "scans", tmp_path / "out", "print.quality=30")
    drive(job)
    store = place_of(job)
    rewritten(store, "printed", PrintedRow, lambda row: replace(row, luma_max_error=0))
    must_be_found(store, "its luma is off by")


# --- rows that contradict each other --------------------------------------------------------------


def test_two_current_rows_for_one_input(place: Store) -> None:
    key = keys(place, "ledger")[0]
    place.put("ledger/shard-0000.parquet", place.read(key))
    found = said(findings(place))
    assert "more than one current row for this input" in found
    assert CliRunner().invoke(app, ["verify", place.root]).exit_code == 4


def test_a_row_that_nobody_planned(place: Store) -> None:
    key = keys(place, "ledger")[0]
    rows, _ = from_parquet(LedgerRow, place.read(key))
    stranger = replace(rows[0], row_id="new", row_key="0" * 32, outcome="failed", reason="corrupt")
    stranger = replace(stranger, ai_colorized=False)
    place.put("ledger/shard-0000.parquet", to_parquet(LedgerRow, [stranger]))
    must_be_found(place, "a row that no plan ordered")


def test_a_missing_printed_row(place: Store) -> None:
    rewritten(
        place,
        "printed",
        PrintedRow,
        lambda row: None if "photo-000" in row.output_uri else row,
    )
    must_be_found(place, "a colorized row without its print")


def test_a_row_that_contradicts_itself(place: Store) -> None:
    def skipped(row: LedgerRow) -> LedgerRow:
        return replace(row, outcome="skipped") if "photo-000" in row.row_id else row

    rewritten(place, "ledger", LedgerRow, skipped)
    assert "contradict each other" in said(findings(place))


def test_a_committed_shard_without_one_of_its_rows(place: Store) -> None:
    rewritten(
        place,
        "ledger",
        LedgerRow,
        lambda row: None if "photo-000" in row.row_id else row,
    )
    must_be_found(place, "1 planned inputs have no row")


def test_a_plan_that_was_changed(place: Store) -> None:
    rewritten(place, "plan", PlanRow, lambda row: replace(row, row_key="0" * 32))
    assert "a row that no plan ordered" in said(findings(place))


@pytest.mark.parametrize("collection", ["plates", "prints", "a/prints/plates"])
def test_a_collection_may_be_called_like_our_folders(collection: str, tmp_path: Path) -> None:
    write_photo(tmp_path / "scans" / collection / "one.tif")
    job = job_of(tmp_path / "scans", tmp_path / "out", "print.format=tiff")
    drive(job)
    assert findings(place_of(job)) == []
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = Store(str(tmp_path / "moved"))
    assert findings(moved) == []
    (row,) = prints(moved)
    assert key_of(moved, row["output_uri"]) in keys(moved, "prints")


# --- stray files ----------------------------------------------------------------------------------


def words_of(path: Path, *options: str) -> tuple[int, str]:
    """Verify one file by command; return the exit code and what was found."""
    answer = CliRunner().invoke(app, ["verify", str(path), *options, "--json"])
    return answer.exit_code, "\n".join(
        finding["what"] for finding in json.loads(answer.stdout)["findings"]
    )


def test_a_print_in_its_place(place: Store) -> None:
    _, path = first_print(place)
    assert words_of(path) == (0, "")
    stray = verify_file(path, None)
    assert stray.row is not None
    assert stray.row["row_id"] == "album-0/photo-000.tif"
    assert stray.marks.marks is not None
    assert stray.marks.marks.Model == "echo"


def test_a_renamed_copy_elsewhere(place: Store, tmp_path: Path) -> None:
    _, path = first_print(place)
    copy = tmp_path / "my favourite.tif"
    shutil.copy(path, copy)
    assert words_of(copy, "--out", place.root) == (0, "")
    assert words_of(copy) == (0, "")
    assert verify_file(copy, place).row is not None
    text = CliRunner().invoke(app, ["verify", str(copy), "--out", place.root]).stdout
    assert "digital source type" in text
    assert "album-0/photo-000.tif" in text


def test_a_changed_copy_elsewhere(place: Store, tmp_path: Path) -> None:
    _, path = first_print(place)

    def darker(samples: NDArray[Any]) -> None:
        samples[0, 0] //= 2

    copy = tmp_path / "renamed.tif"
    shutil.copy(path, copy)
    respoilt(copy, darker)
    code, words = words_of(copy, "--out", place.root)
    assert code == 4
    assert "its luma is not the original's" in words


def test_a_copy_of_a_place_that_does_not_know_it(place: Store, tmp_path: Path) -> None:
    _, path = first_print(place)
    write_photos(tmp_path / "others", 1, first=3)
    other = job_of(tmp_path / "others", tmp_path / "elsewhere")
    drive(other)
    code, words = words_of(path, "--out", other.output)
    assert code == 4
    assert "no current row of file://" in words


def test_a_print_from_nowhere_has_its_marks_alone(place: Store, tmp_path: Path) -> None:
    _, path = first_print(place)
    copy = tmp_path / "stray.tif"
    shutil.copy(path, copy)
    stray = verify_file(copy, None)
    assert stray.row is None
    assert stray.findings == ()
    assert stray.marks.marks is not None
    assert stray.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("write", [write_photo, write_colour_photo])
def test_an_unmarked_picture_is_a_finding(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path / "holiday.jpg")
    code, words = words_of(path)
    assert code == 4
    assert words == "the mark that says `made with AI` is missing"


def test_a_text_is_a_finding_too(place: Store, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("dear archive")
    assert words_of(path)[0] == 4
    assert "no current row" in words_of(path, "--out", place.root)[1]


def test_a_lost_commit(place: Store) -> None:
    lost = next(entry.key for entry in place.list("ledger"))
    place.delete(lost)
    assert "planned inputs have no row" in said(findings(place))


def test_a_place_of_other_rules_is_not_judged_by_ours(place: Store) -> None:
    text = place.read("job.json").decode()
    place.put("job.json", text.replace(f'"pixels": {PIXELS}', '"pixels": 99').encode())
    with pytest.raises(OtherJob, match="PIXELS 99"):
        findings(place)
