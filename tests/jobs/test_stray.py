"""What a stray file proves alone, beside its original, and with its signature."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from photochrom.colorize.picture import Origin, Photo, Plate, PrintRecipe
from photochrom.colorize.picture.marking.c2pa import Signer, is_installed, to_be_signed
from photochrom.colorize.picture.marking.chain import make_test_chain
from photochrom.colorize.picture.marking.marks import xmp_packet
from photochrom.jobs.storage.store import Store
from tests.colorize.picture.lightbox import PAINTER, mild_chroma, plate_for
from tests.jobs.archive import drive, job_of, keys, place_of, prints, write_photo, write_photos
from tests.jobs.program import Answer, Program

needs_c2pa = pytest.mark.skipif(not is_installed(), reason="needs pip install 'photochrom[c2pa]'")


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write_photo(tmp_path / "plate.tif", 3, width=64, height=48, bits=16)


def printed(original: Path, name: str, long_side: int | None = None, quality: int = 92) -> Path:
    """Print a photo beside it; return the print's path."""
    photo = Photo.open(original)
    path = original.with_name(name)
    format = {".tif": "tiff", ".jpg": "jpeg"}.get(path.suffix, path.suffix[1:])
    recipe = PrintRecipe.model_validate(
        {"format": format, "long_side": long_side, "quality": quality}
    )
    plate_for(photo, mild_chroma()).print_on(photo, Origin(original="plate.tif")).save(path, recipe)
    return path


def only_file(answer: Answer) -> dict[str, Any]:
    (found,) = answer.json["files"]
    assert isinstance(found, dict)
    return found


def words(answer: Answer) -> str:
    return "\n".join(finding["what"] for finding in answer.json["findings"])


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_a_lossless_print_beside_its_original(
    ending: str, original: Path, program: Program
) -> None:
    path = printed(original, f"p.ai-colorized.{ending}")
    answer = program("verify", path, "--original", original, "--json")
    found = only_file(answer)
    assert answer.code == 0
    assert found["luma"]["proof"] == "exact"
    assert found["luma"]["max_error"] == 0
    assert found["name_says_ai"] is True
    assert found["marks"]["OriginalSHA256"] == Photo.open(original).sha256
    assert found["row"] is None
    text = program("verify", path, "--original", original).out
    assert "sample for sample" in text
    assert "not proven: only its plate or its row can" in text


@pytest.mark.parametrize("ending", ["jpg", "webp"])
@pytest.mark.parametrize("long_side", [None, 40])
def test_a_lossy_print_is_measured(
    ending: str, long_side: int | None, original: Path, program: Program
) -> None:
    path = printed(original, f"p.ai-colorized.{ending}", long_side)
    answer = program("verify", path, "--original", original, "--json")
    found = only_file(answer)["luma"]
    assert answer.code == 0
    assert found["proof"] == "measured"
    assert 0 < found["max_error"] < 40
    assert 0 < found["mean_error"] < 5


@pytest.mark.parametrize("kind", ["sign", "strip"])
def test_a_visible_mark_is_not_the_pictures_luma(
    kind: str, tmp_path: Path, program: Program
) -> None:
    write_photo(tmp_path / "scans/one.tif", 1, width=120, height=90)
    access = ("print.long_side=100", f"print.visible_mark={kind}")
    drive(job_of(tmp_path / "scans", tmp_path / "out", *access))
    assert program("verify", tmp_path / "out").code == 0
    (key,) = keys(Store(str(tmp_path / "out")), "prints")
    copy = tmp_path / "found.jpg"
    shutil.copy(tmp_path / "out" / key, copy)
    answer = program("verify", copy, "--original", tmp_path / "scans/one.tif", "--json")
    found = only_file(answer)
    assert answer.code == 0
    assert found["marks"]["VisibleMark"] == kind
    assert found["luma"]["proof"] == "measured"
    (row,) = prints(Store(str(tmp_path / "out")))
    assert found["luma"]["max_error"] == row["luma_max_error"]
    assert found["luma"]["mean_error"] == pytest.approx(row["luma_mean_error"])


def test_further_prints_with_a_visible_mark(place: Store, program: Program) -> None:
    refused = program("print", place.root, "--format", "jpeg", "--visible-mark", "strip")
    assert refused.code == 2
    assert "--visible-mark: " in refused.err
    assert "give them a long_side" in refused.err
    small = ("--format", "jpeg", "--long-side", "32", "--visible-mark", "strip")
    assert program("print", place.root, *small).code == 0
    assert program("verify", place.root).code == 0


def test_a_small_lossless_print(original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.png", 40)
    answer = program("verify", path, "--original", original, "--json")
    assert only_file(answer)["luma"]["proof"] == "exact"


def test_the_worst_jpeg_is_still_the_same_picture(original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.jpg", quality=1)
    assert program("verify", path, "--original", original).code == 0


def respoilt(path: Path, samples: Any) -> None:
    """Write other samples under a TIFF print's own marks."""
    with tifffile.TiffFile(path) as tiff:
        packet = tiff.pages.first.tags[700].value
    tags = [(700, 1, len(packet), packet, True)]
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, extratags=tags)


def test_one_step_of_luma(original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.tif")
    samples = tifffile.imread(path)
    samples[5, 7] += 1
    respoilt(path, samples)
    answer = program("verify", path, "--original", original, "--json")
    assert answer.code == 4
    assert words(answer) == "its luma is not the original's: off by up to 1"
    assert program("verify", path).code == 0, "alone it cannot be known"


def test_another_picture_under_the_same_marks(original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.jpg")
    photo = Photo.open(original)
    plate = plate_for(photo)
    marks = plate.print_on(photo).marks
    Image.new("RGB", (64, 48), "white").save(path, xmp=xmp_packet(marks))
    answer = program("verify", path, "--original", original, "--json")
    assert answer.code == 4
    assert "another picture's" in words(answer)


@pytest.mark.parametrize("size", [(64, 64), (30, 10), (10, 8)])
def test_another_shape(size: tuple[int, int], original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.tif")
    respoilt(path, np.zeros((size[1], size[0], 3), np.uint16))
    answer = program("verify", path, "--original", original, "--json")
    assert answer.code == 4
    assert "no scaling of 64 x 48" in words(answer)


def test_another_original(original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.tif")
    other = write_photo(original.with_name("other.tif"), 4, width=64, height=48, bits=16)
    answer = program("verify", path, "--original", other, "--json")
    assert answer.code == 4
    assert "sha256 is not the one that its marks name" in words(answer)
    assert only_file(answer)["luma"]["proof"] == "not proven"


def test_a_negative_needs_its_table(original: Path, program: Program) -> None:
    photo = Photo.open(original)
    tone = photo.tone_table("negative")
    path = original.with_name("n.ai-colorized.png")
    Plate(mild_chroma(), tone, PAINTER).print_on(photo).save(path)
    table = original.with_name("n.tone")
    table.write_bytes(tone.to_bytes())
    without = program("verify", path, "--original", original, "--json")
    assert without.code == 0
    assert only_file(without)["luma"]["proof"] == "not proven"
    assert "--tone-table" in only_file(without)["luma"]["why"]
    given = program("verify", path, "--original", original, "--tone-table", table, "--json")
    assert only_file(given)["luma"]["proof"] == "exact"
    data = bytearray(table.read_bytes())
    data[9] ^= 1
    table.write_bytes(data)
    changed = program("verify", path, "--original", original, "--tone-table", table, "--json")
    assert changed.code == 4
    assert "tone table is not the one" in words(changed)


def test_the_places_table_and_row(tmp_path: Path, program: Program) -> None:
    write_photos(tmp_path / "scans", 1)
    drive(job_of(tmp_path / "scans", tmp_path / "out", "paint.tone=negative", "print.format=tiff"))
    (key,) = keys(Store(str(tmp_path / "out")), "prints")
    copy = tmp_path / "found.tif"
    shutil.copy(tmp_path / "out" / key, copy)
    original = (tmp_path / "scans/album-0/photo-000.tif").rename(tmp_path / "taken away.tif")
    answer = program("verify", copy, "--out", tmp_path / "out", "--original", original, "--json")
    found = only_file(answer)
    assert words(answer) == ""
    assert answer.code == 0
    assert found["luma"]["proof"] == "exact"
    assert found["row"]["row_id"] == "album-0/photo-000.tif"
    assert found["printed"]["output_sha256"] == found["sha256"]
    text = program("verify", copy, "--out", tmp_path / "out", "--original", original).out
    assert "not proven" not in text


def test_a_row_that_its_marks_contradict(place: Store, program: Program) -> None:
    root = Path(place.root.removeprefix("file://"))
    path = next(root / key for key in keys(place, "prints") if "photo-000" in key)
    data = path.read_bytes()
    model = data.index(b"<photochrom:WeightsSHA256>") + 30
    path.write_bytes(data[:model] + b"f" * 4 + data[model + 4 :])
    answer = program("verify", path, "--json")
    assert answer.code == 4
    assert "the mark WeightsSHA256 is not the row's" in words(answer)


def test_a_stripped_print_says_so(original: Path, program: Program) -> None:
    path = printed(original, "p.ai-colorized.png")
    with Image.open(path) as image:
        Image.fromarray(np.asarray(image)).save(path)
    answer = program("verify", path, "--json")
    assert answer.code == 4
    assert words(answer) == "the mark that says `made with AI` is missing, though its name says so"


@pytest.mark.parametrize(
    "content",
    [b"", b"Dear Sir", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"II*\0\xff\xff\xff\xff"],
)
def test_hostile_files_are_findings(content: bytes, original: Path, program: Program) -> None:
    path = original.with_name("letter.ai-colorized.jpg")
    path.write_bytes(content)
    answer = program("verify", path, "--original", original, "--json")
    assert answer.code == 4
    assert answer.err == ""
    assert "missing" in words(answer)
    assert only_file(answer)["luma"]["proof"] == "not proven"


@pytest.mark.parametrize("packet", [b"<x", b"\xff" * 40, b"<a>" * 9000, b"<!DOCTYPE a><a/>"])
def test_broken_marks_are_findings(packet: bytes, original: Path, program: Program) -> None:
    path = original.with_name("p.jpg")
    Image.new("RGB", (64, 48)).save(path, xmp=packet)
    answer = program("verify", path, "--json")
    assert answer.code == 4
    assert "is missing" in words(answer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--original", "none.tif"), "--original: "),
        (("--original", "p.txt"), "--original: "),
        (("--original", "plate.tif", "--tone-table", "p.txt"), "--tone-table: "),
        (("--tone-table", "p.txt"), "--tone-table: "),
        (("--trust-anchors", "none.pem"), "--trust-anchors: "),
        (("--trust-anchors", "p.txt"), "--trust-anchors: "),
    ],
)
def test_evidence_that_is_none(
    options: tuple[str, ...],
    message: str,
    original: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(original.parent)
    Path("p.txt").write_text("no picture")
    answer = program("verify", printed(original, "p.png"), *options)
    assert answer.code == 2
    assert f"photochrom: {message}" in answer.err


# --- signatures ----------------------------------------------------------------------------------


@pytest.fixture
def signed(original: Path) -> Path:
    folder = original.with_name("keys")
    make_test_chain(folder, "City Archive")
    signer = Signer((folder / "key.pem").read_bytes(), (folder / "chain.pem").read_bytes())
    photo = to_be_signed(Photo.open(original), original, "plate.tif", signer)
    path = original.with_name("s.ai-colorized.jpg")
    plate_for(photo, mild_chroma()).print_on(photo).save(path, signer=signer)
    return path


@needs_c2pa
def test_a_signature_with_and_without_anchors(signed: Path, program: Program) -> None:
    anchors = signed.with_name("keys") / "anchor.pem"
    alone = program("verify", signed, "--json")
    assert (alone.code, only_file(alone)["c2pa"]["state"]) == (0, "valid")
    trusted = program("verify", signed, "--trust-anchors", anchors, "--json")
    assert (trusted.code, only_file(trusted)["c2pa"]["state"]) == (0, "trusted")
    assert (
        "trusted, signed by Test signer, City Archive"
        in program("verify", signed, "--trust-anchors", anchors).out
    )
    make_test_chain(signed.with_name("others"), "Somebody else")
    others = signed.with_name("others") / "anchor.pem"
    strange = program("verify", signed, "--trust-anchors", others, "--json")
    assert strange.code == 4
    assert "whom no trust anchor vouches for" in words(strange)


@needs_c2pa
def test_a_manifest_that_speaks_of_another_original(signed: Path, program: Program) -> None:
    path = printed(signed.with_name("plate.tif"), "u.ai-colorized.jpg")
    folder = signed.with_name("keys")
    signer = Signer((folder / "key.pem").read_bytes(), (folder / "chain.pem").read_bytes())
    original = signed.with_name("plate.tif")
    photo = Photo.open(original)
    marks = replace(plate_for(photo).print_on(photo).marks, OriginalSHA256="f" * 64)
    signer.sign(path, "jpeg", marks, signer.ingredient(photo, original, "plate.tif"))
    answer = program("verify", path, "--json")
    assert answer.code == 4
    assert words(answer) == "its C2PA manifest names another original than its marks do"


@needs_c2pa
def test_a_signed_print_that_was_touched(signed: Path, program: Program) -> None:
    data = bytearray(signed.read_bytes())
    data[-200] ^= 1
    signed.write_bytes(data)
    answer = program("verify", signed, "--json")
    assert answer.code == 4
    assert "its C2PA manifest does not hold" in words(answer)
    assert "assertion.dataHash.mismatch" in words(answer)


@needs_c2pa
def test_a_signed_place_whose_signature_is_gone(tmp_path: Path, program: Program) -> None:
    make_test_chain(tmp_path / "keys", "City Archive")
    write_photos(tmp_path / "scans", 1)
    chain = [f"marks.c2pa_{name}={tmp_path}/keys/{name}.pem" for name in ("key", "chain")]
    job = job_of(tmp_path / "scans", tmp_path / "out", *chain, "print.format=png")
    drive(job)
    (key,) = keys(place_of(job), "prints")
    path = tmp_path / "out" / key
    data = path.read_bytes()
    place = data.index(b"caBX") - 4
    size = int.from_bytes(data[place : place + 4], "big") + 12
    path.write_bytes(data[:place] + data[place + size :])
    answer = program("verify", tmp_path / "out", "--json")
    assert answer.code == 4
    assert words(answer) == "its C2PA manifest is missing"
    (report,) = answer.json["places"]
    assert report["place"] == str(tmp_path / "out")
    assert (report["rows"], report["prints"], report["unchecked"]) == (1, 1, 0)


@needs_c2pa
def test_a_place_signed_by_those_who_count(tmp_path: Path, program: Program) -> None:
    for name in ("keys", "others"):
        make_test_chain(tmp_path / name, name)
    write_photos(tmp_path / "scans", 1)
    chain = [f"marks.c2pa_{name}={tmp_path}/keys/{name}.pem" for name in ("key", "chain")]
    drive(job_of(tmp_path / "scans", tmp_path / "out", *chain))
    ours, others = (tmp_path / name / "anchor.pem" for name in ("keys", "others"))
    assert program("verify", tmp_path / "out", "--trust-anchors", ours).code == 0
    strange = program("verify", tmp_path / "out", "--trust-anchors", others, "--json")
    assert strange.code == 4
    assert words(strange) == "it is signed by Test signer, keys, whom no trust anchor vouches for"


def test_one_original_is_of_one_file(original: Path, program: Program) -> None:
    paths = [printed(original, f"{name}.png") for name in "ab"]
    for targets in (paths, [original.parent]):
        answer = program("verify", *targets, "--original", original)
        assert answer.code == 2
        assert "name that file alone" in answer.err


def test_without_the_extra_signatures_are_not_checked(
    original: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photochrom.colorize.picture.marking.c2pa.is_installed", lambda: False)
    path = printed(original, "p.png")
    answer = program("verify", path)
    assert answer.code == 0
    assert "not checked: pip install 'photochrom[c2pa]'" in answer.out
    assert json.loads(program("verify", path, "--json").out)["files"][0]["c2pa"]["state"] == (
        "not checked"
    )
