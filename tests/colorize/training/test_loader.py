"""Batches follow from numbers alone: from whatever step, for whichever worker."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photochrom.colorize.training.loader import Loader
from photochrom.colorize.training.order import Order
from photochrom.colorize.training.phases import GeneratorPhase
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.shelf import Shelf
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.trainable import Batch
from tests.colorize.training import tiny

WHOLE = {
    "whole": 1.0,
    "whole_side": (1.0, 1.0),
    "flip": 0.0,
}  # so that a square tells its photograph


def phase(**changes: object) -> GeneratorPhase:
    return GeneratorPhase.model_validate({**tiny.PHASE, **changes})


def loader(shelf: Shelf, recipe: Recipe, team: Team | None = None, count: int = 8) -> Loader:
    return Loader(shelf, np.ones(count), recipe, team or Team(), tiny.CPU)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.rgb, other.rgb) and torch.equal(one.grey, other.grey)


def seen(batches: list[Batch], shelf: Shelf) -> list[int]:
    """Return which photographs the squares of some batches are."""
    from photochrom.colorize.training.squares import stretch

    known = torch.stack([stretch(photo, tiny.SIDE) for photo in shelf.take(range(8))])
    squares = torch.cat([batch.rgb for batch in batches])
    return torch.cdist(squares.flatten(1), known.flatten(1)).argmin(1).tolist()


@pytest.mark.parametrize("start", [1, 3, 7])
def test_batches_are_the_same_whatever_step_one_begins_at(start: int) -> None:
    with tiny.shelf() as one, tiny.shelf() as other:
        recipe = tiny.recipe()
        whole = list(loader(one, recipe).batches(0, phase(epochs=2), 0))
        later = list(loader(other, recipe).batches(0, phase(epochs=2), start))
    assert len(whole) == 8
    assert len(later) == 8 - start
    assert all(map(same, whole[start:], later))
    assert not same(whole[0], whole[4])


@pytest.mark.parametrize(("makers", "start"), [(2, 0), (3, 5), (9, 1)])
def test_batches_are_the_same_however_many_threads_make_them(makers: int, start: int) -> None:
    with tiny.shelf() as shelf:
        one = loader(shelf, tiny.recipe())
        alone = list(one.batches(0, phase(epochs=2), start))
        one.makers = makers
        together = list(one.batches(0, phase(epochs=2), start))
    assert len(together) == len(alone) == 8 - start
    assert all(map(same, alone, together))


def test_a_batch_is_squares_and_their_grey() -> None:
    with tiny.shelf() as shelf:
        (batch, *_) = loader(shelf, tiny.recipe()).batches(0, phase(batch=3, size=64), 0)
    assert batch.rgb.shape == (3, 3, 64, 64)
    assert batch.grey.shape == (3, 1, 64, 64)
    assert 0 <= batch.rgb.min() < batch.rgb.max() <= 1


def test_phases_and_seeds_differ() -> None:
    with tiny.shelf() as shelf:
        first, *_ = loader(shelf, tiny.recipe()).batches(0, phase(), 0)
        other, *_ = loader(shelf, tiny.recipe()).batches(1, phase(), 0)
        third, *_ = loader(shelf, tiny.recipe(seed=1)).batches(0, phase(), 0)
    assert not same(first, other)
    assert not same(first, third)


def test_workers_squares_differ_and_together_cover_an_epoch() -> None:
    with tiny.shelf() as shelf:
        recipe = tiny.recipe(crop=WHOLE)
        batches = [
            list(loader(shelf, recipe, Team(rank, 2)).batches(0, phase(), 0)) for rank in (0, 1)
        ]
        shares = [seen(one, shelf) for one in batches]
    assert [len(one) for one in batches] == [2, 2]
    assert not set(shares[0]) & set(shares[1])
    assert sorted(shares[0] + shares[1]) == list(range(8))


def test_an_epoch_is_every_photograph_once() -> None:
    with tiny.shelf() as shelf:
        batches = list(loader(shelf, tiny.recipe(crop=WHOLE)).batches(0, phase(epochs=2), 0))
        drawn = seen(batches, shelf)
    assert sorted(drawn[:8]) == sorted(drawn[8:]) == list(range(8))
    assert drawn[:8] == Order(np.ones(8), 0).at(0, 8).tolist()


@pytest.mark.parametrize(
    ("batch", "workers", "epochs", "share", "steps"),
    [
        *[(2, 1, 1, 1, 4), (3, 1, 1, 1, 3), (2, 2, 1, 1, 2), (2, 1, 0.5, 1, 2)],
        *[(2, 1, 3, 0.5, 6), (99, 1, 1, 1, 1), (2, 1, 0.001, 1, 1)],
    ],
)
def test_how_many_steps_a_phase_takes(
    batch: int, workers: int, epochs: float, share: float, steps: int
) -> None:
    with tiny.shelf() as shelf:
        one = loader(shelf, tiny.recipe(), Team(0, workers))
        assert one.steps(phase(batch=batch, epochs=epochs, share=share)) == steps


def test_whoever_stops_early_leaves_no_thread() -> None:
    import threading

    with tiny.shelf() as shelf:
        batches = loader(shelf, tiny.recipe()).batches(0, phase(), 0)
        before = set(threading.enumerate())
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        more = [one.name for one in set(threading.enumerate()) - before]
    assert not [name for name in more if not name.startswith("shelf")]
