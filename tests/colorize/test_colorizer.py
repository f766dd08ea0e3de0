"""The loop around a generator: order and length kept, memory halved, failures typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from photochrom.colorize.colorizer import RENDER_SIZE, Colorizer, Failure
from photochrom.colorize.errors import ModelError, OutOfMemory
from photochrom.colorize.generator.echo import ECHO_SHA256, EchoGenerator
from photochrom.colorize.picture import Photo, Plate, ToneTable
from photochrom.colorize.picture.source import Header
from tests.colorize.picture.lightbox import Samples, grain, scene


class NarrowGenerator(EchoGenerator):
    """An echo on a device with room for `room` squares; it notes the batches it saw."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.seen: list[int] = []

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.seen.append(len(squares))
        if len(squares) > self.room:
            raise OutOfMemory(f"no room for {len(squares)}")
        return super().chroma(squares)


class BlindGenerator(EchoGenerator):
    """An echo that refuses any batch with an all-white square in it."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if (squares == 255).all(axis=(1, 2)).any():
            raise ModelError("cannot see")
        return super().chroma(squares)


def photo_of(luma: Samples) -> Photo:
    height, width = luma.shape
    bits = luma.dtype.itemsize * 8
    return Photo(Header("tiff", "test", width, height, bits, 1), luma, "00" * 32)


PHOTOS = [photo_of(grain(20 + n, 30 - n, bits=(8, 16)[n % 2], seed=n)) for n in range(7)]


def plates_of(made: list[Plate | Failure]) -> list[Plate]:
    assert all(isinstance(one, Plate) for one in made)
    return [one for one in made if isinstance(one, Plate)]


def alone(photo: Photo, size: int = 32) -> NDArray[np.uint8]:
    """Paint one photo without the loop."""
    square = photo.square(size, photo.tone_table("auto"))
    chroma: NDArray[np.uint8] = EchoGenerator().chroma(square[None])[0]
    return chroma


def test_order_and_length_are_kept() -> None:
    plates = plates_of(Colorizer(EchoGenerator()).paint(PHOTOS, 32))
    assert len(plates) == len(PHOTOS)
    for plate, photo in zip(plates, PHOTOS, strict=True):
        assert np.array_equal(plate.chroma, alone(photo))
        assert plate.fallback == ""
        assert plate.tone.bits == photo.bits


def test_nothing_gives_nothing() -> None:
    assert Colorizer(NarrowGenerator(0)).paint([]) == []


def test_the_painter_is_named() -> None:
    (plate,) = plates_of(Colorizer(EchoGenerator()).paint(PHOTOS[:1]))
    painter = plate.painter
    assert (painter.model, painter.weights_sha256) == ("echo", ECHO_SHA256)
    assert (painter.render_size, painter.precision) == (RENDER_SIZE, "float32")
    assert plate.chroma.shape == (RENDER_SIZE, RENDER_SIZE, 2)
    assert plate.chroma.dtype == np.uint8


@given(st.integers(1, 7), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_out_of_memory_halves_the_batch(count: int, room: int) -> None:
    generator = NarrowGenerator(room)
    plates = plates_of(Colorizer(generator).paint(PHOTOS[:count], 32))
    assert len(plates) == count
    for plate, photo in zip(plates, PHOTOS, strict=False):
        assert np.array_equal(plate.chroma, alone(photo))
        assert plate.fallback == ("split" if count > room else "")
    assert sum(n for n in generator.seen if n <= room) == count, "nothing is painted twice"


def test_room_for_two() -> None:
    generator = NarrowGenerator(2)
    plates_of(Colorizer(generator).paint(PHOTOS[:5], 32))
    assert generator.seen == [5, 2, 3, 1, 2]


def test_no_room_for_one_is_a_failure() -> None:
    made = Colorizer(NarrowGenerator(0)).paint(PHOTOS[:3], 32)
    assert len(made) == 3
    for one in made:
        assert isinstance(one, Failure)
        assert isinstance(one.error, OutOfMemory)
        assert one.error.retriable


def test_a_model_error_fails_its_whole_batch() -> None:
    white = photo_of(np.full((9, 9), 255, np.uint8))
    made = Colorizer(BlindGenerator()).paint([PHOTOS[0], white, PHOTOS[1]], 32)
    assert len(made) == 3
    for one in made:
        assert isinstance(one, Failure)
        assert str(one.error) == "cannot see"
        assert not isinstance(one.error, OutOfMemory)


def test_other_errors_are_not_swallowed() -> None:
    class Broken(EchoGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Colorizer(Broken()).paint(PHOTOS, 32)


def test_tables_belong_to_their_photos() -> None:
    photos = [photo_of(scene(40, 50)), photo_of(scene(40, 50, 16))]
    tables = [photo.tone_table("negative", "collection") for photo in photos]
    plates = plates_of(Colorizer(EchoGenerator()).paint(photos, 32, tables))
    for plate, photo, table in zip(plates, photos, tables, strict=True):
        assert plate.tone is table
        seen = EchoGenerator().chroma(photo.square(32, table)[None])[0]
        assert np.array_equal(plate.chroma, seen)
        assert not np.array_equal(plate.chroma, alone(photo))


def test_a_table_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Colorizer(EchoGenerator()).paint(PHOTOS[:2], 32, [ToneTable("positive", "", 8)])


def test_echo_loads_by_name() -> None:
    (plate,) = plates_of(Colorizer.load("echo", device="cpu").paint(PHOTOS[:1], 32))
    assert np.array_equal(plate.chroma, alone(PHOTOS[0]))


def test_painted_and_printed(tmp_path: Path) -> None:
    photo = PHOTOS[1]
    (plate,) = plates_of(Colorizer(EchoGenerator()).paint([photo], 32))
    facts = plate.print_on(photo).save(tmp_path / "print.tif")
    assert facts.luma_sha256 == photo.luma_sha256
    assert plate.chroma_mean > 5
