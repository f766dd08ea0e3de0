"""Samples of any depth, as the 8 or 16 bits that everything after the decoders works in.

n bits become 8, or 16 where n is above 8, by repeating them from the top: 0 stays black and the
largest value becomes white. Floats in [0, 1] become `round(65535 v)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Samples, type_of
from photochrom.colorize.picture.reading.source import refuse


def wide(bits: int) -> int:
    """Return the depth, 8 or 16, at which samples of `bits` bits (1 to 16) are kept."""
    return 8 if bits <= 8 else 16


def spread(samples: NDArray[Any], bits: int) -> Samples:
    """Spread samples of `bits` bits, held in unsigned integers, over all of 8 or 16 bits."""
    full = wide(bits)
    if bits == full:
        return np.asarray(samples, type_of(full))
    wider = np.asarray(samples, np.uint32)
    total = np.zeros_like(wider)
    for shift in range(full - bits, -bits, -bits):
        total |= wider << shift if shift >= 0 else wider >> -shift
    return total.astype(type_of(full))


def from_float(block: NDArray[Any]) -> Samples:
    """Map floats in [0, 1] to 16 bits; raises SourceError for any others."""
    if not np.isfinite(block).all() or block.min() < 0 or block.max() > 1:
        refuse("float samples outside [0, 1]")
    return np.asarray(np.rint(block.astype(np.float64) * 65535), np.uint16)
