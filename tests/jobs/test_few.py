"""colorize: a few photos, in this process, as strictly as in a job."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.colorizer import Colorizer, Failure
from photochrom.colorize.errors import DeviceLost, ModelError, SettingsError
from photochrom.colorize.generator.device import computes_in
from photochrom.colorize.generator.echo import EchoGenerator
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.luma import luma
from photochrom.colorize.picture.marking.marks import DIGITAL_SOURCE_TYPE, read_marks
from photochrom.jobs.errors import ManifestError
from photochrom.jobs.working.few import Few, FewSettings, settings
from tests.colorize.narrow import NarrowGenerator
from tests.jobs.archive import grey, write_colour_photo, write_photo
from tests.jobs.program import Program

ECHO = ("--model", "echo", "--render-size", "64", "--positive")


def echo(format: str = "png", tone: str = "positive") -> FewSettings:
    return settings(format, None, "echo", 64, tone)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    album = tmp_path / "album"
    write_photo(album / "one.tif", 1)
    write_photo(album / "1904" / "two.jpg", 2)
    write_photo(album / "1904" / "three.png", 3)
    write_photo(album / ".hidden" / "four.png", 4)
    write_photo(album / "._one.png", 5)
    (album / "notes.txt").write_text("no photo")
    return album


def test_a_folder_keeps_its_folders(album: Path, tmp_path: Path, program: Program) -> None:
    answer = program("colorize", album, "--out", tmp_path / "out", *ECHO)
    assert answer.code == 0
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert found == [
        "1904/three.ai-colorized.jpg",
        "1904/two.ai-colorized.jpg",
        "one.ai-colorized.jpg",
    ]
    assert "colorized" in answer.out
    assert answer.err == ""


def test_luma_stays_and_the_print_says_what_it_is(album: Path, tmp_path: Path) -> None:
    few = Few(echo(), tmp_path / "out")
    ((photo, target),) = few.targets([album / "1904" / "three.png"])
    assert target == tmp_path / "out" / "three.ai-colorized.png"
    result = few.colorize(photo, target)
    assert (result.outcome, result.print) == ("colorized", str(target))
    samples = np.asarray(Image.open(target))
    assert np.array_equal(luma(samples), grey(3))
    assert not np.array_equal(samples[..., 0], samples[..., 2])
    assert read_marks(target).digital_source_type == DIGITAL_SOURCE_TYPE


def test_a_negative_is_turned_over(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "n.png", 1)
    few = Few(echo(tone="negative"), tmp_path)
    few.colorize(photo, tmp_path / "p.png")
    printed = luma(np.asarray(Image.open(tmp_path / "p.png"))).astype(int)
    assert np.corrcoef(printed.ravel(), grey(1).ravel())[0, 1] < -0.5


def test_the_same_photo_twice_is_one_print(album: Path, tmp_path: Path) -> None:
    few = Few(echo(), tmp_path / "out")
    assert len(few.targets([album, album, album / "one.tif"])) == 3


def test_two_photos_with_one_print_are_refused(
    album: Path, tmp_path: Path, program: Program
) -> None:
    write_photo(album / "one.png", 7)
    answer = program("colorize", album, "--out", tmp_path / "out", *ECHO)
    assert answer.code == 2
    assert "would both become" in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file or folder"):
        Few(echo(), tmp_path).targets([tmp_path / "lost.jpg"])


def test_a_broken_photo_fails_alone(album: Path, tmp_path: Path, program: Program) -> None:
    (album / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (album / "empty.tif").write_bytes(b"")
    write_colour_photo(album / "holiday.png")
    answer = program("colorize", album, "--out", tmp_path / "out", *ECHO, "--json")
    assert answer.code == 3
    found = {Path(r["photo"]).name: (r["outcome"], r["reason"]) for r in answer.json}
    assert found == {
        "one.tif": ("colorized", ""),
        "two.jpg": ("colorized", ""),
        "three.png": ("colorized", ""),
        "broken.jpg": ("failed", "corrupt"),
        "empty.tif": ("failed", "empty"),
        "holiday.png": ("skipped", "already_colour"),
    }
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 3
    assert all(bool(r["print"]) == (r["outcome"] == "colorized") for r in answer.json)


def test_names_are_shown_as_they_are(tmp_path: Path, program: Program) -> None:
    write_photo(tmp_path / "one [old] :smile:.png", 1)
    write_photo(tmp_path / "x[" / "b].png", 1)
    answer = program("colorize", tmp_path, "--out", tmp_path / "out", *ECHO)
    assert answer.code == 0
    shown = answer.out.replace("\n", "").replace("│", "").replace(" ", "")
    assert "one[old]:smile:.png" in shown
    assert "x[/b].png" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "gif"), "--format: "),
        (("--format", "none"), "--format: none makes no prints"),
        (("--long-side", "2"), "--long-side: "),
        (("--render-size", "100"), "--render-size: "),
        (("--render-size", "large"), "or: Input should be 'auto'"),
        (("--precision", "int8"), "--precision: "),
        (("--weights", "lost.safetensors"), "echo has no weights: leave "),
        (("--model", "rembrandt"), "no model is called 'rembrandt'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    options: tuple[str, str], words: str, album: Path, tmp_path: Path, program: Program
) -> None:
    answer = program("colorize", album, "--out", tmp_path / "out", *ECHO, *options)
    assert answer.code in (1, 2)
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1


def test_weights_and_precision_are_the_generators(tmp_path: Path) -> None:
    pocket = find_model("pocket").embedded
    assert pocket is not None
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(pocket.read_bytes())
    precision = "bfloat16" if computes_in("bfloat16", torch.device("cpu")) else "float32"
    asked = settings("png", None, "pocket", "64", weights=str(mine), precision=precision)
    assert asked.paint.render_size == 64
    photo = write_photo(tmp_path / "n.png", 1)
    Few(asked, tmp_path).colorize(photo, tmp_path / "p.png")
    marks = read_marks(tmp_path / "p.png").marks
    assert marks is not None
    assert marks.WeightsSHA256 == find_model("pocket").sha256
    mine.write_bytes(b"spoiled")
    with pytest.raises(ModelError):
        Few(asked, tmp_path)


def test_a_lost_device_ends_it(tmp_path: Path) -> None:
    class Lost(EchoGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            raise DeviceLost("illegal memory access")

    few = Few(echo(), tmp_path)
    few._colorizer = Colorizer(Lost())
    with pytest.raises(DeviceLost):
        few.colorize(write_photo(tmp_path / "n.png"), tmp_path / "p.png")


def test_a_lost_device_takes_back_no_result(
    album: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    chroma, calls = EchoGenerator.chroma, itertools.count(1)

    def breaking(self: EchoGenerator, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if next(calls) % 3 == 0:
            raise DeviceLost("illegal memory access")
        return chroma(self, squares)

    monkeypatch.setattr(EchoGenerator, "chroma", breaking)
    answer = program("colorize", album, "--out", tmp_path / "out", *ECHO, "--json")
    assert answer.code == 1
    assert answer.err == "photochrom: illegal memory access\n"
    assert [(Path(r["photo"]).name, r["outcome"]) for r in answer.json] == [
        ("three.png", "colorized"),
        ("two.jpg", "colorized"),
    ]
    assert all(Path(result["print"]).is_file() for result in answer.json)
    shown = program("colorize", album, "--out", tmp_path / "out", *ECHO)
    assert "two.jpg" in shown.out
    assert "one.tif" not in shown.out
    assert "left out: 1 .txt\n" in shown.out


def test_next_to_no_colour_is_told(tmp_path: Path, program: Program) -> None:
    Image.fromarray(np.full((40, 40), 255, np.uint8)).save(tmp_path / "sky.png")
    write_photo(tmp_path / "street.png")
    answer = program("colorize", tmp_path, "--out", tmp_path / "out", *ECHO, "--json")
    assert answer.code == 0
    found = {Path(r["photo"]).name: (r["outcome"], r["low_chroma"]) for r in answer.json}
    assert found == {"sky.png": ("colorized", True), "street.png": ("colorized", False)}
    assert {result["fallback"] for result in answer.json} == {""}
    shown = program("colorize", tmp_path / "sky.png", "--out", tmp_path / "out", *ECHO).out
    assert "colorized, with next to no colour" in shown
    shown = program("colorize", tmp_path / "street.png", "--out", tmp_path / "out", *ECHO).out
    assert "next to no colour" not in shown


def test_what_was_done_without_room_is_told(tmp_path: Path) -> None:
    class Cramped(Colorizer):
        def paint(self, photos: Sequence[Photo], *rest: Any, **more: Any) -> list[Plate | Failure]:
            return super().paint(photos, *rest, **more, smallest=64)

    few = Few(settings("png", None, "echo", 96, "positive"), tmp_path)
    few._colorizer = Cramped(NarrowGenerator(1, side=64))
    result = few.colorize(write_photo(tmp_path / "n.png"), tmp_path / "p.png")
    assert (result.as_dict()["fallback"], result.line[1]) == ("smaller", "colorized (smaller)")


def test_weights_are_a_file_of_this_machine(tmp_path: Path, program: Program) -> None:
    photo = write_photo(tmp_path / "n.png")
    for weights in ("s3://models/best.pth", "https://example.org/best.pth"):
        answer = program("colorize", photo, "--out", tmp_path, "--weights", weights)
        assert answer.code == 2
        assert f"--weights: {weights} is not on this machine" in answer.err
        assert len(answer.err.splitlines()) == 1
    assert settings("png", None, "pocket", weights="file:///best.pth").paint.weights == "/best.pth"


def test_settings_are_checked_before_anything_is_loaded() -> None:
    with pytest.raises(SettingsError, match="multiple of 16"):
        settings("jpeg", None, "no such model", 100, "auto")


def test_what_is_left_out_is_told(tmp_path: Path, program: Program) -> None:
    write_photo(tmp_path / "album/one.png", 1)
    (tmp_path / "album/one.xmp").write_text("<x/>")
    (tmp_path / "album/.hidden.txt").write_text("")
    answer = program("colorize", tmp_path / "album", "--out", tmp_path / "album", *ECHO)
    assert answer.code == 0
    assert "left out: 1 .xmp\n" in answer.out
    again = program("colorize", tmp_path / "album", "--out", tmp_path / "album", *ECHO, "--json")
    assert [result["photo"] for result in again.json] == [str(tmp_path / "album/one.png")]


def test_what_is_no_file_is_said(album: Path, tmp_path: Path, program: Program) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    answer = program("colorize", tmp_path / "pipe.jpg", "--out", tmp_path / "out", *ECHO)
    assert (answer.code, "no such file" in answer.err) == (2, True)
    (album / "lost.jpg").symlink_to("nowhere.jpg")
    answer = program("colorize", album, "--out", tmp_path / "out", *ECHO, "--json")
    outcomes = {Path(one["photo"]).name: one["outcome"] for one in answer.json}
    assert (answer.code, outcomes.pop("lost.jpg")) == (3, "failed")
    assert set(outcomes.values()) == {"colorized"}
