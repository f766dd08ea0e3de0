"""How well photographs in colour are told from grey, toned and tinted ones.

    python -m tests.benchmarks.colour PHOTOS

PHOTOS is a folder of colour photographs, or of tar shards beside their manifest, of which the split
`val` is taken. Each is shown as it is, paler, and hand-coloured, which is colour; and as greys of
many kinds, which are not. The table gives for each kind how many were taken for colour.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.picture.toning.colour import is_colour
from tests.benchmarks.film import developed, lit, untouched
from tests.benchmarks.originals import originals

Rgb = NDArray[np.float64]  # (h, w, 3) in [0, 1]
Grey = NDArray[np.float64]
Dice = np.random.Generator

# ink and paper, as sRGB
SEPIA, STRONG_SEPIA = (
    ((0.14, 0.08, 0.04), (0.98, 0.93, 0.80)),
    ((0.25, 0.10, 0.0), (1.0, 0.85, 0.6)),
)
SELENIUM, CYANOTYPE = (
    ((0.12, 0.07, 0.11), (0.95, 0.94, 0.92)),
    ((0.02, 0.10, 0.30), (0.90, 0.95, 0.97)),
)
YELLOWED = ((0.1, 0.09, 0.06), (0.94, 0.88, 0.66))
TARGET = (
    *((0.45, 0.32, 0.26), (0.76, 0.58, 0.5), (0.35, 0.48, 0.6), (0.34, 0.42, 0.26)),
    *((0.5, 0.5, 0.69), (0.4, 0.74, 0.67), (0.85, 0.48, 0.18), (0.75, 0.34, 0.38)),
    *((0.27, 0.58, 0.28), (0.69, 0.19, 0.23), (0.93, 0.78, 0.12), (0.03, 0.52, 0.64)),
)


def grey_of(photo: Rgb) -> Grey:
    return np.asarray(photo @ [0.299, 0.587, 0.114])


def tinted(grey: Grey, tint: Sequence[Sequence[float]], dice: Dice) -> Rgb:
    """Tone a print, each channel with its own curve, as chemistry does."""
    ink, paper = np.array(tint[0]), np.array(tint[1])
    bend = np.exp(dice.uniform(-0.15, 0.15, 3))
    return np.asarray(ink + (paper - ink) * grey[..., None] ** bend)


def worn(rgb: Rgb, dice: Dice) -> Rgb:
    """Add what a scanner and JPEG leave: noise in each channel, chroma at half resolution."""
    noisy = np.clip(rgb + dice.uniform(0.004, 0.03) * dice.normal(size=rgb.shape), 0, 1)
    out = io.BytesIO()
    quality = int(dice.integers(60, 93))
    Image.fromarray(np.rint(noisy * 255).astype(np.uint8)).save(out, "JPEG", quality=quality)
    with Image.open(out) as image:
        return np.asarray(image, np.float64) / 255


def with_target(rgb: Rgb, dice: Dice) -> Rgb:
    """Lay a target of strong colours in the frame, over 3 to 8 % of it."""
    height, width, _ = rgb.shape
    tall = max(3, round(height * dice.uniform(0.03, 0.08)))
    cells = np.arange(width) * len(TARGET) // width
    made = rgb.copy()
    made[-tall:] = np.array(TARGET)[cells]
    return made


def with_wedge(rgb: Rgb, dice: Dice) -> Rgb:
    """Lay a neutral step wedge beside a toned print."""
    made = rgb.copy()
    wide = max(3, round(rgb.shape[1] * dice.uniform(0.04, 0.1)))
    made[:, -wide:] = (np.arange(len(rgb)) * 12 // len(rgb) / 11)[:, None, None]
    return made


def hand_coloured(grey: Grey, photo: Rgb) -> Rgb:
    """Lay thin, soft colour on a sepia print where the photograph has most of it."""
    chroma = photo - grey_of(photo)[..., None]
    planes = [Image.fromarray(chroma[..., n].astype(np.float32)) for n in range(3)]
    size = planes[0].size
    soft = np.stack(
        [np.asarray(one.reduce(8).resize(size, Image.Resampling.BILINEAR)) for one in planes], -1
    )
    strength = np.abs(soft).sum(axis=2)
    where = strength > np.quantile(strength, 0.7)
    paint = 0.8 * soft * where[..., None]
    ink, paper = np.array(SEPIA[0]), np.array(SEPIA[1])
    return np.clip(ink + (paper - ink) * grey[..., None] + paint, 0, 1)


def negative(grey: Grey, dice: Dice, tint: Sequence[float], rebate: bool) -> Rgb:
    """Scan a grey negative in 48-bit RGB, on a base with a tint, within it or not."""
    film, base = developed(grey, dice)
    if rebate:
        film = np.pad(film, round(0.06 * max(film.shape)), constant_values=base)
    scan = lit(*(lambda f: (f, base, dice, untouched(f, base, dice)[1]))(film))
    return np.clip(scan, 0, 1)[..., None] * np.array(tint)


ORANGE, LILAC = (1.0, 0.72, 0.5), (0.95, 0.9, 1.0)
COLOUR: dict[str, Callable[[Rgb, Dice], Rgb]] = {
    "colour": lambda photo, dice: photo,
    "colour, worn": worn,
    "half as vivid": lambda photo, dice: 0.5 * photo + 0.5 * grey_of(photo)[..., None],
    "a quarter as vivid": lambda photo, dice: 0.25 * photo + 0.75 * grey_of(photo)[..., None],
    "hand-coloured": lambda photo, dice: hand_coloured(grey_of(photo), photo),
}
GREY: dict[str, Callable[[Rgb, Dice], Rgb]] = {
    "grey, worn": lambda p, d: worn(np.repeat(grey_of(p)[..., None], 3, 2), d),
    "sepia, worn": lambda p, d: worn(tinted(grey_of(p), SEPIA, d), d),
    "strong sepia": lambda p, d: worn(tinted(grey_of(p), STRONG_SEPIA, d), d),
    "selenium": lambda p, d: worn(tinted(grey_of(p), SELENIUM, d), d),
    "cyanotype": lambda p, d: worn(tinted(grey_of(p), CYANOTYPE, d), d),
    "yellowed": lambda p, d: worn(tinted(grey_of(p), YELLOWED, d), d),
    "grey, target": lambda p, d: worn(with_target(np.repeat(grey_of(p)[..., None], 3, 2), d), d),
    "sepia, target": lambda p, d: worn(with_target(tinted(grey_of(p), SEPIA, d), d), d),
    "sepia, wedge": lambda p, d: worn(with_wedge(tinted(grey_of(p), SEPIA, d), d), d),
    "sepia, white mount": lambda p, d: worn(
        np.pad(tinted(grey_of(p), SEPIA, d), ((20, 20), (20, 20), (0, 0)), constant_values=0.97), d
    ),
    "negative, lilac": lambda p, d: worn(negative(grey_of(p), d, LILAC, False), d),
    "negative, orange": lambda p, d: worn(negative(grey_of(p), d, ORANGE, True), d),
}


def main() -> None:
    """Show each photograph in every way, and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "photos", type=Path, help="a folder of colour photographs, or of tar shards"
    )
    parser.add_argument("--most", type=int, help="so many photographs, evenly spread")
    given = parser.parse_args()
    photos = list(originals(given.photos))
    photos = photos[:: max(1, len(photos) // (given.most or len(photos)))]
    dice = np.random.default_rng(1)
    taken: dict[str, int] = {}
    for kind, show in (COLOUR | GREY).items():
        taken[kind] = sum(is_colour(show(photo / 255.0, dice)) for photo in photos)
    print(f"{len(photos)} photographs\n\n| kind | taken for colour |\n|---|---|")
    for kind, count in taken.items():
        print(f"| {kind} | {100 * count / len(photos):.1f} % |")
    right = sum(taken[kind] for kind in COLOUR)
    wrong = sum(taken[kind] for kind in GREY)
    print(
        f"\nprecision {right / (right + wrong):.4f}, recall {right / len(photos) / len(COLOUR):.4f}"
    )


if __name__ == "__main__":
    main()
