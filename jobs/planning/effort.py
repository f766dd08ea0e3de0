"""Effort: what photographs take, reckoned from their endings and bytes alone.

Only proportions matter: a pace, which is measured, turns reckoned seconds into real ones.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Bytes per pixel of grey masters, by ending; measured means of scans, good to a factor of two.
_BYTES_PER_PIXEL = {"tif": 1.5, "tiff": 1.5, "png": 0.8, "webp": 0.15}
_JPEG_BYTES_PER_PIXEL = 0.3
_SIXTEEN_BIT = 2.0
_SIXTEEN_BIT_FROM = 4_000_000  # bytes: TIFF masters of this size are mostly 16 bit
_SECONDS_PER_PHOTO = 0.2
_SECONDS_PER_MEGAPIXEL = 0.08

Floats = NDArray[np.float64]
Column: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"


def is_tiff(uris: Column) -> NDArray[np.bool_]:
    """Tell which URIs end as a TIFF's does."""
    return _ends(uris, "tif") | _ends(uris, "tiff")


def pixels(uris: Column, sizes: NDArray[np.int64]) -> Floats:
    """Reckon each photograph's pixels."""
    density = np.full(len(sizes), _JPEG_BYTES_PER_PIXEL)
    for ending, value in _BYTES_PER_PIXEL.items():
        density[_ends(uris, ending)] = value
    density[is_tiff(uris) & (sizes >= _SIXTEEN_BIT_FROM)] = _SIXTEEN_BIT
    return np.asarray(sizes / density)


def seconds(pixels: Floats) -> Floats:
    """Reckon how long one replica takes for each photograph, at a pace of 1."""
    return _SECONDS_PER_PHOTO + pixels / 1e6 * _SECONDS_PER_MEGAPIXEL


def _ends(uris: Column, ending: str) -> NDArray[np.bool_]:
    return np.asarray(pc.ends_with(pc.ascii_lower(uris), f".{ending}"))
