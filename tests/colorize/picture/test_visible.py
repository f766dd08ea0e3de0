"""The visible mark: on access copies alone, and the luma error is the picture's all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture import Photo, PrintFacts, PrintRecipe
from photochrom.colorize.picture.luma import luma
from photochrom.colorize.picture.marking.marks import read_marks
from photochrom.colorize.picture.printing.proof import read_back
from photochrom.colorize.picture.printing.rendering import Rendering
from photochrom.colorize.picture.printing.visible import strip_height, visible_mark
from photochrom.colorize.picture.scaling import fit
from tests.colorize.picture.lightbox import ORIGIN, mild_chroma, plate_for, scene, shelve

MARKED = ["sign", "strip"]


def recipe_of(kind: str, format: str = "jpeg", long_side: int | None = 240) -> PrintRecipe:
    return PrintRecipe.model_validate(
        {"format": format, "long_side": long_side, "visible_mark": kind}
    )


def printed(folder: Path, kind: str, format: str = "jpeg") -> tuple[Photo, PrintFacts, Path]:
    photo = Photo.open(shelve(folder, scene(320, 480)))
    path = folder / f"{kind}.{format}"
    recipe = recipe_of(kind, format)
    facts = plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path, recipe)
    return photo, facts, path


def samples(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_a_sign_stands_in_the_corner_and_nowhere_else(format: str, tmp_path: Path) -> None:
    plain, signed = (samples(printed(tmp_path, kind, format)[2]) for kind in ("none", "sign"))
    assert plain.shape == signed.shape == (160, 240, 3)
    changed = np.abs(plain - signed).max(axis=2) > 24
    rows, columns = np.nonzero(changed)
    assert len(rows) > 20
    assert rows.min() > 130
    assert columns.max() < 30


def test_a_strip_is_added_below(tmp_path: Path) -> None:
    plain, strip = (samples(printed(tmp_path, kind)[2]) for kind in ("none", "strip"))
    assert strip.shape == (160 + strip_height(240), 240, 3)
    assert np.abs(plain[:152] - strip[:152]).max() <= 2, "but the blocks that touch the strip"
    below = strip[162:]
    assert below.max() > 230
    assert below.min() < 110
    assert (np.ptp(below, axis=2) < 12).all(), "black on white"


@pytest.mark.parametrize("kind", MARKED)
def test_the_error_is_the_pictures(kind: str, tmp_path: Path) -> None:
    photo, facts, path = printed(tmp_path, kind)
    _, plain, _ = printed(tmp_path, "none")
    wanted = Rendering(photo, plate_for(photo, mild_chroma()), recipe_of("none"))
    found = np.abs(luma(samples(path).astype(np.uint8)).astype(int)[:160] - wanted.rows(0, 160))
    free = np.ones((160, 240), bool)
    if kind == "sign":
        free[142:154, 6:18] = False
        assert found.max() > 3 * facts.luma_max_error, "the sign itself is far from the luma"
    assert facts.luma_mean_error == pytest.approx(found[free].mean())
    assert facts.luma_max_error == found[free].max()
    assert facts.luma_mean_error < plain.luma_mean_error * 1.2
    assert (facts.width, facts.height) == samples(path).shape[1::-1]


@pytest.mark.parametrize("kind", MARKED)
def test_its_marks_name_it(kind: str, tmp_path: Path) -> None:
    marks = read_marks(printed(tmp_path, kind)[2]).marks
    assert marks is not None
    assert marks.VisibleMark == kind
    plain = read_marks(printed(tmp_path, "none")[2]).marks
    assert plain is not None
    assert plain.VisibleMark == ""


def test_what_it_covers_is_no_excuse_for_the_rest(tmp_path: Path) -> None:
    photo, _, path = printed(tmp_path, "sign")
    wanted = Rendering(photo, plate_for(photo, mild_chroma()), recipe_of("sign"))
    mark = visible_mark("sign", 240, 160)
    assert read_back(path, wanted, mark).max_error < 30
    assert read_back(path, wanted).max_error > 60
    with Image.open(path) as image:
        image.paste((255, 255, 255), (200, 10, 208, 18))
        image.save(path, quality=92)
    assert read_back(path, wanted, mark).max_error > 60


def test_a_strip_that_is_missing(tmp_path: Path) -> None:
    photo, _, path = printed(tmp_path, "none")
    wanted = Rendering(photo, plate_for(photo), recipe_of("strip"))
    with pytest.raises(ProofError, match="width, height"):
        read_back(path, wanted, visible_mark("strip", 240, 160))


@pytest.mark.parametrize("kind", MARKED)
@pytest.mark.parametrize("size", [(16, 1), (1, 16), (16, 16), (300, 2), (2, 300)])
def test_odd_shapes(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(size[1], size[0])))
    facts = plate_for(photo).print_on(photo).save(tmp_path / "p.jpg", recipe_of(kind))
    width, height = fit(*size, 240)
    below = strip_height(width) if kind == "strip" else 0
    assert (facts.width, facts.height) == (width, height + below)


@pytest.mark.parametrize("kind", MARKED)
@pytest.mark.parametrize(
    ("format", "long_side", "message"),
    [
        ("tiff", 240, "would change luma"),
        ("png", 240, "would change luma"),
        ("none", 240, "would change luma"),
        ("jpeg", None, "give them a long_side"),
        ("webp", None, "give them a long_side"),
    ],
)
def test_only_on_access_copies(kind: str, format: str, long_side: int | None, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe_of(kind, format, long_side)
