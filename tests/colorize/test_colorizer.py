"""The loop around a generator: sizes chosen, order kept, memory saved, failures typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from photochrom.colorize.colorizer import Colorizer, Failure, auto_render_size
from photochrom.colorize.errors import DeviceLost, ModelError, OutOfMemory
from photochrom.colorize.generator.echo import ECHO_SHA256, EchoGenerator
from photochrom.colorize.picture import Plate, ToneTable
from photochrom.colorize.picture.printing.plate import agreement
from tests.colorize.narrow import PHOTOS, NarrowGenerator, alone, photo_of, plates_of
from tests.colorize.picture.lightbox import grain, scene


class BlindGenerator(EchoGenerator):
    """An echo that refuses any batch with an all-white square in it."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if (squares == 255).all(axis=(1, 2)).any():
            raise ModelError("cannot see")
        return super().chroma(squares)


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
    (plate,) = plates_of(Colorizer(EchoGenerator()).paint(PHOTOS[:1], 48))
    painter = plate.painter
    assert (painter.model, painter.weights_sha256) == ("echo", ECHO_SHA256)
    assert (painter.render_size, painter.precision) == (48, "float32")
    assert plate.chroma.shape == (48, 48, 2)
    assert plate.chroma.dtype == np.uint8


# --- the size of the square -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "width", "height", "size"),
    [
        (256, 4000, 3000, 256),
        (256, 256, 10, 256),
        (256, 200, 192, 256),
        (256, 192, 20, 192),
        (256, 20, 129, 192),
        (256, 128, 128, 128),
        (256, 30, 20, 128),
        (560, 561, 20, 560),
        (560, 559, 20, 560),
        (560, 512, 20, 512),
        (560, 513, 20, 560),
        (336, 321, 20, 336),
        (336, 320, 320, 320),
    ],
)
def test_a_small_photo_is_not_stretched_far(
    native: int, width: int, height: int, size: int
) -> None:
    assert auto_render_size(native, width, height) == size


@given(st.sampled_from([256, 336, 560]), st.integers(1, 2000), st.integers(1, 2000))
def test_the_rule_of_sizes_holds_everywhere(native: int, width: int, height: int) -> None:
    size = auto_render_size(native, width, height)
    assert 128 <= size <= native
    assert size % 64 == 0 or size == native
    assert size == native or max(width, height) <= size
    assert size - max(width, height) < 64 or size == 128


def test_photos_of_one_size_are_one_batch() -> None:
    sides = (300, 20, 150, 256, 40, 190, 7)
    photos = [photo_of(grain(20, side, seed=side)) for side in sides]
    generator = NarrowGenerator(9)
    plates = plates_of(Colorizer(generator).paint(photos))
    sizes = [256, 128, 192, 256, 128, 192, 128]
    assert [plate.painter.render_size for plate in plates] == sizes
    assert sorted(zip(generator.sides, generator.seen, strict=True)) == [
        (128, 3),
        (192, 2),
        (256, 2),
    ]
    for plate, photo, size in zip(plates, photos, sizes, strict=True):
        assert np.array_equal(plate.chroma, alone(photo, size))
        assert plate.fallback == ""


def test_a_size_that_is_given_is_for_all() -> None:
    photos = [photo_of(grain(20, side)) for side in (300, 20)]
    generator = NarrowGenerator(9)
    plates_of(Colorizer(generator).paint(photos, 32))
    assert (generator.seen, generator.sides) == ([2], [32])


# --- other errors ---------------------------------------------------------------------------------


def test_a_photo_that_cannot_be_painted_fails_no_other() -> None:
    white = photo_of(np.full((9, 9), 255, np.uint8))
    first, failed, last = Colorizer(BlindGenerator()).paint([PHOTOS[0], white, PHOTOS[1]], 32)
    assert isinstance(failed, Failure)
    assert str(failed.error) == "cannot see"
    assert not isinstance(failed.error, OutOfMemory)
    for plate, photo in ((first, PHOTOS[0]), (last, PHOTOS[1])):
        assert isinstance(plate, Plate)
        assert np.array_equal(plate.chroma, alone(photo))
        assert plate.fallback == "one_at_a_time"


def test_other_errors_are_not_swallowed() -> None:
    class Broken(EchoGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Colorizer(Broken()).paint(PHOTOS, 32)


@pytest.mark.parametrize("confidence", [False, True])
def test_a_lost_device_is_no_photos_failure(confidence: bool) -> None:
    class Lost(NarrowGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            if len(self.seen) == int(confidence):
                raise DeviceLost("illegal memory access")
            return super().chroma(squares)

    with pytest.raises(DeviceLost):
        Colorizer(Lost(9)).paint(PHOTOS, 32, confidence=confidence)


# --- confidence -----------------------------------------------------------------------------------


class StraightGenerator(EchoGenerator):
    """An echo without its drift, so that a mirrored square gets mirrored colours."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.stack([squares // 2 + 64, 200 - squares // 2], -1)


def test_confidence_is_how_far_the_mirrored_square_agrees() -> None:
    plates = plates_of(Colorizer(EchoGenerator()).paint(PHOTOS, 32, confidence=True))
    for plate, photo in zip(plates, PHOTOS, strict=True):
        square = photo.square(32, plate.tone)
        mirrored = EchoGenerator().chroma(square[None, :, ::-1])[0][:, ::-1]
        assert plate.confidence == agreement(plate.chroma, mirrored)
        assert 0 < plate.confidence < 1
    for plate in plates_of(Colorizer(StraightGenerator()).paint(PHOTOS, 32, confidence=True)):
        assert plate.confidence == 1


def test_confidence_changes_no_plate_and_costs_nothing_unasked() -> None:
    asked, unasked = NarrowGenerator(9), NarrowGenerator(9)
    measured = plates_of(Colorizer(asked).paint(PHOTOS, 32, confidence=True))
    plain = plates_of(Colorizer(unasked).paint(PHOTOS, 32))
    assert [plate.sha256 for plate in measured] == [plate.sha256 for plate in plain]
    assert {plate.confidence for plate in plain} == {None}
    assert (asked.seen, unasked.seen) == ([7, 7], [7])


def test_no_room_for_the_mirror_leaves_confidence_open() -> None:
    class Tired(NarrowGenerator):
        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            self.room = 9 if not self.seen else 0
            return super().chroma(squares)

    plates = plates_of(Colorizer(Tired(9)).paint(PHOTOS, 32, confidence=True))
    assert {(plate.confidence, plate.fallback) for plate in plates} == {(None, "")}


def test_confidence_comes_with_a_fallback_too() -> None:
    generator = NarrowGenerator(1, side=100)
    plates = plates_of(Colorizer(generator).paint(PHOTOS[:2], 112, smallest=64, confidence=True))
    for plate in plates:
        assert (plate.fallback, plate.painter.render_size) == ("smaller", 80)
        assert plate.confidence is not None


# --- tones, loading, printing ---------------------------------------------------------------------


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
    colorizer = Colorizer.load("echo", device="cpu", precision="auto", threads=1, compiled=False)
    (plate,) = plates_of(colorizer.paint(PHOTOS[:1], 32))
    assert np.array_equal(plate.chroma, alone(PHOTOS[0]))


def test_painted_and_printed(tmp_path: Path) -> None:
    photo = PHOTOS[1]
    (plate,) = plates_of(Colorizer(EchoGenerator()).paint([photo], 32))
    facts = plate.print_on(photo).save(tmp_path / "print.tif")
    assert facts.luma_sha256 == photo.luma_sha256
    assert plate.chroma_mean > 5
