"""The merge against a slow reference: every 8-bit case, the 16-bit edges, and millions between."""

from __future__ import annotations

from fractions import Fraction
from math import floor, trunc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from photochrom.colorize.picture.printing.merge import FRACTION, merge
from tests.colorize.picture.lightbox import Samples, fitted, slow_luma

Whole = NDArray[np.int64]
STEP = 1 << FRACTION
CORNERS = np.array([-128, -127, -64, -1, 0, 1, 63, 126, 127]) * STEP


def slow_pixel(level: int, cb: int, cr: int, bits: int) -> tuple[tuple[int, int, int], bool]:
    """Merge one pixel in fractions, word for word as it is stated; tell if it had to shrink."""
    top = (1 << bits) - 1
    red = trunc(Fraction(1402 * cr, STEP) * (top // 255) / 1000)
    blue = trunc(Fraction(1772 * cb, STEP) * (top // 255) / 1000)
    wanted = [Fraction(red), Fraction(-(299 * red + 114 * blue), 587), Fraction(blue)]
    rooms = [Fraction(top - level if d > 0 else level) / abs(d) for d in wanted if d]
    scale = min([Fraction(1), *rooms])
    scale = Fraction(floor(scale * 65536), 65536)
    shrunk = scale < 1
    red, blue = trunc(scale * red), trunc(scale * blue)
    green = (-(299 * red + 114 * blue) + 293) // 587
    rgb = (level + red, min(max(level + green, 0), top), level + blue)
    if (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) // 1000 != level:
        rgb = (level, level, level)
    return rgb, shrunk


def _toward_zero(numerator: Whole, denominator: int) -> Whole:
    quotient: Whole = (numerator - np.where(numerator < 0, -denominator + 1, 0)) // denominator
    return quotient


def slow_merge(level: Whole, cb: Whole, cr: Whole, bits: int) -> tuple[Whole, Whole]:
    """Merge arrays of one shape in 64 bits, without shortcuts: RGB and the sixteen-bit scale."""
    top = (1 << bits) - 1
    unit = top // 255
    red = _toward_zero(1402 * unit * cr, 1000 * STEP)
    blue = _toward_zero(1772 * unit * cb, 1000 * STEP)
    green = -299 * red - 114 * blue
    scale = np.full(np.broadcast(level, cb, cr).shape, 65536, np.int64)
    for offset, weight in ((red, 1), (green, 587), (blue, 1)):
        up = 65536 * weight * (top - level) // np.maximum(offset, 1)
        down = 65536 * weight * level // np.maximum(-offset, 1)
        scale = np.where(offset > 0, np.minimum(scale, up), scale)
        scale = np.where(offset < 0, np.minimum(scale, down), scale)
    red, blue = _toward_zero(red * scale, 65536), _toward_zero(blue * scale, 65536)
    lift = np.floor_divide(293 - 299 * red - 114 * blue, 587)
    channels = (level + red, np.minimum(np.maximum(level + lift, 0), top), level + blue)
    rgb = np.stack(np.broadcast_arrays(*channels), axis=-1)
    luma = (rgb * np.array([299, 587, 114])).sum(axis=-1) + 500
    same = luma // 1000 == level
    return np.where(same[..., None], rgb, np.broadcast_to(level, scale.shape)[..., None]), scale


def check(plane: Samples, cb: NDArray[np.int32], cr: NDArray[np.int32], bits: int) -> None:
    """Hold one call of the merge against the reference and against the promise itself."""
    rgb, shrunk = merge(plane, cb, cr, bits)
    wanted, scale = slow_merge(
        plane.astype(np.int64), cb.astype(np.int64), cr.astype(np.int64), bits
    )
    assert rgb.dtype == plane.dtype
    assert np.array_equal(slow_luma(rgb), plane)
    assert np.array_equal(rgb, wanted)
    assert shrunk == np.count_nonzero(scale < 65536)


@pytest.mark.parametrize("first", range(0, 256, 32))
def test_every_luma_and_plate_value_at_8_bits(first: int) -> None:
    values = (np.arange(-128, 128) * STEP).astype(np.int32)
    cb, cr = (np.ascontiguousarray(plane) for plane in np.meshgrid(values, values))
    for level in range(first, first + 32):
        check(np.full(cb.shape, level, np.uint8), cb, cr, 8)


@pytest.mark.parametrize("levels", [range(401), range(65135, 65536)])
def test_16_bit_edges_at_all_corners(levels: range) -> None:
    plane = np.repeat(np.array(levels, np.uint16)[:, None], len(CORNERS) ** 2, axis=1)
    cb, cr = (corner.ravel() for corner in np.meshgrid(CORNERS, CORNERS))
    check(
        plane,
        np.broadcast_to(cb, plane.shape).astype(np.int32),
        np.broadcast_to(cr, plane.shape).astype(np.int32),
        16,
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", [5, 6])
def test_a_million_fractional_cases(bits: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    plane = fitted(random.integers(0, 1 << bits, (1000, 1000)), bits)
    # what bilinear blends of a plate can reach
    cb, cr = random.integers(-128 * STEP, 127 * STEP + 1, (2, 1000, 1000)).astype(np.int32)
    check(plane, cb, cr, bits)


@given(
    st.sampled_from([8, 16]),
    st.floats(0, 1),
    st.integers(-128 * STEP, 127 * STEP),
    st.integers(-128 * STEP, 127 * STEP),
)
@settings(deadline=None, max_examples=200)
def test_one_pixel_in_fractions(bits: int, light: float, cb: int, cr: int) -> None:
    level = round(light * ((1 << bits) - 1))
    rgb, shrunk = merge(
        fitted(np.array([[level]]), bits),
        np.array([[cb]], np.int32),
        np.array([[cr]], np.int32),
        bits,
    )
    wanted, had_to_shrink = slow_pixel(level, cb, cr, bits)
    assert tuple(rgb[0, 0].tolist()) == wanted
    assert shrunk == int(had_to_shrink)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_neutral_plate_gives_grey(bits: int) -> None:
    plane = fitted(np.arange(1 << bits).reshape(1 << bits - 4, 16), bits)
    none = np.zeros(plane.shape, np.int32)
    rgb, shrunk = merge(plane, none, none, bits)
    assert shrunk == 0
    assert (rgb == plane[..., None]).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_chroma_only_ever_shrinks(bits: int) -> None:
    random = np.random.default_rng(9)
    plane = fitted(random.integers(0, 1 << bits, (500, 500)), bits)
    cb, cr = random.integers(-128 * STEP, 127 * STEP + 1, (2, 500, 500)).astype(np.int32)
    rgb, _ = merge(plane, cb, cr, bits)
    unit = ((1 << bits) - 1) // 255
    for channel, chroma, gain in ((0, cr, 1.402), (2, cb, 1.772)):
        got = rgb[..., channel].astype(np.float64) - plane
        wanted = gain * chroma * unit / STEP
        assert (np.abs(got) <= np.abs(wanted) + 1e-9).all()
        assert (got * wanted >= 0).all(), "a colour never turns into its opposite"


@pytest.mark.parametrize("bits", [8, 16])
def test_colour_that_fits_arrives_whole(bits: int) -> None:
    middle = 1 << bits - 1
    plane = fitted(np.full((100, 100), middle), bits)
    cb, cr = np.random.default_rng(4).integers(-60 * STEP, 60 * STEP, (2, 100, 100))
    rgb, shrunk = merge(plane, cb.astype(np.int32), cr.astype(np.int32), bits)
    unit = ((1 << bits) - 1) // 255
    assert shrunk == 0
    assert np.abs(rgb[..., 0] - (middle + 1.402 * cr * unit / STEP)).max() < 1
    assert np.abs(rgb[..., 2] - (middle + 1.772 * cb * unit / STEP)).max() < 1


def test_black_and_white_take_no_colour() -> None:
    plane = np.array([[0, 255]], np.uint8)
    chroma = np.full((1, 2), 100 * STEP, np.int32)
    rgb, shrunk = merge(plane, chroma, -chroma, 8)
    assert rgb.tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert shrunk == 2
