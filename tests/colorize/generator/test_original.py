"""The original's way with a picture, what it does to luma, and what ours does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.generator import Generator
from photochrom.colorize.generator.deoldify import denormalise, normalise
from photochrom.colorize.generator.original import model_input, raw_colour
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.luma import luma
from tests.colorize.generator.golden import DATA, GOLDEN, Case, more_cases, stored_cases

Numbers = NDArray[np.float64]
STORED, MORE = stored_cases(), more_cases()
HOPPER = next(case for case in STORED if case.model == "artistic" and "hopper" in case.name)


def read(path: Path) -> NDArray[np.uint8]:
    if path.suffix == ".tif":
        return np.asarray(tifffile.imread(path))
    with Image.open(path) as image:
        return np.array(image)


def square_of(photo: Photo, side: int) -> NDArray[np.uint8]:
    return photo.square(side, photo.tone_table("auto"))


def chroma(rgb: NDArray[np.uint8]) -> Numbers:
    """Return Cb and Cr around 0 (h, w, 2) of RGB (h, w, 3), unrounded."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([(blue - grey) / 1.772, (red - grey) / 1.402], -1)


def coloured(grey: NDArray[np.uint8], wanted: Numbers) -> Numbers:
    """Return RGB (h, w, 3) with a luma (h, w) and a chroma (h, w, 2), in gamut or not."""
    blue, red = np.moveaxis(wanted, -1, 0)
    offsets = [1.402 * red, -0.344136 * blue - 0.714136 * red, 1.772 * blue]
    return np.asarray(grey[..., None] + np.stack(offsets, -1))


@pytest.mark.parametrize("case", [*STORED, *MORE], ids=lambda case: case.name)
def test_the_network_sees_what_the_originals_saw(case: Case) -> None:
    seen = model_input(case.image, case.side)
    assert seen.shape == (1, 3, case.side, case.side)
    assert hashlib.sha256(seen.numpy().tobytes()).hexdigest() == case.model_input_sha256


@pytest.mark.parametrize("case", STORED, ids=lambda case: case.name)
def test_our_square_is_the_originals(case: Case) -> None:
    """Of a grey photo exactly; luma that is rounded before it is stretched may differ by one."""
    wanted = read(DATA / f"{case.picture.stem}_square.png").astype(int)
    square = square_of(Photo.open(case.picture), case.side)
    assert np.abs(square - wanted).max() == (0 if case.image.mode == "L" else 1)
    assert np.abs(square - wanted).mean() < 0.25


def test_a_grey_photos_square_makes_the_originals_input() -> None:
    square = square_of(Photo.open(HOPPER.picture), HOPPER.side)
    seen = normalise(torch.tensor(square, dtype=torch.float32)[None, None])
    assert hashlib.sha256(seen.numpy().tobytes()).hexdigest() == HOPPER.model_input_sha256


def test_normalised_grey_comes_back() -> None:
    grey = torch.arange(256.0).view(1, 1, 16, 16)
    torch.testing.assert_close(denormalise(normalise(grey))[:, 1:2] * 255, grey)
    assert denormalise(torch.full((1, 3, 1, 1), 3.0)).max() == 1
    assert denormalise(torch.full((1, 3, 1, 1), -3.0)).min() == 0


def test_raw_colour_is_rounded_down_and_clipped() -> None:
    raw = normalise(torch.tensor([99.99, 100.01, 300.0, -5.0]).view(1, 1, 2, 2))
    assert np.asarray(raw_colour(raw, 2, 2))[..., 0].tolist() == [[99, 100], [255, 0]]
    assert raw_colour(raw, 7, 5).size == (7, 5)


@pytest.fixture(scope="module")
def plate(generator: Callable[[str], Generator]) -> Plate:
    made = Colorizer(generator("artistic")).paint([Photo.open(HOPPER.picture)], HOPPER.side)[0]
    assert isinstance(made, Plate)
    return made


def test_a_plate_is_the_chroma_of_the_originals_answer(plate: Plate) -> None:
    """The original rounds its picture down first, so half a step is lost and a little more."""
    answer = chroma(read(HOPPER.raw_colour_file))
    assert np.abs(plate.chroma.astype(int) - 128 - answer).max() < 1.5
    assert np.abs(plate.chroma.astype(int) - 128 - answer).mean() < 0.35
    assert np.abs(answer).max() > 60


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_our_print_has_the_originals_luma_and_the_answers_chroma(
    plate: Plate, tmp_path: Path, ending: str
) -> None:
    photo = Photo.open(HOPPER.picture)
    plate.print_on(photo).save(tmp_path / f"print.{ending}")
    rgb = read(tmp_path / f"print.{ending}")
    np.testing.assert_array_equal(luma(rgb), read(HOPPER.picture))

    wanted, found = chroma(HOPPER.raw_colour), chroma(rgb)
    pictured = coloured(photo.luma.astype(np.uint8), wanted)
    fits = ((pictured > 4) & (pictured < 251)).all(-1)
    assert 0.3 < fits.mean() < 0.7  # untrained colours are so strong that most leave the gamut
    assert np.abs(found - wanted)[fits].max() < 2.5
    assert np.abs(found - wanted)[fits].mean() < 0.5

    lengths, reach = np.hypot(*wanted.T).T, np.hypot(*found.T).T
    beside = np.abs(found[..., 0] * wanted[..., 1] - found[..., 1] * wanted[..., 0])
    assert (reach - lengths)[~fits].max() < 2.5  # where it does not fit, less of the same hue
    assert (beside / np.maximum(lengths, 1))[~fits].max() < 2.5


def test_the_originals_result_moves_luma() -> None:
    final = next(case["final"] for case in GOLDEN["cases"] if "final" in case)
    grey = read(HOPPER.picture)
    moved = np.abs(luma(read(DATA / final)).astype(int) - grey)
    assert moved.max() == 38
    assert moved.mean() == pytest.approx(8.78, abs=0.01)
    pictured = coloured(grey, chroma(HOPPER.raw_colour))
    fits = ((pictured > 4) & (pictured < 251)).all(-1)
    assert moved[fits].max() == 0  # it moves where colour leaves the gamut and is clipped
    outside = ((pictured < 0) | (pictured > 255)).any(-1)
    assert moved[outside].mean() > 15
