"""score: every photograph in the figures, or named with its reason."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.errors import OutOfMemory
from photochrom.colorize.picture.marking.marks import read_marks
from photochrom.colorize.scoring import Encoder, Pair, Scorer
from photochrom.jobs.errors import ManifestError
from photochrom.jobs.scoring.score import Painted, Unscored, load_painted, score
from photochrom.jobs.settings import load_job
from photochrom.jobs.storage.store import Store
from tests.colorize.narrow import NarrowGenerator
from tests.colorize.scoring.shown import NAMES, album, photograph
from tests.conftest import access_to
from tests.jobs.archive import Listener, drive, job_of, write_manifest, write_photo
from tests.jobs.program import Program
from tests.servers import SeaweedFS

ECHO = ("--model", "echo", "--render-size", "64", "--side", "128")


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    return album(tmp_path / "colours")


def test_a_model_paints_what_it_is_not_shown(colours: Path, program: Program) -> None:
    answer = program("score", colours, *ECHO, "--saturation", 0.5, "--saturation", 1, "--json")
    assert answer.code == 0
    told = answer.json
    assert (told["photographs"], told["side"], told["unscored"]) == (4, 128, [])
    assert (told["painter"]["model"], told["painter"]["render_size"]) == ("echo", 64)
    half, whole = told["painted"]
    assert (half["saturation"], whole["saturation"]) == (0.5, 1.0)
    assert 0 < half["colourfulness_hs"] < whole["colourfulness_hs"]
    assert whole["luma_error_max"] == told["grey"]["luma_error_max"] == 0
    assert told["grey"]["colourfulness_hs"] == 0
    assert "4 of 4 photos, 0 failed" in answer.err


def test_pocket_dares_some_colour(tmp_path: Path, program: Program) -> None:
    told = program("score", album(tmp_path / "c", side=256), "--json").json
    assert told["painter"]["model"] == "pocket"
    assert 0.1 < told["painted"][0]["colourfulness_hs_ratio"] < 1.5
    assert told["painted"][0]["ciede2000"] < told["grey"]["ciede2000"] * 1.2
    assert told["painted"][0]["low_chroma"] == 0


def test_the_tables_name_all_that_figures_rest_on(colours: Path, program: Program) -> None:
    answer = program("score", colours, *ECHO, "--sheet", colours.parent / "sheet.jpg")
    assert answer.code == 0
    assert (
        "means over 4 photographs, 128 pixels at their longer side, painted by echo" in answer.out
    )
    assert "peak 255" in answer.out
    assert f"EfficientNet-Lite1, weights {Encoder(device='cpu').weights_sha256}" in answer.out
    assert "of 4 images each" in answer.out
    for column in ("MAE ab", "PSNR ab", "CIEDE2000", "KID", "Frechet", "colourfulness_ddcolor"):
        assert column in answer.out
    assert read_marks(colours.parent / "sheet.jpg").digital_source_type


def test_what_cannot_be_scored_is_counted_by_reason(colours: Path, program: Program) -> None:
    write_photo(colours / "grey.png", 1)
    (colours / "empty.jpg").write_bytes(b"")
    (colours / "half.png").write_bytes((colours / "coffee.png").read_bytes()[:9000])
    (colours / "notes.txt").write_text("no photograph")
    answer = program("score", colours, *ECHO, "--json")
    assert answer.code == 3
    assert answer.json["photographs"] == 4
    reasons = {one["name"]: one["reason"] for one in answer.json["unscored"]}
    assert reasons == {"grey.png": "not_in_colour", "empty.jpg": "empty", "half.png": "corrupt"}
    assert answer.json["left_out"] == {".txt": 1}
    shown = program("score", colours, *ECHO)
    assert "empty.jpg: the file has no bytes" in shown.out
    assert "left out: 1 .txt" in shown.out
    assert "7 of 7 photos, 2 failed" in shown.err


def test_no_colour_and_restrictions_are_no_failures(colours: Path, program: Program) -> None:
    write_photo(colours / "grey.png", 1)
    rows: list[dict[str, object]] = [{"path": f"{name}.png"} for name in NAMES[:3]]
    rows += [{"path": "grey.png"}, {"path": "rocket.png", "restriction": "donor"}]
    table = write_manifest(colours / "table.csv", rows)
    answer = program("score", table, *ECHO, "--set", "columns.uri=path", "--json")
    assert (answer.code, answer.json["photographs"]) == (0, 3)
    reasons = {one["name"]: one["reason"] for one in answer.json["unscored"]}
    assert reasons == {"grey.png": "not_in_colour", "rocket.png": "restricted"}


def test_nothing_scored_is_an_error(tmp_path: Path, program: Program) -> None:
    write_photo(tmp_path / "scans" / "grey.png", 1)
    answer = program("score", tmp_path / "scans", *ECHO)
    assert answer.code == 2
    assert "none of 1 photographs could be scored; grey.png: not_in_colour" in answer.err


def test_the_prints_of_a_job_beside_their_colour_originals(
    colours: Path, tmp_path: Path, program: Program
) -> None:
    grey = album(tmp_path / "grey", mode="L")
    drive(job_of(grey, tmp_path / "out", "print.format=tiff"))
    (colours / "rocket.png").unlink()
    Image.fromarray(photograph("rocket")).save(colours / "launch.png")
    answer = program("score", tmp_path / "out", colours, "--json")
    assert answer.code == 0
    told = answer.json
    assert told["photographs"] == 3
    assert told["painted"][0]["luma_error_max"] <= 1  # the scans were greyed by another's rounding
    assert told["unmatched"]["truth"] == ["launch.png"]
    assert len(told["unmatched"]["painted"]) == 1
    shown = program("score", tmp_path / "out", colours)
    assert "1 of truth without a counterpart:\n  launch.png" in shown.out
    (colours / "launch.png").unlink()
    painted = program("score", colours, *ECHO[:4], "--json").json["painted"][0]
    assert told["painted"][0]["mae_ab"] == pytest.approx(painted["mae_ab"], abs=0.1)


def test_other_programs_pictures_are_scored_too(
    colours: Path, tmp_path: Path, program: Program
) -> None:
    painted = album(tmp_path / "painted", mode="L", ending="jpg", side=100)
    Image.fromarray(np.zeros((40, 90, 3), np.uint8)).save(painted / "coffee.jpg")
    answer = program("score", painted, colours, "--json")
    assert answer.code == 3
    assert [one["name"] for one in answer.json["unscored"]] == ["coffee.png"]
    assert "painted 90 x 40, but the truth is 200 x 133" in answer.json["unscored"][0]["error"]
    assert answer.json["painted"][0]["low_chroma"] == 1
    assert answer.json["painted"][0]["luma_error_mean"] > 0


def test_a_usage_error_says_how_to_mend_it(colours: Path, tmp_path: Path, program: Program) -> None:
    shutil.copytree(colours, tmp_path / "painted")
    for arguments, said in (
        ((tmp_path / "painted", colours, "--model", "echo"), "--model: "),
        ((colours, "--saturation", "12"), "--saturation 12.0: must be between 0 and 10"),
        ((colours, "--render-size", "65"), "paint.render_size"),
        ((colours, "--model", "echo", "--sha256", "00"), "paint.sha256"),
        ((tmp_path / "nowhere",), "no photographs there"),
    ):
        answer = program("score", *arguments)
        assert answer.code == 2, arguments
        assert said in answer.err
        assert len(answer.err.splitlines()) == 1


class SlowFolder:
    """Photographs that no storage holds: anything with a name that can be fetched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[OnePhotograph]:
        return (OnePhotograph(path) for path in sorted(self._folder.iterdir()))


class OnePhotograph:
    def __init__(self, path: Path) -> None:
        self.name, self._path = path.stem, path

    def fetch(self, path: Path) -> None:
        path.write_bytes(self._path.read_bytes())


def test_photographs_may_come_from_anywhere_and_in_batches(colours: Path) -> None:
    generator = NarrowGenerator(room=3)
    job = load_job(str(colours), "memory://x", ["paint.render_size=64", "run.batch=3"])
    source = Painted(list(SlowFolder(colours)), Colorizer(generator), job, 100)
    listener = Listener()
    report, unscored = score(source, Scorer(Encoder(device="cpu")), listener)
    assert (report.photographs, unscored) == (4, [])
    assert generator.seen == [3, 1]
    assert listener.begun == [(4, 0)]
    assert (len(listener.finished), listener.ends) == (4, 1)
    (again,) = source.pairs({"coffee"})
    assert isinstance(again, Pair)
    assert again.name == "coffee"


class Watchful(NarrowGenerator):
    """A generator that notes how bright its squares are."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.means = squares.mean((1, 2))
        return super().chroma(squares)


def test_a_colour_photograph_is_a_positive_whatever_its_grey_looks_like(tmp_path: Path) -> None:
    for name in NAMES:
        Image.fromarray(255 - photograph(name, 128)).save(tmp_path / f"{name}.png")
    job = load_job(str(tmp_path), "memory://x", ["paint.render_size=64"])
    generator = Watchful(9)
    pairs = list(Painted(list(SlowFolder(tmp_path)), Colorizer(generator), job, 100).pairs())
    truths = [one.truth @ (0.299, 0.587, 0.114) for one in pairs if isinstance(one, Pair)]
    assert len(truths) == len(NAMES)
    assert np.abs([truth.mean() for truth in truths] - generator.means).max() < 2


class Roomless(NarrowGenerator):
    """A generator that has room for nothing."""


def test_photographs_that_cannot_be_painted_are_named(colours: Path) -> None:
    job = load_job(str(colours), "memory://x", ["paint.render_size=64"])
    source = Painted(list(SlowFolder(colours)), Colorizer(Roomless(room=0)), job, 100)
    found = list(source.pairs())
    assert all(isinstance(one, Unscored) for one in found)
    assert {one.reason for one in found if isinstance(one, Unscored)} == {"out_of_memory"}
    with pytest.raises(ManifestError, match="none of 4 photographs could be scored"):
        score(source, Scorer(Encoder(device="cpu")), Listener())
    assert OutOfMemory.retriable


def test_a_source_that_changes_is_not_scored(colours: Path) -> None:
    source = load_painted(load_job(str(colours), "memory://x", ["paint.model=echo"]), 64)
    Image.fromarray(photograph("coffee", 64)).save(colours / "rocket.png")
    changed = [one for one in source.pairs() if isinstance(one, Unscored)]
    assert [(one.name, one.reason) for one in changed] == [("rocket.png", "source_changed")]


def test_scoring_on_s3(
    bucket: str, seaweed: SeaweedFS, colours: Path, tmp_path: Path, program: Program
) -> None:
    access = access_to(seaweed)
    text = access.model_dump_json(exclude_defaults=True)
    sides = ("--set", f"storage.source={text}", "--set", f"storage.output={text}")
    store = Store(f"s3://{bucket}", access)
    for path in colours.iterdir():
        store.put(f"truth/sub/{path.name}", path.read_bytes())
        store.put(f"painted/sub/{path.stem}.ai-colorized.png", path.read_bytes())
    model = program("score", f"s3://{bucket}/truth/", *ECHO, *sides, "--json")
    assert (model.code, model.json["photographs"]) == (0, 4)
    places = (f"s3://{bucket}/painted", f"s3://{bucket}/truth")
    prints = program("score", *places, *sides, "--json", "--sheet", tmp_path / "s.jpg")
    assert (prints.code, prints.json["photographs"]) == (0, 4)
    assert prints.json["painted"][0]["mae_ab"] == 0
    assert prints.json["painted"][0]["kid"] == pytest.approx(0, abs=1e-6)
    assert (tmp_path / "s.jpg").stat().st_size > 5000


def test_photographs_in_tar_shards_are_scored(colours: Path, program: Program) -> None:
    shard = colours.parent / "shards" / "one.tar"
    shard.parent.mkdir()
    with tarfile.open(shard, "w") as tar:
        for file in sorted(colours.iterdir()):
            tar.add(file, file.name)
    whole = program("score", shard.parent, *ECHO, "--json").json
    table = shard.parent / "some.csv"
    table.write_text(
        "row_id,uri,member,restriction\na,one.tar,coffee.png,\nb,one.tar,rocket.png,\n"
        "c,one.tar,chelsea.png,sacred\n"
    )
    some = program("score", table, *ECHO, "--json").json
    assert (whole["photographs"], some["photographs"]) == (4, 2)
    assert some["left_out"] == {"restricted": 1}
    assert whole["painted"] == program("score", colours, *ECHO, "--json").json["painted"]


def test_without_shards_a_manifest_is_read_as_jobs_read_it(colours: Path, program: Program) -> None:
    table = colours / "odd.csv"
    table.write_text("row_id,uri,weight\na,coffee.png,3 kg\nb,coffee.png,\n")
    told = program("score", table, *ECHO, "--json").json
    assert (told["photographs"], told["unscored"]) == (2, [])
