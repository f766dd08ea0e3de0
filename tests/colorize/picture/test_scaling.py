"""Area scaling gives the exact mean, rounded once, however the plane is cut into strips."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.colorize.picture import scaling
from photochrom.colorize.picture.luma import strips
from photochrom.colorize.picture.scaling import area, fit
from tests.colorize.picture.lightbox import Samples, fitted, grain

SIDE = st.integers(1, 11)


def slow_area(plane: Samples, width: int, height: int) -> list[list[int]]:
    """Average what each new pixel covers, in fractions, and round half up."""
    old_height, old_width = plane.shape

    def covers(new: int, index: int, old: int) -> list[tuple[int, Fraction]]:
        start, stop = Fraction(index * old, new), Fraction((index + 1) * old, new)
        return [
            (j, min(stop, Fraction(j + 1)) - max(start, Fraction(j)))
            for j in range(old)
            if min(stop, Fraction(j + 1)) > max(start, Fraction(j))
        ]

    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            parts = [
                (int(plane[j, i]) * down * across, down * across)
                for j, down in covers(height, y, old_height)
                for i, across in covers(width, x, old_width)
            ]
            mean = sum(value for value, _ in parts) / sum(weight for _, weight in parts)
            row.append(floor(mean + Fraction(1, 2)))
        rows.append(row)
    return rows


@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([8, 16]), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_equals_a_slow_average(
    old_w: int, old_h: int, new_w: int, new_h: int, bits: int, seed: int
) -> None:
    plane = grain(old_h, old_w, bits=bits, seed=seed)
    made = area(plane, new_w, new_h)
    assert made.dtype == plane.dtype
    assert made.tolist() == slow_area(plane, new_w, new_h)


@given(SIDE, SIDE, SIDE, SIDE, st.integers(1, 30))
@settings(deadline=None, max_examples=40)
def test_strips_leave_no_seam(old_w: int, old_h: int, new_w: int, new_h: int, cut: int) -> None:
    plane = grain(old_h, old_w, bits=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "strips", partial(strips, pixels=cut))
        assert area(plane, new_w, new_h).tolist() == slow_area(plane, new_w, new_h)


@pytest.mark.parametrize("factor", [2, 3, 7])
@pytest.mark.parametrize("bits", [8, 16])
def test_integer_factors_give_the_plain_mean(factor: int, bits: int) -> None:
    plane = grain(12 * factor, 9 * factor, bits=bits)
    blocks = plane.reshape(12, factor, 9, factor).astype(np.int64).sum(axis=(1, 3))
    count = factor * factor
    assert np.array_equal(area(plane, 9, 12), (2 * blocks + count) // (2 * count))


@pytest.mark.parametrize("bits", [8, 16])
def test_more_than_one_real_strip(bits: int) -> None:
    plane = grain(520, 1040, bits=bits)
    assert len(list(strips(*plane.shape))) > 3
    blocks = plane.reshape(130, 4, 130, 8).astype(np.int64).sum(axis=(1, 3))
    assert np.array_equal(area(plane, 130, 130), (blocks + 16) // 32)


@given(st.integers(0, 65535), st.integers(1, 60), st.integers(1, 60), st.integers(1, 90))
@settings(deadline=None, max_examples=40)
def test_a_constant_stays_constant(value: int, width: int, height: int, side: int) -> None:
    made = area(np.full((height, width), value, np.uint16), side, side)
    assert made.shape == (side, side)
    assert (made == value).all()


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
@settings(deadline=None, max_examples=40)
def test_the_mean_stays_within_rounding(old_w: int, old_h: int, new_w: int, new_h: int) -> None:
    plane = grain(old_h, old_w, bits=16)
    made = area(plane, new_w, new_h)
    assert abs(made.mean(dtype=np.float64) - plane.mean(dtype=np.float64)) <= 0.5 + 1e-6
    assert plane.min() <= made.min()
    assert made.max() <= plane.max()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(20, 30), (7, 11), (45, 64)])
def test_the_table_comes_before_the_mean(bits: int, size: tuple[int, int]) -> None:
    plane = grain(30, 20, bits=bits)
    table = fitted(np.random.default_rng(3).permutation(1 << bits), bits)
    width, height = size
    assert np.array_equal(area(plane, width, height, table), area(table[plane], width, height))


def test_the_same_size_is_the_plane_itself() -> None:
    plane = grain(8, 9)
    assert np.array_equal(area(plane, 9, 8), plane)


@given(st.integers(1, 70000), st.integers(1, 70000), st.integers(16, 9000))
@settings(deadline=None, max_examples=50)
def test_fit_keeps_the_aspect(width: int, height: int, long_side: int) -> None:
    made = fit(width, height, long_side)
    longer = max(width, height)
    if longer <= long_side:
        assert made == (width, height)
        return
    assert max(made) == long_side
    for new, old in zip(made, (width, height), strict=True):
        exact = Fraction(old * long_side, longer)
        assert new == max(1, floor(exact + Fraction(1, 2)))


def test_fit_without_a_long_side_is_full_size() -> None:
    assert fit(123, 45, None) == (123, 45)


@pytest.mark.parametrize("height", [65_536, 65_537, 140_000])
def test_the_tallest_planes_do_not_overflow(height: int) -> None:
    made = area(np.full((height, 3), 65535, np.uint16), 2, 5)
    assert (made == 65535).all()
