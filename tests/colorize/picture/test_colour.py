"""Telling colour photographs from toned, tinted and noisy grey ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.luma import strips
from photochrom.colorize.picture.reading import streamed
from photochrom.colorize.picture.toning.colour import is_colour, tone_name
from tests.colorize.picture.lightbox import scene, shelve
from tests.data.darkroom import sepia_jpeg

ARCHIVE = Path(__file__).parents[2] / "data" / "archive"
Picture = NDArray[np.float64]

GREY: Picture = np.repeat(scene(180, 240)[..., None] / 255, 3, axis=2)


def noisy(strength: float) -> Picture:
    noise = np.random.default_rng(7).normal(0, strength / 255, GREY.shape)
    return np.clip(GREY + noise, 0, 1)


def toned(shadow: tuple[float, ...], paper: tuple[float, ...]) -> Picture:
    """Tone a print: one hue that goes from the ink's to the paper's with the lightness."""
    made: Picture = np.array(shadow) + (np.array(paper) - np.array(shadow)) * GREY
    return made


def with_target(share: float) -> Picture:
    """Lay a target of eight strong colours beside the picture, over a share of its area."""
    image = Image.fromarray(np.rint(GREY * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    height = round(180 * share * 2)
    colours = ["red", "lime", "blue", "cyan", "magenta", "yellow", "orange", "purple"]
    for place, colour in enumerate(colours):
        draw.rectangle([place * 15, 0, place * 15 + 14, height - 1], fill=colour)
    return np.asarray(image) / 255


GREYS: dict[str, Callable[[], Picture]] = {
    "grey": lambda: GREY,
    "sepia": lambda: toned((0.12, 0.08, 0.05), (0.98, 0.94, 0.80)),
    "strong sepia": lambda: toned((0.25, 0.10, 0.0), (1.0, 0.85, 0.6)),
    "blue-toned": lambda: toned((0.0, 0.05, 0.2), (0.85, 0.93, 1.0)),
    "yellowed paper": lambda: toned((0.0, 0.0, 0.0), (0.95, 0.9, 0.7)),
    "noisy": lambda: noisy(2),
    "very noisy": lambda: noisy(12),
    "colour target": lambda: with_target(0.03),
    "black": lambda: np.zeros((50, 60, 3)),
    "white": lambda: np.ones((50, 60, 3)),
    "one pixel": lambda: np.full((1, 1, 3), 0.3),
}


@pytest.mark.parametrize("kind", GREYS)
def test_greys_are_not_colour(kind: str) -> None:
    assert not is_colour(GREYS[kind]())


TINTS = {
    "grey": "",
    "sepia": "brown",
    "strong sepia": "brown",
    "blue-toned": "blue",
    "yellowed paper": "yellow",
    "noisy": "",
    "colour target": "",
    "black": "",
    "white": "",
}


@pytest.mark.parametrize("kind", TINTS)
def test_a_tint_is_named_as_it_is_seen(kind: str) -> None:
    assert tone_name(GREYS[kind]()) == TINTS[kind]


def test_purple_and_green_tints() -> None:
    assert tone_name(toned((0.15, 0.05, 0.15), (1.0, 0.9, 1.0))) == "purple"
    assert tone_name(toned((0.0, 0.15, 0.05), (0.85, 1.0, 0.85))) == "green"


def test_a_row_notes_the_tint_of_a_toned_print(tmp_path: Path) -> None:
    def note(picture: Picture, **options: Any) -> str:
        samples = np.rint(picture * 255).astype(np.uint8)
        return Photo.open(shelve(tmp_path, samples, **options)).note

    assert note(GREYS["sepia"]()) == "toned brown"
    assert note(np.stack([GREYS["sepia"]()] * 2)) == "the first of 2 pages; toned brown"
    assert note(GREY) == ""
    assert note(GREY[..., 0]) == ""


def test_a_colour_photo_is_colour() -> None:
    y, x = np.mgrid[0:180, 0:240] / 240
    sky_and_grass = np.where((y < 0.4)[..., None], [0.4, 0.6, 0.9], [0.3, 0.5, 0.15])
    assert is_colour(sky_and_grass * (0.6 + 0.4 * x[..., None]))


def test_a_large_patch_of_colour_is_colour() -> None:
    assert is_colour(with_target(0.2))


def test_a_dull_colour_photo_is_still_colour() -> None:
    with Image.open(ARCHIVE / "oddities" / "chickens.jpg") as image:
        rgb = np.asarray(image.convert("RGB")) / 255
    dull = 0.6 * rgb + 0.4 * rgb.mean(axis=2, keepdims=True)
    assert is_colour(dull)


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("oddities/chickens.jpg", True),
        ("oddities/eiffel-tower-sepia.jpg", False),
        ("buildings/chambord.tif", False),
        ("portraits/grace-hopper.jpg", False),
        ("portraits/cameraman.png", False),
        ("negatives/cow.tif", False),
    ],
)
def test_real_photographs(name: str, colour: bool) -> None:
    assert Photo.open(ARCHIVE / name).in_colour is colour


def test_a_sepia_jpeg_is_not_in_colour(tmp_path: Path) -> None:
    path = tmp_path / "sepia.jpg"
    path.write_bytes(sepia_jpeg(scene(300, 400) / 255))
    photo = Photo.open(path)
    assert photo.header.channels == 3
    assert not photo.in_colour


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (256, 256), (257, 511), (600, 800)])
@pytest.mark.parametrize("strip", [1, 7, 1000])
def test_the_sample_is_every_nth_pixel(
    shape: tuple[int, int], strip: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the picture comes in strips, the sample is a regular grid of it."""
    monkeypatch.setattr(streamed, "strips", partial(strips, pixels=strip * shape[1]))
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    sample = Photo.open(shelve(tmp_path, rgb)).colour_sample
    step = max(1, max(shape) // 256)
    assert sample is not None
    assert np.array_equal(sample, rgb[::step, ::step] / 255)


def test_a_grey_file_has_no_colour_sample(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(20, 30)))
    assert photo.colour_sample is None
    assert not photo.in_colour
