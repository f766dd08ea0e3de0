"""Lay chroma on luma so that the luma stays, exactly, for every input.

With M the largest sample value, L the luma, and Cb, Cr the centred plate values:

    dR = trunc(1402 * Cr * (M / 255) / 1000)    dB = trunc(1772 * Cb * (M / 255) / 1000)
    g  = -(299 * dR + 114 * dB)
    t  = min(1, room / |d|) over d in {dR, g / 587, dB}, floored to 1/65536,
         where room = M - L for d > 0 and L otherwise
    dR, dB = trunc(t * dR), trunc(t * dB);  g again from them
    R = L + dR    B = L + dB    G = clamp(L + (g + 293) // 587, 0, M)

and a pixel whose luma still is not L becomes (L, L, L). Chroma shrinks into gamut, luma never
moves.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Samples, luma, top_of, type_of

FRACTION = 5
"""Chroma reaches the merge with this many fractional bits, so that 16-bit prints do not band."""

_CENTRE = 128 << FRACTION

Plane = NDArray[np.int32]


def merge(plane: Samples, cb: Plane, cr: Plane, bits: int) -> tuple[Samples, int]:
    """Colour a luma plane and count the pixels whose chroma had to shrink.

    `plane` is (h, w) of `bits` bits; `cb` and `cr` are (h, w) in 1/32 of a plate step around zero.
    Returns RGB (h, w, 3) of the same depth with `luma(rgb) == plane` everywhere.
    """
    red_of, blue_of = _offsets(bits)
    return _compose(plane, red_of[cr + _CENTRE], blue_of[cb + _CENTRE], bits)


@cache
def _offsets(bits: int) -> tuple[Plane, Plane]:
    """Return dR by Cr and dB by Cb, for every value that chroma can take."""
    chroma = np.arange(-_CENTRE, _CENTRE, dtype=np.int64) * (top_of(bits) // 255)
    return _truncated(1402 * chroma), _truncated(1772 * chroma)


def _truncated(thousandths: NDArray[np.int64]) -> Plane:
    """Divide by a thousand plate steps, rounding toward zero."""
    whole = np.abs(thousandths) // (1000 << FRACTION)
    return np.asarray(np.sign(thousandths) * whole, np.int32)


def _compose(plane: Samples, red: Plane, blue: Plane, bits: int) -> tuple[Samples, int]:
    """Add the offsets where they fit, shrink them where they do not; (h, w) -> (h, w, 3)."""
    top = top_of(bits)
    level = plane.astype(np.int32)
    green = _green(red, blue)
    outside = _outside(level, red, green, blue, top)
    where = np.flatnonzero(outside)
    if where.size:
        flat = _shrink(level.ravel()[where], red.ravel()[where], blue.ravel()[where], top)
        red.flat[where], blue.flat[where] = flat
        green.flat[where] = _green(*flat)

    rgb = np.empty((*plane.shape, 3), type_of(bits))
    rgb[..., 0] = level + red
    rgb[..., 2] = level + blue
    green += 293
    green //= 587
    green += level
    rgb[..., 1] = np.clip(green, 0, top, out=green)

    wrong = luma(rgb) != plane
    if wrong.any():
        rgb[wrong] = plane[wrong, None]
    return rgb, int(where.size)


def _green(red: Plane, blue: Plane) -> Plane:
    """Return 587 times the green offset that keeps luma."""
    green: Plane = -(red * np.int32(299) + blue * np.int32(114))
    return green


def _outside(level: Plane, red: Plane, green: Plane, blue: Plane, top: int) -> NDArray[np.bool_]:
    """Return where an offset leaves no room; a negative value is a huge unsigned one."""
    limit = np.uint32(top)
    outside = (level + red).view(np.uint32) > limit
    outside |= (level + blue).view(np.uint32) > limit
    outside |= (level * np.int32(587) + green).view(np.uint32) > np.uint32(top * 587)
    return outside


def _shrink(level: Plane, red: Plane, blue: Plane, top: int) -> tuple[Plane, Plane]:
    """Scale offsets (n,) by the largest sixteen-bit fraction that keeps all three in gamut."""
    scale = np.full(level.shape, 1 << 16, np.int64)
    for offset, unit in ((red, 1), (blue, 1), (_green(red, blue), 587)):
        wanted = np.abs(offset).astype(np.int64)
        room = np.where(offset > 0, top - level, level).astype(np.int64) * unit
        fits = np.where(wanted > room, (room << 16) // np.maximum(wanted, 1), 1 << 16)
        np.minimum(scale, fits, out=scale)
    shrunk = [
        (np.sign(offset) * ((np.abs(offset) * scale) >> 16)).astype(np.int32)
        for offset in (red, blue)
    ]
    return shrunk[0], shrunk[1]
