"""What lies around a picture: a film's clear rebate, a print's paper, a holder's black mask.

It is looked for in a coarse plane, line by line from each edge: lines of one level belong to a
border, edge text and sprocket holes in them aside. A border is a fact about the scan; what it says
of the tone is weighed elsewhere, for white paper looks much like clear film.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Rows, thinned, top_of
from photochrom.colorize.picture.scaling import area, fit

COARSE_SIDE = 192
_STRIDE_SIDE = 4 * COARSE_SIDE  # every n-th pixel is enough to average grain away
_DEEPEST = 0.3  # of a side; what goes further is picture
_NEAR = 1600  # 16-bit steps about a border's level: grain, fall-off of the light
_SHARE = 0.55  # of a line; the rest may be sprocket holes and letters
_ALONE = 0.9  # of a line, where only one side has a border: a sky is no rebate
_EDGE = 0.4  # of the line behind a border: where the picture begins, it begins at once
_LEAST = 2  # lines
_LAYERS = 3  # the mask of a holder, the rebate, the black line around a contact print
_HOLE = 1300  # 16-bit steps brighter than clear film: no film at all
_HOLES = (0.1, 0.6)  # of a line through the perforation


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture's place in its coarse plane, and the brightest border around it.

    `picture` is the plane within all borders, uint16. `box` is its place as shares of the whole:
    top, bottom, left, right. `base` is the border's 16-bit level, None where no border is brighter
    than the picture; `share` is the part of the plane that it covers, on `sides` sides.
    """

    picture: NDArray[np.uint16]
    box: tuple[float, float, float, float]
    base: int | None = None
    share: float = 0.0
    sides: int = 0
    perforated: bool = False

    @property
    def told(self) -> str:
        """Return what a row says of the border."""
        holes = ", perforated" if self.perforated else ""
        return f"on {self.sides} sides, {100 * self.share:.0f} % of the scan{holes}"


def coarse(luma: Rows) -> NDArray[np.uint16]:
    """Return a plane of at most COARSE_SIDE pixels a side, averaged over area, at 16 bits."""
    step = max(1, max(luma.shape) // _STRIDE_SIDE)
    few = thinned(luma, step).astype(np.uint16)
    few *= np.uint16(65535 // top_of(luma.dtype.itemsize * 8))
    width, height = fit(few.shape[1], few.shape[0], COARSE_SIDE)
    return np.asarray(area(few, width, height), np.uint16)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Lines [first, last) from an edge that have one level."""

    first: int
    last: int
    level: int
    even: bool


def find_frame(plane: NDArray[np.uint16]) -> Frame:
    """Find the picture in a coarse plane (h, w), and the brightest border, if it has one."""
    height, width = plane.shape
    turned = (plane, plane[::-1], plane.T, plane.T[::-1])  # top, bottom, left, right
    sides = [_layers(lines) for lines in turned]
    sides = [layers if _supported(n, sides) else [] for n, layers in enumerate(sides)]
    # one line more: where a border meets the picture, a coarse line is of both
    top, bottom, left, right = (layers[-1].last + 1 if layers else 0 for layers in sides)
    picture = plane[top : height - bottom, left : width - right]
    box = (top / height, 1 - bottom / height, left / width, 1 - right / width)
    bright = max((layer.level for layers in sides for layer in layers), default=0)
    if not bright or bright + _NEAR < np.quantile(picture, 0.98, method="nearest"):
        return Frame(picture, box)
    border = np.ones(plane.shape, bool)
    border[top : height - bottom, left : width - right] = False
    samples = plane[border]
    clear = samples[np.abs(samples.astype(np.int64) - bright) <= _NEAR]
    around = sum(any(bright - one.level <= _NEAR for one in layers) for layers in sides)
    return Frame(
        picture,
        box,
        base=int(np.sort(clear)[len(clear) // 2]),
        share=len(clear) / plane.size,
        sides=around,
        perforated=any(
            _perforated(lines, layers, bright) for lines, layers in zip(turned, sides, strict=True)
        ),
    )


def _layers(lines: NDArray[np.uint16]) -> list[_Layer]:
    """Return the layers that begin at the first line, outermost first."""
    found: list[_Layer] = []
    first, deepest = 0, int(len(lines) * _DEEPEST)
    while len(found) < _LAYERS:
        layer = _layer(lines, first, deepest)
        if layer is None and not found:  # the very edge of a scan is often blurred
            layer = _layer(lines, first + 1, deepest)
        if layer is None:
            break
        found.append(layer)
        first = layer.last + 1
    return found


def _layer(lines: NDArray[np.uint16], first: int, deepest: int) -> _Layer | None:
    if first + _LEAST > deepest:
        return None
    level = int(np.median(lines[first : first + _LEAST]))
    near = np.abs(lines[first : deepest + 3].astype(np.int64) - level) <= _NEAR
    shares = near.mean(axis=1)
    beyond = np.flatnonzero(shares < _SHARE)
    if not len(beyond) or beyond[0] < _LEAST:
        return None
    count = int(beyond[0])
    if first + count > deepest:
        return None
    if shares[count : count + 3].min() > _EDGE:
        return None
    return _Layer(first, first + count, level, bool(np.median(shares[:count]) >= _ALONE))


def _supported(side: int, sides: list[list[_Layer]]) -> bool:
    """Say whether another side has a border too, or this one is even enough by itself."""
    if not sides[side]:
        return False
    others = any(layers for n, layers in enumerate(sides) if n != side)
    return others or all(layer.even for layer in sides[side])


def _perforated(lines: NDArray[np.uint16], layers: list[_Layer], base: int) -> bool:
    """Say whether a clear border has regular holes, which are brighter than any film."""
    for layer in layers:
        if abs(layer.level - base) <= _NEAR:
            bright = lines[layer.first : layer.last] > base + _HOLE
            share = bright.mean(axis=1)
            rows = bright[(share >= _HOLES[0]) & (share <= _HOLES[1])]
            if any(_regular(row) for row in rows):
                return True
    return False


def _regular(row: NDArray[np.bool_]) -> bool:
    """Say whether runs of a line, four or more, begin at even distances."""
    starts = np.flatnonzero(np.diff(row.astype(np.int8)) == 1)
    steps = np.diff(starts)
    return len(starts) >= 4 and bool(np.ptp(steps) <= max(2, 0.2 * steps.mean()))
