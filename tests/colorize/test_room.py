"""A generator with too little memory: batches halved, photos painted smaller, and remembered."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from photochrom.colorize.colorizer import Colorizer, Failure
from photochrom.colorize.errors import OutOfMemory
from photochrom.colorize.picture import Plate
from tests.colorize.narrow import PHOTOS, NarrowGenerator, alone, photo_of, plates_of
from tests.colorize.picture.lightbox import grain


@given(st.integers(1, 7), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_out_of_memory_halves_the_batch(count: int, room: int) -> None:
    generator = NarrowGenerator(room)
    plates = plates_of(Colorizer(generator).paint(PHOTOS[:count], 32))
    assert len(plates) == count
    for plate, photo in zip(plates, PHOTOS, strict=False):
        assert np.array_equal(plate.chroma, alone(photo))
        assert (plate.fallback == "") == (count <= room)
    assert sum(n for n in generator.seen if n <= room) == count, "nothing is painted twice"


def test_room_for_two() -> None:
    generator = NarrowGenerator(2)
    plates = plates_of(Colorizer(generator).paint(PHOTOS[:5], 32))
    assert generator.seen == [5, 2, 3, 1, 2]
    steps = [plate.fallback for plate in plates]
    assert steps == ["halved", "halved", "one_at_a_time", "halved", "halved"]


@pytest.mark.parametrize(
    ("room", "counts", "seen", "fallbacks"),
    [
        (3, (7, 7), [[7, 3, 4, 2, 2], [1, 2, 2, 2]], "halved"),
        (2, (5, 5, 2, 1), [[5, 2, 3, 1, 2], [2, 1, 2], [2], [1]], "halved"),
        (1, (4, 4, 1), [[4, 2, 1, 1, 1, 1], [1, 1, 1, 1], [1]], "one_at_a_time"),
        (4, (4, 4), [[4], [4]], ""),
    ],
)
def test_what_had_room_is_remembered(
    room: int, counts: tuple[int, ...], seen: list[list[int]], fallbacks: str
) -> None:
    generator = NarrowGenerator(room)
    colorizer = Colorizer(generator)
    for count, batches in zip(counts, seen, strict=True):
        generator.seen.clear()
        plates = plates_of(colorizer.paint(PHOTOS[:count], 32))
        for plate, photo in zip(plates, PHOTOS[:count], strict=True):
            assert np.array_equal(plate.chroma, alone(photo))
            assert (plate.fallback == "") == (count <= room), "a row tells of what was asked for"
        if count > room:
            assert fallbacks in {plate.fallback for plate in plates}
        assert generator.seen == batches


def test_each_size_has_its_own_room() -> None:
    generator = NarrowGenerator(2)
    colorizer = Colorizer(generator)
    for size in (32, 48, 32, 48):
        plates_of(colorizer.paint(PHOTOS[:4], size))
    assert generator.seen == [4, 2, 2, 4, 2, 2, 2, 2, 2, 2]


def test_a_single_photo_is_always_tried_at_its_size() -> None:
    generator = NarrowGenerator(1, side=48)
    colorizer = Colorizer(generator)
    sides = [plate.painter.render_size for plate in _twice(colorizer, generator)]
    assert sides == [48, 64]
    assert generator.sides == [64, 48, 64]


def _twice(colorizer: Colorizer, generator: NarrowGenerator) -> list[Plate]:
    """Paint a photo with too little room, and again when there is more."""
    first = plates_of(colorizer.paint(PHOTOS[:1], 64, smallest=32))
    generator.side = 64
    return first + plates_of(colorizer.paint(PHOTOS[:1], 64, smallest=32))


@pytest.mark.parametrize(
    ("room", "seen", "seconds"), [(8, [8], 3), (3, [8, 4, 2], 3), (0, [8, 4, 2, 1], 0)]
)
def test_warming_up_finds_the_room(room: int, seen: list[int], seconds: float) -> None:
    generator = NarrowGenerator(room)
    colorizer = Colorizer(generator)
    assert colorizer.warm_up(32, 8) == seconds
    assert generator.seen == seen
    made = colorizer.paint(PHOTOS[:4], 32)
    assert generator.seen[len(seen)] == min(4, seen[-1])
    assert all(isinstance(one, Plate) for one in made) == (room > 0)


def test_warming_up_is_at_the_models_own_size() -> None:
    generator = NarrowGenerator(1)
    Colorizer(generator).warm_up("auto", 1)
    assert generator.sides == [256]


def test_room_for_one() -> None:
    plates = plates_of(Colorizer(NarrowGenerator(1)).paint(PHOTOS[:4], 32))
    assert {plate.fallback for plate in plates} == {"one_at_a_time"}
    (single,) = plates_of(Colorizer(NarrowGenerator(1)).paint(PHOTOS[:1], 32))
    assert single.fallback == ""


def test_a_photo_is_painted_smaller_only_if_that_is_allowed() -> None:
    generator = NarrowGenerator(1, side=300)
    (failure,) = Colorizer(generator).paint(PHOTOS[:1], 560)
    assert isinstance(failure, Failure)
    assert generator.sides == [560]
    generator = NarrowGenerator(1, side=300)
    (plate,) = plates_of(Colorizer(generator).paint(PHOTOS[:1], 560, smallest=208))
    assert generator.sides == [560, 416, 304, 224]
    assert (plate.painter.render_size, plate.fallback) == (224, "smaller")
    assert np.array_equal(plate.chroma, alone(PHOTOS[0], 224))


def test_smaller_stops_where_it_is_told() -> None:
    for smallest, tried in (
        (304, [560, 416, 304]),
        (320, [560, 416, 320]),
        (544, [560, 544]),
        (560, [560]),
        (640, [560]),
    ):
        generator = NarrowGenerator(1, side=48)
        (failure,) = Colorizer(generator).paint(PHOTOS[:1], 560, smallest=smallest)
        assert isinstance(failure, Failure)
        assert isinstance(failure.error, OutOfMemory)
        assert generator.sides == tried


def test_the_smallest_is_tried_even_between_steps() -> None:
    generator = NarrowGenerator(1, side=208)
    (plate,) = plates_of(Colorizer(generator).paint(PHOTOS[:1], 256, smallest=208))
    assert generator.sides == [256, 208]
    assert (plate.painter.render_size, plate.fallback) == (208, "smaller")


def test_only_who_has_no_room_alone_gets_smaller() -> None:
    """Sizes are mixed: the small photo's square fits, the large one's does not."""
    photos = [photo_of(grain(20, side)) for side in (300, 20)]
    made = plates_of(Colorizer(NarrowGenerator(2, side=200)).paint(photos, smallest=64))
    assert [(p.painter.render_size, p.fallback) for p in made] == [(192, "smaller"), (128, "")]


def test_a_failed_attempt_lets_go_of_its_memory_before_the_next() -> None:
    held: list[weakref.ref[NDArray[np.float32]]] = []

    class Hungry(NarrowGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            assert [one() for one in held] == [None] * len(held), "an earlier attempt is held"
            on_device = squares.astype(np.float32)
            held.append(weakref.ref(on_device))
            return super().chroma(squares)

    made = Colorizer(Hungry(0)).paint(PHOTOS[:4], 32)
    assert len(held) == 6
    assert all(isinstance(one, Failure) for one in made)
    assert held[-1]() is None, "a Failure holds on to the device's memory"


def test_no_room_for_one_is_a_failure() -> None:
    made = Colorizer(NarrowGenerator(0)).paint(PHOTOS[:3], 32)
    assert len(made) == 3
    for one in made:
        assert isinstance(one, Failure)
        assert isinstance(one.error, OutOfMemory)
        assert one.error.retriable
