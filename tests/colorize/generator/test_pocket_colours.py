"""What the shipped weights make of photographs they never saw: hues, not figures of merit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photochrom.colorize.generator import Generator, load_generator

ARCHIVE = Path(__file__).parents[2] / "data" / "archive"
SIDE = 256
Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the square


@pytest.fixture(scope="module")
def pocket() -> Generator:
    return load_generator("pocket", device="cpu")


def mean_chroma(pocket: Generator, photo: str, box: Box) -> tuple[float, float]:
    """Return the mean Cb and Cr, around 0, in a part of a photograph."""
    with Image.open(ARCHIVE / photo) as image:
        grey = np.array(image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    left, top, right, bottom = (round(SIDE * share) for share in box)
    plate = pocket.chroma(grey[None])[0].astype(np.float64) - 128
    blue, red = plate[top:bottom, left:right].mean((0, 1))
    return float(blue), float(red)


@pytest.mark.parametrize(
    ("photo", "box"),
    [
        ("landscapes/great-wall.jpg", (0.1, 0.02, 0.4, 0.2)),
        ("animals/horses.jpg", (0.1, 0.02, 0.9, 0.2)),
        ("portraits/cameraman.png", (0.1, 0.02, 0.9, 0.15)),
    ],
)
def test_skies_are_blue(pocket: Generator, photo: str, box: Box) -> None:
    blue, red = mean_chroma(pocket, photo, box)
    assert blue > 3
    assert red < -1


@pytest.mark.parametrize(
    ("photo", "box"),
    [
        ("animals/shepherd-dog.jpg", (0.05, 0.8, 0.95, 0.97)),
        ("buildings/chambord.tif", (0.05, 0.75, 0.95, 0.97)),
        ("landscapes/pont-du-gard.jpg", (0.6, 0.7, 0.95, 0.95)),
    ],
)
def test_grass_and_leaves_are_olive_to_green(pocket: Generator, photo: str, box: Box) -> None:
    blue, red = mean_chroma(pocket, photo, box)
    green = -0.344 * blue - 0.714 * red
    assert blue < -8
    assert green > 1


@pytest.mark.parametrize(("photo", "box"), [("portraits/grace-hopper.jpg", (0.4, 0.35, 0.62, 0.6))])
def test_skin_is_warm(pocket: Generator, photo: str, box: Box) -> None:
    blue, red = mean_chroma(pocket, photo, box)
    assert red > 5
    assert blue < -3
