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

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Samples, luma, top_of, type_of

FRACTION = 5
"""Chroma reaches the merge with this many fractional bits, so that 16-bit prints do not band."""

Plane = NDArray[np.int32]


def merge(plane: Samples, cb: Plane, cr: Plane, bits: int) -> tuple[Samples, int]:
    """Colour a luma plane and count the pixels whose chroma had to shrink.

    `plane` is (h, w) of `bits` bits; `cb` and `cr` are (h, w) in 1/32 of a plate step around zero.
    Returns RGB (h, w, 3) of the same depth with `luma(rgb) == plane` everywhere.

    Where nothing shrinks, G needs no clamp and luma stays by itself: 587 G is within 293 of what
    keeps it, and a half of luma's step is 500. So both are looked after among the others alone.
    """
    top = top_of(bits)
    level = plane.astype(np.int32)
    red, blue = _offset(1402, cr, bits), _offset(1772, cb, bits)
    green = level * np.int32(587)
    green -= red * np.int32(299)
    green -= blue * np.int32(114)
    red += level
    blue += level
    where = np.flatnonzero(_outside(red, green, blue, top))

    rgb = np.empty((*plane.shape, 3), type_of(bits))
    rgb[..., 0] = red
    rgb[..., 2] = blue
    whole = green.view(np.uint32)  # what is negative here is outside
    whole += np.uint32(293)
    whole //= np.uint32(587)
    rgb[..., 1] = whole
    if where.size:
        level, red, blue = (values.ravel()[where] for values in (level, red, blue))
        rgb.reshape(-1, 3)[where] = _shrunk(level, red - level, blue - level, top)
    return rgb, int(where.size)


def _offset(thousandths: int, chroma: Plane, bits: int) -> Plane:
    """Return dR of Cr or dB of Cb: a product of plate steps, cut toward zero."""
    unit = 1000 << FRACTION
    offset: Plane = chroma * np.int32(thousandths * (top_of(bits) // 255))
    offset += (offset >> 31) & np.int32(unit - 1)
    offset //= np.int32(unit)
    return offset


def _outside(red: Plane, green: Plane, blue: Plane, top: int) -> NDArray[np.bool_]:
    """Return where R, 587 G or B leaves the gamut; a negative value is a huge unsigned one."""
    outside: NDArray[np.bool_] = (red | blue).view(np.uint32) > np.uint32(top)
    outside |= green.view(np.uint32) > np.uint32(top * 587)
    return outside


def _shrunk(level: Plane, red: Plane, blue: Plane, top: int) -> NDArray[np.int32]:
    """Return the pixels (n, 3) whose offsets (n,) the largest sixteen-bit fraction made fit.

    In float64, which is quicker than int64 and exact here: products stay below 2**53, and no
    quotient that matters lies nearer to the next whole number than 1 / (587 * 2 * 65535).
    """
    scale = np.full(level.shape, 65536.0)
    for offset, unit in ((red, 1), (blue, 1), (_green(red, blue), 587)):
        room = np.where(offset > 0, top - level, level) * (65536.0 * unit)
        room /= np.maximum(np.abs(offset), 1)
        np.minimum(scale, np.floor(room, out=room), out=scale)
    scale /= 65536
    red, blue = ((offset * scale).astype(np.int32) for offset in (red, blue))  # toward zero
    lift = (_green(red, blue) + 293) // 587
    rgb = np.stack([level + red, np.clip(level + lift, 0, top), level + blue], axis=-1)
    wrong = luma(rgb) != level
    rgb[wrong] = level[wrong, None]
    return rgb


def _green(red: Plane, blue: Plane) -> Plane:
    """Return 587 times the green offset that keeps luma."""
    green: Plane = -(red * np.int32(299) + blue * np.int32(114))
    return green
