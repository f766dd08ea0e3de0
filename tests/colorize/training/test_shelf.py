from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from photochrom.colorize.errors import Fault, SettingsError, SourceError
from photochrom.colorize.picture.vips import pyvips
from photochrom.colorize.training.shelf import Shelf, Unfit, develop

GREY, SMALL, SHORT, TEXT, GONE = 3, 5, 7, 11, 13
BAD = {GREY: "no colour", SMALL: "too small", SHORT: "cannot be decoded", TEXT: "SourceError"}


def picture(index: int, width: int = 60, height: int = 44) -> Image.Image:
    samples = np.random.default_rng(index).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Image.fromarray(samples).resize((width, height))


def encoded(image: Image.Image, kind: str = "JPEG", **more: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


class Missing(SourceError):  # noqa: N818
    """A photograph that is not there any more."""


def files(index: int) -> bytes:
    whole = encoded(picture(index))
    if index == GONE:
        raise Missing(Fault.CORRUPT, "it is gone")
    spoiled = {
        GREY: encoded(picture(index).convert("L")),
        SMALL: encoded(picture(index, 31, 80)),
        SHORT: whole[: len(whole) // 2],
        TEXT: b"no photograph",
    }
    return spoiled.get(index, whole)


def shelf(fetch: Callable[[int], bytes] = files, photographs: int = 40, **more: Any) -> Shelf:
    return Shelf(fetch, photographs, **{"side": 40, "room": 1 << 20, "threads": 2, **more})


def test_photographs_come_in_the_order_asked_for_and_no_larger_than_needed() -> None:
    with shelf() as here:
        photos = here.take([2, 0, 2])
        assert [tuple(photo.shape) for photo in photos] == [(40, 55, 3)] * 3
        assert photos[0].dtype == torch.uint8
        assert torch.equal(photos[0], photos[2])
        assert not torch.equal(photos[0], photos[1])
        assert torch.equal(photos[1], develop(files(0), 40))
        assert here.refused == {}


def test_a_small_photograph_keeps_its_size() -> None:
    assert develop(encoded(picture(0)), 500).shape == (44, 60, 3)


@pytest.mark.parametrize(("threads", "room"), [(1, 0), (3, 0), (3, 30_000), (1, 1 << 24)])
def test_threads_and_room_change_nothing(threads: int, room: int) -> None:
    batches = [[0, GREY, 2], [39, SHORT, GREY, 0], list(range(40))]
    with shelf() as plain, shelf(threads=threads, room=room) as here:
        for batch in batches:
            found = here.take(batch, ahead=range(20))
            assert all(map(torch.equal, found, plain.take(batch)))
            assert here.bytes <= room
        for one in (plain, here):  # but for the words: libvips mixes those of its threads
            assert {i: refused.kind for i, refused in one.refused.items()} == {
                **BAD,
                GONE: "Missing",
            }


def test_a_set_that_fits_is_fetched_once_and_a_larger_one_streams() -> None:
    fetched: list[int] = []

    def fetch(index: int) -> bytes:
        fetched.append(index)
        return encoded(picture(index))

    for room, times in ((1 << 20, 1), (3 * 40 * 55 * 3, 4)):
        fetched.clear()
        with shelf(fetch, 10, room=room) as here:
            for _ in range(4):
                for index in range(10):
                    here.take([index])
                    assert here.bytes <= room
        assert len(fetched) == 10 * times


def test_what_comes_next_is_fetched_ahead() -> None:
    ahead = threading.Event()

    def fetch(index: int) -> bytes:
        if index == 7:
            ahead.set()
        return encoded(picture(index))

    with shelf(fetch) as here:
        here.take([0], ahead=[7])
        assert ahead.wait(30)


def test_the_substitute_of_a_refused_photograph_is_always_the_same() -> None:
    with shelf() as here, shelf() as other:
        (first,), (again,) = here.take([GREY]), here.take([GREY])
        assert torch.equal(first, again)
        assert torch.equal(first, other.take([0, 1, 2, GREY])[3])
        assert str(here.refused[GREY]) == "no colour: the file is grey"


def test_when_most_are_refused_the_commonest_reason_is_told() -> None:
    def fetch(index: int) -> bytes:
        return encoded(picture(index).convert("L" if index % 3 else "RGB"))

    told = []
    for threads in (1, 3):
        with shelf(fetch, 60, threads=threads) as here:
            here.take([0, 3])
            with pytest.raises(
                SettingsError, match=r"no colour \(number 1: the file is gr"
            ) as caught:
                here.take(range(30), ahead=range(30, 60))
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert " of 20 photographs that were tried; " in told[0]


def test_a_few_may_be_refused_even_if_they_lie_together() -> None:
    def fetch(index: int) -> bytes:
        return b"" if 30 <= index < 55 else encoded(picture(index))

    with shelf(fetch, 100) as here:
        for index in range(0, 100, 4):
            assert here.take([index])[0].shape == (40, 55, 3)
        assert set(range(32, 55, 4)) <= set(here.refused) <= set(range(30, 55))


def test_without_any_photograph_that_works_there_is_no_endless_search() -> None:
    with (
        shelf(lambda _: b"", 5) as here,
        pytest.raises(SettingsError, match="from any photograph: the file has no bytes"),
    ):
        here.take([0])


def test_what_may_pass_is_raised_and_not_held_against_the_photograph() -> None:
    class Outage(SourceError):  # noqa: N818
        retriable = True

    answers: list[object] = [Outage(Fault.CORRUPT, "try again"), OSError("no disk")]

    def fetch(index: int) -> bytes:
        if answers:
            raise answers.pop(0)  # type: ignore[misc]
        return encoded(picture(index))

    with shelf(fetch) as here:
        for kind in (Outage, OSError):
            with pytest.raises(kind):
                here.take([0])
        assert here.take([0])[0].shape == (40, 55, 3)
        assert here.refused == {}


def working() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("shelf")]


def test_closing_ends_the_threads() -> None:
    with shelf(threads=3) as here:
        here.take(range(3), ahead=range(20))
        assert working()
    assert not working()
    assert here.bytes == 0


def test_dark_borders_are_trimmed_if_asked() -> None:
    framed = Image.new("RGB", (80, 60), (6, 6, 6))
    framed.paste(picture(1, 72, 54), (4, 3))
    with shelf(lambda _: encoded(framed, "PNG"), side=60, trim_borders=True) as here:
        assert here.take([0])[0].shape == (52, 70, 3)


# --- kinds of files ----------------------------------------------------------------------------


def vips_picture() -> Any:
    return pyvips.Image.new_from_array(np.array(picture(1, 64, 48)))


def near(photo: torch.Tensor, other: torch.Tensor) -> float:
    return float((photo.float() - other.float()).abs().mean())


def test_every_depth_and_colour_space_comes_to_the_same_srgb() -> None:
    image = vips_picture()
    deep = (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    inks = image.icc_transform("cmyk", input_profile="srgb")
    bare = inks.copy()
    bare.remove("icc-profile-data")
    truth = develop(image.pngsave_buffer(), 32)
    for data, off in (
        (deep.pngsave_buffer(), 1.0),
        (deep.tiffsave_buffer(), 1.0),
        (image.bandjoin(255).copy(interpretation="srgb").pngsave_buffer(), 1.0),
        (image.icc_transform("p3", input_profile="srgb").pngsave_buffer(), 3.0),
        (inks.tiffsave_buffer(), 40.0),
        (bare.jpegsave_buffer(Q=95), 40.0),
        (image.webpsave_buffer(lossless=True), 8.0),
    ):
        photo = develop(data, 32)
        assert photo.shape == truth.shape == (32, 43, 3)
        assert near(photo, truth) < off


def test_transparent_parts_are_white() -> None:
    image = vips_picture().bandjoin(0).copy(interpretation="srgb")
    half = image.insert(vips_picture().bandjoin(255).copy(interpretation="srgb"), 32, 0)
    photo = develop(half.pngsave_buffer(), 500)
    assert photo[:, :32].min() == 255
    assert photo[:, 33:64].min() < 200


def test_photographs_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = picture(1, 80, 60)
    photo = develop(encoded(stored, "PNG", exif=exif), 30)
    assert photo.shape == (40, 30, 3)
    upright = develop(encoded(stored.transpose(Image.Transpose.ROTATE_270), "PNG"), 30)
    assert near(photo, upright) < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_half_a_file_is_refused(kind: str) -> None:
    whole = encoded(picture(1, 400, 300), kind)
    assert develop(whole, 64).shape == (64, 85, 3)
    for share in (0.5, 0.95):
        with pytest.raises(Unfit, match=r"cannot be decoded"):
            develop(whole[: int(len(whole) * share)], 64)


def test_colour_that_is_grey_all_over_is_refused() -> None:
    grey = picture(1).convert("L")
    for image in (grey, grey.convert("RGB"), grey.convert("RGBA")):
        with pytest.raises(Unfit, match="no colour"):
            develop(encoded(image, "PNG"), 40)
    tinted = np.array(grey.convert("RGB"))
    tinted[20, 17, 0] ^= 8
    assert develop(encoded(Image.fromarray(tinted), "PNG"), 44).shape == (44, 60, 3)
