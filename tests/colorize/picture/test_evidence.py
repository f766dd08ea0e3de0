"""Positive or negative, by what a scan shows and its file says; never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.luma import Samples
from photochrom.colorize.picture.toning.evidence import judge, source_type
from photochrom.colorize.picture.toning.rebate import coarse, find_frame
from photochrom.colorize.picture.toning.score import SIDE, looked_at, tone_score
from tests.colorize.picture.lightbox import grain, scene

ARCHIVE = Path(__file__).parents[2] / "data" / "archive"
IPTC = b"http://cv.iptc.org/newscodes/digitalsourcetype/"
PLAIN = ["animals/horses.jpg", "still-life/coffee.jpg", "glass-plates/chenonceau.tif"]


@pytest.fixture(params=PLAIN)
def positive(request: pytest.FixtureRequest) -> Samples:
    return Photo.open(ARCHIVE / request.param).luma


def turned_over(plane: Samples) -> Samples:
    """Make the negative that a straight film gives: the light to a power below zero."""
    light = np.maximum(plane / np.iinfo(plane.dtype).max, 0.02)
    return np.rint(52000 * (light / 0.02) ** -0.6).astype(np.uint16)


def test_a_photograph_is_a_positive_and_its_negative_is_not(positive: Samples) -> None:
    assert judge(positive).kind == "positive"
    assert judge(turned_over(positive)).kind != "positive"


def test_the_score_of_a_negative_is_one_less_that_of_its_positive(positive: Samples) -> None:
    seen = looked_at(coarse(positive))
    score = tone_score(coarse(positive))
    assert score > 0.8
    assert tone_score(coarse(turned_over(positive))) == pytest.approx(1 - score, abs=0.15)
    assert seen.shape[0] == 2
    assert np.abs(seen).max() <= 1


def test_a_flat_picture_leans_to_neither_side() -> None:
    assert tone_score(np.full((SIDE, SIDE), 20000, np.uint16)) == 0.5


@pytest.mark.parametrize("turn", [lambda p: p[:, ::-1], lambda p: p.astype(np.uint16) * 257])
def test_mirror_and_depth_make_no_difference(turn: object, positive: Samples) -> None:
    assert callable(turn)
    if positive.dtype == np.uint8 and positive.shape[1] % SIDE == 0:
        assert tone_score(coarse(turn(positive))) == pytest.approx(
            tone_score(coarse(positive)), abs=1e-3
        )
    assert judge(np.ascontiguousarray(turn(positive))).kind == "positive"


def test_the_sample_negative_is_not_taken_for_a_positive() -> None:
    table = Photo.open(ARCHIVE / "negatives" / "cow.tif").tone_table("auto")
    assert table.kind != "positive"
    assert table.evidence.startswith("bright border on 4 sides")


@pytest.mark.parametrize("said", ["print", "positiveFilm"])
def test_a_print_or_slide_is_a_positive(said: str, positive: Samples) -> None:
    found = judge(turned_over(positive), b"<x>" + IPTC + said.encode() + b"</x>")
    assert (found.kind, found.evidence) == ("positive", f"file: {said}")


def test_a_negative_on_film_may_have_been_turned_over(positive: Samples) -> None:
    found = judge(positive, IPTC + b"negativeFilm")
    assert found.kind == "positive"
    assert found.evidence.startswith("file: negativeFilm; score ")


def test_two_source_types_say_nothing() -> None:
    assert source_type(IPTC + b"print " + IPTC + b"negativeFilm") == ""
    assert source_type(IPTC + b"printed") == ""
    assert source_type(None) == ""


def test_a_rebate_is_found_and_measured() -> None:
    plane = np.pad(scene(300, 400) // 2, 30, constant_values=200)
    frame = find_frame(coarse(plane))
    assert frame.base == 200 * 257
    assert frame.sides == 4
    assert frame.share == pytest.approx(1 - 300 * 400 / plane.size, abs=0.03)
    top, bottom, left, right = frame.box
    assert top == pytest.approx(30 / 360, abs=0.02)
    assert right == pytest.approx(1 - 30 / 460, abs=0.02)
    assert bottom - top < 300 / 360
    assert left > 30 / 460 - 0.01


def test_holes_make_a_border_film() -> None:
    plane = np.pad(scene(300, 400) // 2, 40, constant_values=200)
    for start in range(5, 470, 40):
        plane[10:30, start : start + 16] = 255
    assert find_frame(coarse(plane)).perforated


@pytest.mark.parametrize("level", [0, 12])
def test_a_black_border_is_cut_away_and_is_no_base(level: int) -> None:
    picture = np.maximum(scene(300, 400), 40)
    frame = find_frame(coarse(np.pad(picture, 30, constant_values=level)))
    assert frame.base is None
    assert frame.picture.min() > 30 * 257


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (7, 7), (2, 500), (500, 2)])
def test_the_smallest_scans_have_no_border(shape: tuple[int, int]) -> None:
    assert find_frame(coarse(grain(*shape))).picture.size > 0
    assert judge(grain(*shape)).kind in ("positive", "negative", "unknown")
