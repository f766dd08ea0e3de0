"""Lessons follow from numbers alone: from whatever step, for whichever worker."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photochrom.colorize.training.feed import Feed
from photochrom.colorize.training.order import Order
from photochrom.colorize.training.phases import GeneratorPhase
from photochrom.colorize.training.pupils import Lesson
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.shelf import Shelf
from photochrom.colorize.training.team import Team
from tests.colorize.training import tiny

WHOLE = {
    "whole": 1.0,
    "whole_side": (1.0, 1.0),
    "flip": 0.0,
}  # so that a square tells its photograph


def phase(**changes: object) -> GeneratorPhase:
    return GeneratorPhase.model_validate({**tiny.PHASE, **changes})


def feed(shelf: Shelf, recipe: Recipe, team: Team | None = None, count: int = 8) -> Feed:
    return Feed(shelf, np.ones(count), recipe, team or Team(), tiny.CPU)


def same(one: Lesson, other: Lesson) -> bool:
    return torch.equal(one.rgb, other.rgb) and torch.equal(one.grey, other.grey)


def seen(lessons: list[Lesson], shelf: Shelf) -> list[int]:
    """Return which photographs the squares of some lessons are."""
    from photochrom.colorize.training.squares import stretch

    known = torch.stack([stretch(photo, tiny.SIDE) for photo in shelf.take(range(8))])
    squares = torch.cat([lesson.rgb for lesson in lessons])
    return torch.cdist(squares.flatten(1), known.flatten(1)).argmin(1).tolist()


@pytest.mark.parametrize("start", [1, 3, 7])
def test_lessons_are_the_same_whatever_step_one_begins_at(start: int) -> None:
    with tiny.shelf() as one, tiny.shelf() as other:
        recipe = tiny.recipe()
        whole = list(feed(one, recipe).lessons(0, phase(epochs=2), 0))
        later = list(feed(other, recipe).lessons(0, phase(epochs=2), start))
    assert len(whole) == 8
    assert len(later) == 8 - start
    assert all(map(same, whole[start:], later))
    assert not same(whole[0], whole[4])


def test_a_lesson_is_a_batch_and_its_grey() -> None:
    with tiny.shelf() as shelf:
        (lesson, *_) = feed(shelf, tiny.recipe()).lessons(0, phase(batch=3, size=64), 0)
    assert lesson.rgb.shape == (3, 3, 64, 64)
    assert lesson.grey.shape == (3, 1, 64, 64)
    assert 0 <= lesson.rgb.min() < lesson.rgb.max() <= 1


def test_phases_and_seeds_differ() -> None:
    with tiny.shelf() as shelf:
        first, *_ = feed(shelf, tiny.recipe()).lessons(0, phase(), 0)
        other, *_ = feed(shelf, tiny.recipe()).lessons(1, phase(), 0)
        third, *_ = feed(shelf, tiny.recipe(seed=1)).lessons(0, phase(), 0)
    assert not same(first, other)
    assert not same(first, third)


def test_workers_squares_differ_and_together_cover_an_epoch() -> None:
    with tiny.shelf() as shelf:
        recipe = tiny.recipe(crop=WHOLE)
        lessons = [
            list(feed(shelf, recipe, Team(rank, 2)).lessons(0, phase(), 0)) for rank in (0, 1)
        ]
        shares = [seen(one, shelf) for one in lessons]
    assert [len(one) for one in lessons] == [2, 2]
    assert not set(shares[0]) & set(shares[1])
    assert sorted(shares[0] + shares[1]) == list(range(8))


def test_an_epoch_is_every_photograph_once() -> None:
    with tiny.shelf() as shelf:
        lessons = list(feed(shelf, tiny.recipe(crop=WHOLE)).lessons(0, phase(epochs=2), 0))
        drawn = seen(lessons, shelf)
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
        one = feed(shelf, tiny.recipe(), Team(0, workers))
        assert one.steps(phase(batch=batch, epochs=epochs, share=share)) == steps


def test_whoever_stops_early_leaves_no_thread() -> None:
    import threading

    with tiny.shelf() as shelf:
        lessons = feed(shelf, tiny.recipe()).lessons(0, phase(), 0)
        next(lessons)
        lessons.close()  # type: ignore[attr-defined]
        names = [one.name for one in threading.enumerate()]
    assert not any(name.startswith("ThreadPoolExecutor") for name in names)
