from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training.order import Order

WEIGHTS = st.lists(st.floats(0, 50), min_size=1, max_size=60).filter(lambda w: sum(w) > 1e-3)
SEEDS = st.integers(0, 2**63)


def times(order: Order, epoch: int, photographs: int) -> np.ndarray:
    drawn = order.at(epoch * order.length, order.length)
    return np.bincount(drawn, minlength=photographs)


@given(count=st.integers(1, 300), seed=SEEDS, epoch=st.integers(0, 10**9))
def test_equal_weights_give_a_permutation(count: int, seed: int, epoch: int) -> None:
    order = Order(np.full(count, 0.3), seed)
    assert sorted(order.at(epoch * count, count)) == list(range(count))


@given(weights=WEIGHTS, seed=SEEDS, epoch=st.integers(0, 1000))
def test_a_photograph_comes_as_often_as_it_weighs(
    weights: list[float], seed: int, epoch: int
) -> None:
    order = Order(np.array(weights), seed)
    found = times(order, epoch, len(weights))
    expected = np.array(weights) / np.mean(weights)
    assert found.sum() == order.length == len(weights)
    assert (np.abs(found - expected) < 1 + 1e-6).all()
    assert not found[np.array(weights) == 0].any()


@given(
    weights=WEIGHTS,
    seed=SEEDS,
    share=st.floats(0.01, 1),
    start=st.integers(0, 10**6),
    parts=st.lists(st.integers(0, 70), max_size=6),
)
def test_any_stretch_is_the_same_however_it_is_asked_for(
    weights: list[float], seed: int, share: float, start: int, parts: list[int]
) -> None:
    whole = Order(np.array(weights), seed, share).at(start, sum(parts))
    asked = Order(np.array(weights), seed, share)
    starts = start + np.cumsum([0, *parts])
    found = [asked.at(int(at), count) for at, count in zip(starts, parts, strict=False)]
    assert whole.dtype == np.int64
    assert whole.tolist() == [int(photo) for part in found for photo in part]
    assert len(whole) == sum(parts)


@given(count=st.integers(2, 200), seed=SEEDS, share=st.floats(0.05, 0.99))
def test_a_share_is_the_same_photographs_in_every_epoch(
    count: int, seed: int, share: float
) -> None:
    order = Order(np.ones(count), seed, share)
    first, later = (set(order.at(n * order.length, order.length).tolist()) for n in (0, 7))
    assert first == later
    assert len(first) == order.length == max(1, round(share * count))


def test_epochs_and_seeds_differ() -> None:
    order, other = Order(np.ones(100), 1), Order(np.ones(100), 2)
    assert order.at(0, 100).tolist() != order.at(100, 100).tolist()
    assert order.at(0, 100).tolist() != other.at(0, 100).tolist()
    halves = [set(Order(np.ones(100), seed, 0.5).at(0, 50).tolist()) for seed in (1, 2)]
    assert halves[0] != halves[1]


def test_fractions_come_by_chance_in_the_long_run() -> None:
    weights = np.array([0.25, 0.5, 1.5, 1.75])
    counts = Counter(Order(weights, 3).at(0, 4 * 4000).tolist())
    assert [counts[i] / 4000 for i in range(4)] == pytest.approx(weights.tolist(), abs=0.04)


@pytest.mark.parametrize(
    ("weights", "share", "words"),
    [
        ([], 1.0, "every weight is 0"),
        ([0.0, 0.0], 1.0, "every weight is 0"),
        ([1.0, -1.0], 1.0, "0 or more"),
        ([1.0, float("nan")], 1.0, "0 or more"),
        ([1.0], 0.0, "share is 0"),
        ([1.0], 1.5, "share is 1.5"),
    ],
)
def test_what_gives_no_order_is_an_error(weights: list[float], share: float, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Order(np.array(weights), 0, share)
