"""Luma: the integer grey of a picture, and its canonical hash.

`(299 R + 587 G + 114 B + 500) // 1000` at the file's own depth: BT.601 weights, rounded to nearest.
A neutral pixel keeps its value, since the weights add up to 1000.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.uint8 | np.uint16]


class Rows(Protocol):
    """A plane (h, w) that is looked at strip by strip: an array, or rows that lie in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the samples."""

    @property
    def size(self) -> int:
        """The number of samples."""

    def __getitem__(self, rows: slice, /) -> Samples: ...


STRIP_PIXELS = 1 << 16
"""Pixels worked on at a time: the int32 planes of one strip stay in a core's cache."""


def luma(rgb: Samples) -> Samples:
    """Return the luma of `rgb` (h, w, 3 or more), as (h, w) in the same type."""
    total = rgb[..., 0] * np.uint32(299)
    total += rgb[..., 1] * np.uint32(587)
    total += rgb[..., 2] * np.uint32(114)
    total += np.uint32(500)
    total //= np.uint32(1000)
    return total.astype(rgb.dtype)


def strip_rows(width: int, pixels: int = STRIP_PIXELS) -> int:
    """Return how many rows of a picture make a strip of about `pixels` pixels."""
    return max(1, pixels // max(1, width))


def strips(height: int, width: int, pixels: int = STRIP_PIXELS) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) rows of strips of about `pixels` pixels, top to bottom."""
    rows = strip_rows(width, pixels)
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


def thinned(plane: Rows, step: int) -> Samples:
    """Return every `step`-th sample of every `step`-th row."""
    height, width = plane.shape
    return np.concatenate(
        [
            plane[first:last][-first % step :: step, ::step].copy()  # lets the strip go
            for first, last in strips(height, width)
        ]
    )


class LumaHash:
    """The sha256 of a picture's canonical luma bytes, fed in strips.

    Canonical: a header of width, height and bits as three little-endian uint32, then the samples,
    row by row with orientation applied, little-endian.
    """

    def __init__(self, width: int, height: int, bits: int) -> None:
        self._sha256 = hashlib.sha256(struct.pack("<III", width, height, bits))

    def update(self, rows: Samples) -> None:
        """Add the next rows, (n, width)."""
        little = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
        self._sha256.update(little.data)

    def hexdigest(self) -> str:
        """Return the digest so far as 64 hex digits."""
        return self._sha256.hexdigest()


def luma_sha256(plane: Rows) -> str:
    """Return the canonical hash of a luma plane (h, w) of 8 or 16 bits."""
    height, width = plane.shape
    digest = LumaHash(width, height, plane.dtype.itemsize * 8)
    for first, last in strips(height, width):
        digest.update(plane[first:last])
    return digest.hexdigest()


def top_of(bits: int) -> int:
    """Return the largest sample value at `bits` bits: 255 or 65535."""
    return (1 << bits) - 1


def type_of(bits: int) -> type[np.uint8] | type[np.uint16]:
    """Return the sample type at `bits` bits."""
    return np.uint8 if bits == 8 else np.uint16
