"""Convolutions computed in other ways: in tiles, as matrix products, rising without detours."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.generator import rise, winograd
from photochrom.colorize.generator.filters import EIGHT, Filter, MatrixConv, PlainConv
from photochrom.colorize.generator.rise import Rise
from photochrom.colorize.generator.winograd import OUTPUTS, SIDE, TiledConv, suits, transforms

Exact = NDArray[np.object_]
SIDES = st.integers(1, 40)
RARELY = settings(max_examples=40, deadline=None)


def exact(matrix: NDArray[np.float64], limit: int = 10**6) -> Exact:
    """Return the fractions that numbers are rounded from."""
    rows = [[Fraction(x).limit_denominator(limit) for x in row] for row in matrix.tolist()]
    return np.array(rows, object)


def random_filter(
    *shape: int, seed: int = 0, stride: int = 1, rectified: bool = False, dtype: str = "float32"
) -> Filter:
    """Return a filter of weight (k, c, r, r) with answers of about unit size."""
    dice = torch.Generator().manual_seed(seed)
    kind = getattr(torch, dtype)
    fan_in = shape[1] * shape[2] * shape[3]
    weight = torch.randn(shape, generator=dice, dtype=kind) / fan_in**0.5
    return Filter(weight, torch.randn(shape[0], generator=dice, dtype=kind), stride, rectified)


def pixels(*shape: int, seed: int = 1) -> Tensor:
    """Return features (n, c, h, w), channels last in memory."""
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return made.contiguous(memory_format=torch.channels_last)


def wanted(filter: Filter, x: Tensor) -> Tensor:
    """Return what torch's own convolution makes, in float64."""
    weight, bias = filter.weight.double(), filter.bias.double()
    y = F.conv2d(x.double(), weight, bias, filter.stride, weight.shape[-1] // 2)
    return y.relu() if filter.rectified else y


def error(found: Tensor, right: Tensor) -> float:
    """Return the length of an error, relative to that of the right answer."""
    assert found.shape == right.shape
    return float((found.double() - right).norm() / right.norm())


def test_the_transforms_compute_a_correlation_exactly() -> None:
    answer, taps, inputs = (exact(matrix) for matrix in transforms())
    dice = np.random.default_rng(0)
    for _ in range(20):
        d = dice.integers(-99, 100, (SIDE, SIDE)).astype(object)
        g = dice.integers(-99, 100, (3, 3)).astype(object)
        y = answer @ ((taps @ g @ taps.T) * (inputs @ d @ inputs.T)) @ answer.T
        for row, column in product(range(OUTPUTS), repeat=2):
            assert y[row, column] == (g * d[row : row + 3, column : column + 3]).sum()


def test_bfloat16_holds_every_entry_of_a_and_b() -> None:
    answer, taps, inputs = (torch.from_numpy(matrix) for matrix in transforms())
    for matrix in (answer, inputs):
        assert torch.equal(matrix.bfloat16().double(), matrix)
    fractions = exact(taps.numpy()).astype(np.float64)
    np.testing.assert_allclose(fractions, taps.numpy(), rtol=1e-15, atol=0)


@RARELY
@given(
    size=st.tuples(st.integers(1, 3), SIDES, SIDES),
    channels=st.sampled_from([(64, 64), (65, 80), (96, 67)]),
    strip=st.sampled_from([1, 3, 7, 20, 512]),
    rectified=st.booleans(),
)
def test_tiles_make_what_a_convolution_makes(
    size: tuple[int, int, int], channels: tuple[int, int], strip: int, rectified: bool
) -> None:
    count, height, width = size
    filter = random_filter(*channels, 3, 3, rectified=rectified)
    x = pixels(count, channels[1], height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "STRIP", strip)
        found = TiledConv(filter, torch.float32)(x)
    torch.testing.assert_close(found.double(), wanted(filter, x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 33, 47), (2, 16, 16), (1, 5, 3)])
def test_tiles_in_bfloat16_are_close(size: tuple[int, int, int]) -> None:
    count, height, width = size
    filter = random_filter(96, 128, 3, 3)
    x = pixels(count, 128, height, width)
    found = TiledConv(filter, torch.bfloat16)(x.bfloat16())
    assert found.dtype == torch.bfloat16
    assert 1e-3 < error(found, wanted(filter, x)) < 0.02


@pytest.mark.parametrize(
    ("shape", "stride", "suitable"),
    [
        ((64, 64, 3, 3), 1, True),
        ((63, 64, 3, 3), 1, False),
        ((64, 63, 3, 3), 1, False),
        ((64, 64, 3, 3), 2, False),
        ((64, 64, 1, 1), 1, False),
        ((64, 64, 7, 7), 1, False),
    ],
)
def test_small_steps_and_many_channels_suit_tiles(
    shape: tuple[int, ...], stride: int, suitable: bool
) -> None:
    assert suits(random_filter(*shape, stride=stride)) is suitable


@RARELY
@given(
    size=st.tuples(st.integers(1, 3), SIDES, SIDES),
    form=st.sampled_from([(1, 1), (1, 2), (3, 1), (3, 2), (7, 1), (7, 2)]),
    rectified=st.booleans(),
    dense=st.booleans(),
)
def test_a_matrix_product_makes_what_a_convolution_makes(
    size: tuple[int, int, int], form: tuple[int, int], rectified: bool, dense: bool
) -> None:
    (count, height, width), (kernel, stride) = size, form
    filter = random_filter(5, 6, kernel, kernel, stride=stride, rectified=rectified)
    x = pixels(count, 6, height, width)
    found = MatrixConv(filter, torch.float32)(x.contiguous() if dense else x)
    torch.testing.assert_close(found.double(), wanted(filter, x), rtol=0, atol=1e-5)
    coarse = MatrixConv(filter, torch.bfloat16)(x.bfloat16())
    torch.testing.assert_close(coarse.double(), wanted(filter, x), rtol=0.02, atol=0.05)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
@pytest.mark.parametrize("rectified", [False, True])
def test_torchs_own_convolution_takes_the_same_filters(
    kernel: int, stride: int, rectified: bool
) -> None:
    filter = random_filter(5, 6, kernel, kernel, stride=stride, rectified=rectified)
    x = pixels(2, 6, 13, 8)
    found = PlainConv(filter, torch.float32)(x)
    assert found.shape[1] == EIGHT
    assert not found[:, 5:].any()
    torch.testing.assert_close(found[:, :5].double(), wanted(filter, x), rtol=0, atol=1e-5)


@RARELY
@given(
    size=st.tuples(st.integers(1, 3), SIDES, SIDES),
    strip=st.sampled_from([1, 17, 64, 4096]),
    form=st.sampled_from(["product", "plain"]),
)
def test_rising_in_strips_is_a_pixel_shuffle_and_its_blur(
    size: tuple[int, int, int], strip: int, form: str
) -> None:
    count, height, width = size
    shuffled = random_filter(4 * 3, 5, 1, 1, rectified=True)
    x = pixels(count, 5, height, width)
    large = F.pixel_shuffle(wanted(shuffled, x), 2)
    blurred = F.avg_pool2d(F.pad(large, (1, 0, 1, 0), mode="replicate"), 2, stride=1)
    order = [4 * channel + cell for cell in range(4) for channel in range(3)]
    cells = Filter(shuffled.weight[order] / 4, shuffled.bias[order] / 4, rectified=True)
    make = {"product": MatrixConv, "plain": PlainConv}[form]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rise, "STRIP", strip)
        found = Rise(make(cells, torch.float32), 3)(x)
    torch.testing.assert_close(found.double(), blurred, rtol=0, atol=1e-5)
