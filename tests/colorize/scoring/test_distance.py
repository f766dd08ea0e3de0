from __future__ import annotations

import pytest
import torch
from torch import Tensor

from photochrom.colorize.scoring.distance import Distance, distance


def features(seed: int, count: int = 12, width: int = 20) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)).relu()


def by_hand(truth: Tensor, other: Tensor) -> float:
    """Return KID of pairs, kernel by kernel."""
    count, width = truth.shape

    def kernel(one: Tensor, another: Tensor) -> float:
        return float((one.double() @ another.double() / width + 1) ** 3)

    total = sum(
        kernel(truth[i], truth[j]) + kernel(other[i], other[j]) - 2 * kernel(truth[i], other[j])
        for i in range(count)
        for j in range(count)
        if i != j
    )
    return total / (count * (count - 1))


def test_equal_sets_are_no_distance_apart() -> None:
    found = distance(features(1), features(1))
    assert found.kid == pytest.approx(0, abs=1e-12)
    assert found.frechet == pytest.approx(0, abs=1e-4)
    assert found.kid_with_pairs is not None
    assert found.kid_with_pairs < 0


def test_kid_compares_no_picture_with_its_counterpart() -> None:
    truth, other = features(1), features(1) + 0.5 * features(2)
    assert distance(truth, other).kid == pytest.approx(by_hand(truth, other), rel=1e-9)


@pytest.mark.parametrize("width", [20, 200])  # more pictures than dimensions, and fewer
def test_frechet_of_a_shift_is_its_square(width: int) -> None:
    truth = features(3, 40, width)
    assert distance(truth, truth + 0.5).frechet == pytest.approx(0.25 * width, rel=1e-3)


def test_frechet_is_the_same_in_a_larger_space() -> None:
    truth, other = features(4, 30, 16), features(5, 30, 16) * 1.5
    room = torch.zeros(30, 100)
    wide = [torch.cat([each, room], 1) for each in (truth, other)]
    assert distance(*wide).frechet == pytest.approx(distance(truth, other).frechet, rel=1e-5)


def test_the_same_features_give_the_same_figures_and_no_luck_is_used_up() -> None:
    truth, other = features(6), features(7)
    torch.manual_seed(5)
    first = distance(truth, other)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    assert distance(truth, other) == first


def test_one_picture_is_no_set() -> None:
    assert distance(features(1, 1), features(2, 1)) == Distance(None, None, None)
