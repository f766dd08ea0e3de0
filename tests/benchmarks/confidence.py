"""How well a plate's error can be told without the truth: by its mirror image, or by its chroma.

    python tests/benchmarks/confidence.py PHOTOS --model pocket

PHOTOS is a folder of colour photographs that the model was not trained on. Each is made grey and
painted; its error is the mean distance of the plate from the real colours, in the plane of Cb and
Cr. The table gives Spearman's rank correlation of each predictor with that error, with the middle
95 % of 1,000 resamplings of the photographs, and what the predictor costs beside the plate.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from photochrom.colorize.generator import Generator, load_generator
from photochrom.colorize.picture.luma import luma

Plates = NDArray[np.uint8]  # (n, s, s, 2)
PREDICTORS = {
    "mirror, full size": "100 %",
    "mirror, half size": "25 %",
    "half size, not mirrored": "25 %",
    "mean chroma": "0 %",
}
BILINEAR = Image.Resampling.BILINEAR
AT_ONCE = 8


def main() -> None:
    """Measure, and print a table."""
    options = _options()
    generator = load_generator(
        options.model, weights=options.weights, device=options.device, threads=options.threads
    )
    paths = sorted(path for path in options.photos.rglob("*") if path.suffix in (".jpg", ".png"))
    figures = np.array(
        [
            row
            for first in range(0, len(paths), AT_ONCE)
            for row in measured(generator, paths[first : first + AT_ONCE], options.size)
        ]
    )
    error, *predictors = figures.T
    deciles = "  ".join(f"{value:.1f}" for value in np.quantile(error, (0.1, 0.5, 0.9)))
    print(f"{len(paths)} photographs, {options.model} at {options.size}; error {deciles} steps")
    print("predictor | rank correlation | middle 95 % | price | median\n---|---|---|---|---")
    for (name, price), predictor in zip(PREDICTORS.items(), predictors, strict=True):
        low, high = spread(error, predictor)
        found = spearman(error, predictor)
        middle = np.median(predictor)
        print(f"{name} | {found:.3f} | {low:.2f} to {high:.2f} | {price} | {middle:.2f}")


def measured(
    generator: Generator, paths: list[Path], size: int
) -> Iterator[tuple[float, float, float, float, float]]:
    """Yield each photo's error, then the predictors in the table's order."""
    half = size // 2 // 16 * 16
    pictures = [opened(path) for path in paths]
    whole, small = (np.stack([grey(one, side) for one in pictures]) for side in (size, half))
    plates = generator.chroma(whole)
    less = np.stack([reduced(plate, half) for plate in plates])
    truths = np.stack([np.asarray(real(one, size)) for one in pictures])
    columns = (
        distances(plates, truths),
        distances(plates, mirrored(generator, whole)),
        distances(less, mirrored(generator, small)),
        distances(less, generator.chroma(small)),
        distances(plates, np.full_like(plates, 128)),
    )
    yield from zip(*(column.tolist() for column in columns), strict=True)


def mirrored(generator: Generator, squares: NDArray[np.uint8]) -> Plates:
    """Paint squares (n, s, s) mirrored, and mirror the answer back."""
    return generator.chroma(np.ascontiguousarray(squares[:, :, ::-1]))[:, :, ::-1]


def distances(one: Plates, other: Plates) -> NDArray[np.float64]:
    """Return the mean distance of plates in the plane of Cb and Cr, (n,)."""
    apart = one.astype(np.float64) - other
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]).mean(axis=(1, 2)))


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def grey(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return a picture's luma as the square that a generator sees."""
    plane = Image.fromarray(luma(np.asarray(picture)))
    return np.asarray(plane.resize((size, size), BILINEAR))


def real(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return a picture's own full-range Cb and Cr, (s, s, 2)."""
    return np.asarray(picture.convert("YCbCr").resize((size, size), BILINEAR))[..., 1:]


def reduced(plate: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    planes = [Image.fromarray(np.ascontiguousarray(plate[..., i])) for i in (0, 1)]
    return np.stack([np.asarray(plane.resize((size, size), BILINEAR)) for plane in planes], -1)


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of ranks."""
    ranks = [np.argsort(np.argsort(values, kind="stable")) for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def spread(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle 95 % of the correlation over resamplings of the photographs."""
    dice = np.random.default_rng(1)
    draws = dice.integers(0, len(one), (1000, len(one)))
    low, high = np.quantile([spearman(one[draw], other[draw]) for draw in draws], (0.025, 0.975))
    return float(low), float(high)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("photos", type=Path, help="a folder of colour photographs (JPEG, PNG)")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
