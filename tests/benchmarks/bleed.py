"""How much colour bleeds over edges when a plate is stretched, bilinearly or led by the luma.

    python -m tests.benchmarks.bleed PHOTOS

PHOTOS is a folder of colour photographs, or of tar shards beside their manifest, of which the split
`val` is taken. The chroma of each is averaged into a plate that is 4 or 16 times smaller, stretched
back, and laid on the photograph's own luma as prints are made; what differs from the photograph is
CIEDE2000, of which 2.3 can just be seen. `bilinear` is what prints have. The others are led by the
luma: joint bilateral upsampling (Kopf and others, 2007), with two widths of its range in levels,
and the detail of the luma by a line fitted to chroma over luma, as guided filters have it (He and
others, 2010), with two weights against steep lines. `edges` are the tenth of the pixels where the
photograph's colour changes most.

`painted` asks the same of colours that `pocket` painted at the photograph's size, made as small.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from photochrom.colorize import Colorizer
from photochrom.colorize.colorizer import Failure
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.luma import luma
from photochrom.colorize.picture.printing.merge import FRACTION, merge
from photochrom.colorize.picture.printing.plate import Upsampled
from photochrom.colorize.picture.reading.source import Header
from tests.benchmarks.originals import originals

Rgb = NDArray[np.uint8]  # (h, w, 3)
Grey = NDArray[np.uint8]  # (h, w)
Plane = NDArray[np.float64]  # (h, w, 2): Cb and Cr around 0
Way = Callable[[NDArray[np.uint8], Grey], Plane]

SEEN = 2.3
EDGES = 0.9  # quantile of the colour's steepness
RADIUS = 2  # plate pixels around the one that a pixel lies in


def chroma_of(rgb: Rgb) -> Plane:
    """Return full-range BT.601 Cb and Cr of a picture, around 0."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([(blue - grey) / 1.772, (red - grey) / 1.402], -1)


def bilinear(plate: NDArray[np.uint8], grey: Grey) -> Plane:
    """Stretch a plate as prints do."""
    height, width = grey.shape
    return np.stack(Upsampled(plate, width, height).rows(0, height), -1) / (1 << FRACTION)


def bilateral(range_width: float) -> Way:
    """Weigh the plate's pixels nearby by how near their luma is to the pixel's own."""

    def stretch(plate: NDArray[np.uint8], grey: Grey) -> Plane:
        small = shrunk(grey, plate.shape[1], plate.shape[0])
        rows, columns = (
            (np.arange(n) + 0.5) * m / n - 0.5
            for n, m in zip(grey.shape, plate.shape, strict=False)
        )
        total, weights = np.zeros((*grey.shape, 2)), np.full(grey.shape, 1e-9)
        for down in range(-RADIUS, RADIUS + 1):
            for across in range(-RADIUS, RADIUS + 1):
                y = np.clip(np.rint(rows).astype(int) + down, 0, plate.shape[0] - 1)
                x = np.clip(np.rint(columns).astype(int) + across, 0, plate.shape[1] - 1)
                far = (y - rows)[:, None] ** 2 + (x - columns)[None] ** 2
                apart = small[np.ix_(y, x)] - grey
                weight = np.exp(-far * 2 - apart**2 / (2 * range_width**2))
                total += weight[..., None] * (plate[np.ix_(y, x)].astype(np.float64) - 128)
                weights += weight
        found: Plane = total / weights[..., None]
        return found

    return stretch


def detailed(flat: float) -> Way:
    """Add to the bilinear plate what luma has beyond its own, times chroma's slope over luma.

    The slope is that of a line fitted over 3 x 3 plate pixels; `flat` levels squared hold it down.
    """

    def stretch(plate: NDArray[np.uint8], grey: Grey) -> Plane:
        small, planes = shrunk(grey, *plate.shape[1::-1])[..., None], plate - 128.0
        mean, colour = boxed(small), boxed(planes)
        slope = (boxed(small * planes) - mean * colour) / (boxed(small**2) - mean**2 + flat)
        beyond = grey[..., None] - enlarged(small, grey)
        return bilinear(plate, grey) + enlarged(slope, grey) * beyond

    return stretch


def enlarged(planes: NDArray[np.float64], like: Grey) -> NDArray[np.float64]:
    size = like.shape[::-1]
    made = [
        Image.fromarray(p.astype(np.float32)).resize(size, 2) for p in np.moveaxis(planes, -1, 0)
    ]
    return np.stack([np.asarray(plane, np.float64) for plane in made], -1)


def boxed(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average (h, w, n) over 3 x 3 pixels, edges repeated."""
    padded = np.pad(planes, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1)).mean((-2, -1))


def shrunk(grey: Grey, width: int, height: int) -> NDArray[np.float64]:
    image = Image.fromarray(grey.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64)


WAYS: dict[str, Way] = {
    "bilinear": bilinear,
    "bilateral, 10 levels": bilateral(10),
    "bilateral, 25 levels": bilateral(25),
    "detail, 50": detailed(50),
    "detail, 500": detailed(500),
}


def differences(rgb: Rgb, grey: Grey, plane: Plane) -> NDArray[np.float64]:
    """Lay chroma on a photograph's luma and return how it differs from the photograph, (h, w)."""
    steps = np.rint(plane * (1 << FRACTION)).astype(np.int32)
    printed, _ = merge(grey, steps[..., 0], steps[..., 1], 8)
    return np.asarray(deltaE_ciede2000(rgb2lab(rgb), rgb2lab(printed)))


def edges_of(rgb: Rgb) -> NDArray[np.bool_]:
    """Return where colour is steepest, the tenth of a picture."""
    planes = chroma_of(rgb)
    steep = sum(np.hypot(*np.gradient(planes[..., n])) for n in (0, 1))
    return np.asarray(steep >= np.quantile(steep, EDGES))


def smaller(plate: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    planes = shrunk_planes(plate.astype(np.float64), times)
    return np.asarray(np.clip(np.rint(planes), 0, 255), np.uint8)


def shrunk_planes(planes: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Average planes (h, w, n) to a size that is so many times smaller."""
    height, width = (max(2, round(side / times)) for side in planes.shape[:2])
    return np.stack([shrunk(p, width, height) for p in np.moveaxis(planes, -1, 0)], -1)


def plates(
    rgb: Rgb, grey: Grey, painter: Colorizer | None
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the plates of a photograph, each with the line of the table that it belongs to."""
    for times in (4, 16):
        yield f"true colour, {times} x", smaller(np.rint(chroma_of(rgb) + 128), times)
    if painter is None:
        return
    photo = Photo(Header("made", "none", *grey.shape[::-1], 8, 1), grey, "0" * 64)
    made = painter.paint([photo], min(grey.shape) // 16 * 16, [photo.tone_table("positive")])[0]
    if isinstance(made, Failure):
        raise made.error
    for times in (4, 16):
        yield f"painted, {times} x", smaller(made.chroma, times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--most", type=int, default=420, help="photographs")
    parser.add_argument("--painted", type=int, default=60, help="of them painted, too")
    options = parser.parse_args()
    painter = Colorizer.load("pocket")
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for count, rgb in enumerate(originals(options.photos)):
        if count >= options.most:
            break
        grey, edges = luma(rgb), edges_of(rgb)
        for title, plate in plates(rgb, grey, painter if count < options.painted else None):
            for name, way in WAYS.items():
                apart = differences(rgb, grey, way(plate, grey))
                at_edges = apart[edges]
                seen = float((at_edges > SEEN).mean())
                found[title, name].append((float(apart.mean()), float(at_edges.mean()), seen))
    print(f"{'':22}{'':22}{'all':>7}{'edges':>8}{'of edges seen':>15}")
    for (title, name), values in found.items():
        everywhere, at_edges, seen = np.mean(values, axis=0)
        print(f"{title:22}{name:22}{everywhere:7.2f}{at_edges:8.2f}{100 * seen:13.1f} %")


if __name__ == "__main__":
    main()
