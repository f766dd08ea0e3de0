"""A negative's film: its clear base, which prints black, its densest part, which prints white.

Both are measured on each scan, or given once for a roll, so that its frames are turned over
alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from photochrom.colorize.picture.luma import Rows, strips, top_of
from photochrom.colorize.picture.toning.rebate import Frame, coarse, find_frame

_BASE_QUANTILE = 0.995
_DENSEST_QUANTILE = 0.005


@dataclass(frozen=True, slots=True)
class Film:
    """What a roll's negatives have in common, as shares of the sample range; None is measured."""

    base: float | None = None
    densest: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A scan's film base and densest part, as samples of `bits`, and how they were found."""

    bits: int
    base: int
    densest: int
    told: str


def measure(luma: Rows, film: Film) -> Measured:
    """Find the base in the rebate, or in the brightest part; the densest within the borders."""
    bits = luma.dtype.itemsize * 8
    top = top_of(bits)
    frame = find_frame(coarse(luma))
    brightest, darkest = _quantiles(luma, frame, _BASE_QUANTILE, _DENSEST_QUANTILE)
    base, how = brightest, "no rebate, brightest part"
    if film.base is not None:
        base, how = round(film.base * top), "roll"
    elif frame.base is not None:
        base, how = round(frame.base * top / 65535), f"rebate {frame.told}"
    densest = darkest if film.densest is None else round(film.densest * top)
    set_ = "" if film.densest is None else " by the roll"
    told = f"{how}: base {base / top:.5f}, densest {densest / top:.5f}{set_}"
    return Measured(bits, base, densest, told)


def _quantiles(luma: Rows, frame: Frame, *wanted: float) -> list[int]:
    """Return the values below which these shares of the samples within the borders lie."""
    height, width = luma.shape
    top, bottom, left, right = frame.box
    start, end = math.ceil(top * height), max(1, int(bottom * height))
    columns = slice(math.ceil(left * width), max(1, int(right * width)))
    counts = np.zeros(top_of(luma.dtype.itemsize * 8) + 1, np.int64)
    for first, last in strips(end - start, width):
        block = luma[start + first : start + last][:, columns]
        counts += np.bincount(block.ravel(), minlength=len(counts))
    shares = np.cumsum(counts) / counts.sum()
    return [int(np.searchsorted(shares, share)) for share in wanted]
