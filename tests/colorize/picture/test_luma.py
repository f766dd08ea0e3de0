"""Luma is one formula in integers, and its hash is of bytes that anybody can make."""

from __future__ import annotations

import hashlib
import struct
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.colorize.picture import luma as luma_module
from photochrom.colorize.picture.luma import LumaHash, luma, luma_sha256, strips, top_of
from tests.colorize.picture.lightbox import fitted, grain, slow_luma


@pytest.mark.parametrize("bits", [8, 16])
def test_neutral_stays_where_it_was(bits: int) -> None:
    greys = fitted(np.arange(1 << bits).reshape(1, -1), bits)
    assert np.array_equal(luma(np.repeat(greys[..., None], 3, axis=2)), greys)


@pytest.mark.parametrize("bits", [8, 16])
def test_corners_of_the_cube(bits: int) -> None:
    top = top_of(bits)
    cube = [[r * top, g * top, b * top] for r in (0, 1) for g in (0, 1) for b in (0, 1)]
    corners = fitted(np.array([cube]), bits)
    made = luma(corners)
    assert made.dtype == corners.dtype
    assert made.tolist() == slow_luma(corners).tolist()
    assert made[0, 0] == 0
    assert made[0, -1] == top


def test_halves_round_up() -> None:
    rgb = np.array([[[0, 0, 250], [250, 0, 0], [0, 250, 0], [1, 0, 0], [0, 1, 0]]], np.uint8)
    exact = [28.5, 74.75, 146.75, 0.299, 0.587]
    assert luma(rgb)[0].tolist() == [int(value + 0.5) for value in exact] == [29, 75, 147, 0, 1]


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([8, 16]), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_every_pixel_follows_the_formula(height: int, width: int, bits: int, seed: int) -> None:
    rgb = grain(height, width, 3, bits=bits, seed=seed)
    made = luma(rgb)
    for y in range(height):
        for x in range(width):
            r, g, b = (int(value) for value in rgb[y, x])
            assert int(made[y, x]) == (299 * r + 587 * g + 114 * b + 500) // 1000


def test_a_fourth_channel_is_left_out() -> None:
    rgbi = grain(9, 7, 4, bits=16)
    assert np.array_equal(luma(rgbi), slow_luma(rgbi[..., :3]))


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 16]), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_hash_is_of_hand_made_bytes(height: int, width: int, bits: int, seed: int) -> None:
    plane = grain(height, width, bits=bits, seed=seed)
    code = "B" if bits == 8 else "H"
    made = struct.pack("<3I", width, height, bits)
    for row in plane.tolist():
        made += struct.pack(f"<{width}{code}", *row)
    assert luma_sha256(plane) == hashlib.sha256(made).hexdigest()


def test_byte_order_and_stride_do_not_matter() -> None:
    plane = grain(31, 17, bits=16)
    wanted = luma_sha256(plane)
    assert luma_sha256(plane.astype(">u2")) == wanted
    assert luma_sha256(np.asfortranarray(plane)) == wanted
    assert luma_sha256(plane[::-1][::-1]) == wanted


def test_size_and_depth_are_part_of_the_hash() -> None:
    plane = grain(6, 4)
    others = [plane.reshape(4, 6), plane.reshape(3, 8), plane.astype(np.uint16)]
    assert len({luma_sha256(other) for other in [plane, *others]}) == 4


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.sampled_from([8, 16]))
@settings(deadline=None, max_examples=40)
def test_any_cut_into_strips_gives_the_same_hash(heights: list[int], bits: int) -> None:
    plane = grain(sum(heights), 5, bits=bits)
    digest, row = LumaHash(5, sum(heights), bits), 0
    for height in heights:
        digest.update(plane[row : row + height])
        row += height
    assert digest.hexdigest() == luma_sha256(plane)


@pytest.mark.parametrize("pixels", [1, 7, 64, 1 << 20])
def test_strip_size_is_irrelevant(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = grain(40, 13, bits=16)
    wanted = luma_sha256(plane)
    monkeypatch.setattr(luma_module, "strips", partial(strips, pixels=pixels))
    assert luma_sha256(plane) == wanted


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 1 << 18))
@settings(deadline=None, max_examples=50)
def test_strips_cover_every_row_once(height: int, width: int, pixels: int) -> None:
    cuts = list(strips(height, width, pixels))
    assert cuts[0][0] == 0
    assert cuts[-1][1] == height
    assert all(end == start for (_, end), (start, _) in pairwise(cuts))
    assert all(last > first for first, last in cuts)
    assert all((last - first) * width <= max(pixels, width) for first, last in cuts)
