"""Plates: stored and read back, measured, and stretched as the rules beside the results say."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture import Painter, Photo, Plate, ToneTable
from photochrom.colorize.picture.printing.merge import FRACTION
from photochrom.colorize.picture.printing.plate import LOW_CHROMA, Upsampled, agreement
from tests.colorize.picture.lightbox import (
    PAINTER,
    grain,
    mild_chroma,
    plate_for,
    shelve,
    strong_chroma,
)

POSITIVE = ToneTable("positive", "default", 8)
SIDE = st.integers(1, 12)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def slow_chroma(plate: NDArray[np.uint8], width: int, height: int, y: int, x: int) -> list[int]:
    """Look one print pixel up in a plate, as the rules say it; Cb and Cr in 1/32 of a step."""
    rows, columns = plate.shape[:2]

    def place(at: int, length: int, size: int) -> tuple[int, int, int]:
        p = ((2 * at + 1) * size * 256) // (2 * length) - 128
        p = min(max(p, 0), (size - 1) * 256)
        return p // 256, min(p // 256 + 1, size - 1), p % 256

    up, down, below = place(y, height, rows)
    left, right, beside = place(x, width, columns)
    values = []
    for channel in (0, 1):

        def at(j: int, i: int, channel: int = channel) -> int:
            return int(plate[j, i, channel]) - 128

        upper = at(up, left) * (256 - beside) + at(up, right) * beside
        lower = at(down, left) * (256 - beside) + at(down, right) * beside
        values.append((upper * (256 - below) + lower * below + 1024) // 2048)
    return values


@given(SIDE, SIDE, st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_stretching_follows_the_rules(
    rows: int, columns: int, width: int, height: int, seed: int
) -> None:
    plate = grain(rows, columns, 2, seed=seed).astype(np.uint8)
    cb, cr = Upsampled(plate, width, height).rows(0, height)
    wanted = [
        [slow_chroma(plate, width, height, y, x) for x in range(width)] for y in range(height)
    ]
    assert np.stack([cb, cr], axis=-1).tolist() == wanted


@given(st.lists(st.integers(1, 7), min_size=1, max_size=9), st.integers(1, 25))
@settings(deadline=None, max_examples=40)
def test_any_split_into_rows_is_the_whole(heights: list[int], width: int) -> None:
    height = sum(heights)
    chroma = Upsampled(strong_chroma(8), width, height)
    pieces, row = [], 0
    for count in heights:
        pieces.append(np.stack(chroma.rows(row, row + count)))
        row += count
    assert np.array_equal(np.concatenate(pieces, axis=1), np.stack(chroma.rows(0, height)))


@pytest.mark.parametrize("size", [1, 2, 16, 33])
def test_at_its_own_size_a_plate_is_itself(size: int) -> None:
    plate = strong_chroma(size)
    cb, cr = Upsampled(plate, size, size).rows(0, size)
    assert np.array_equal(cb, (plate[..., 0].astype(int) - 128) << FRACTION)
    assert np.array_equal(cr, (plate[..., 1].astype(int) - 128) << FRACTION)


def test_a_flat_plate_stays_flat_at_any_size() -> None:
    plate = np.dstack([np.full((5, 5), 3), np.full((5, 5), 250)]).astype(np.uint8)
    cb, cr = Upsampled(plate, 1001, 37).rows(0, 37)
    assert (cb == -125 << FRACTION).all()
    assert (cr == 122 << FRACTION).all()


def test_stretching_is_centred() -> None:
    plate = strong_chroma(7)
    cb, _ = Upsampled(plate, 28, 14).rows(0, 14)
    turned, _ = Upsampled(plate[::-1, ::-1], 28, 14).rows(0, 14)
    assert np.abs(cb - turned[::-1, ::-1]).max() <= 1


def test_a_plate_survives_storage() -> None:
    plate = Plate(strong_chroma(), POSITIVE, PAINTER)
    read = Plate.from_png(plate.png, POSITIVE, PAINTER)
    assert np.array_equal(read.chroma, plate.chroma)
    assert read.chroma.dtype == np.uint8
    assert read.sha256 == plate.sha256 == hashlib.sha256(plate.png).hexdigest()


def test_a_stored_plate_is_two_channels_to_other_readers() -> None:
    plate = Plate(strong_chroma(), POSITIVE, PAINTER)
    with Image.open(io.BytesIO(plate.png)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "LA", (16, 16))
        assert np.array_equal(np.asarray(image), plate.chroma)


def test_the_digest_is_of_the_bytes_that_were_stored() -> None:
    plate = Plate(strong_chroma(), POSITIVE, PAINTER)
    out = io.BytesIO()
    Image.fromarray(plate.chroma, "LA").save(out, "PNG", compress_level=0)
    read = Plate.from_png(out.getvalue(), POSITIVE, PAINTER)
    assert np.array_equal(read.chroma, plate.chroma)
    assert read.sha256 == hashlib.sha256(out.getvalue()).hexdigest() != plate.sha256


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a plate",
        encoded(Image.new("L", (16, 16))),
        encoded(Image.new("RGB", (16, 16))),
        encoded(Image.new("RGBA", (16, 16))),
        encoded(Image.new("RGB", (16, 16)), "JPEG"),
        Plate(strong_chroma(), POSITIVE, PAINTER).png[:-40],
        Plate(strong_chroma(), POSITIVE, PAINTER).png[:20],
    ],
    ids=["empty", "text", "grey", "rgb", "rgba", "jpeg", "cut", "head"],
)
def test_what_is_not_a_plate_is_refused(data: bytes) -> None:
    with pytest.raises(ProofError, match="not a plate"):
        Plate.from_png(data, POSITIVE, PAINTER)


def test_a_plate_that_claims_to_be_huge_is_refused() -> None:
    head = struct.pack(">2I5B", 100_000, 100_000, 8, 4, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    with pytest.raises(ProofError, match="not a plate"):
        Plate.from_png(png, POSITIVE, PAINTER)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_a_damaged_plate_is_refused_or_whole(data: st.DataObject) -> None:
    png = bytearray(Plate(strong_chroma(), POSITIVE, PAINTER).png)
    at = data.draw(st.integers(0, len(png) - 1))
    png[at] ^= data.draw(st.integers(1, 255))
    try:
        plate = Plate.from_png(bytes(png), POSITIVE, PAINTER)
    except ProofError:
        return
    assert plate.chroma.shape[-1] == 2
    assert plate.sha256 == hashlib.sha256(png).hexdigest()


def test_chroma_mean_is_the_mean_distance_from_grey() -> None:
    neutral = np.full((4, 4, 2), 128, np.uint8)
    assert Plate(neutral, POSITIVE, PAINTER).chroma_mean == 0
    tinted = neutral.copy()
    tinted[..., 0], tinted[..., 1] = 128 + 3, 128 - 4
    assert Plate(tinted, POSITIVE, PAINTER).chroma_mean == pytest.approx(5)


def test_low_chroma_is_grey_with_noise_and_no_less() -> None:
    random = np.random.default_rng(1)
    noise = random.uniform(-0.5, 0.5, (64, 64, 2))
    for centre in (128.0, 128.5):  # on a step, and between two
        grey = Plate(np.rint(centre + noise).astype(np.uint8), POSITIVE, PAINTER)
        assert grey.chroma_mean < LOW_CHROMA / 2
        assert grey.low_chroma
    assert not Plate(mild_chroma(), POSITIVE, PAINTER).low_chroma
    step = np.full((4, 4, 2), 128, np.uint8)
    step[..., 0] = 128 + 2
    assert not Plate(step, POSITIVE, PAINTER).low_chroma, "the threshold itself is colour"


def test_agreement_halves_with_every_four_steps() -> None:
    one = strong_chroma() // 2 + 64
    assert agreement(one, one) == 1
    other = one.copy()
    other[..., 0] += 4
    assert agreement(one, other) == agreement(other, one) == pytest.approx(1 / 2)
    other[..., 1] -= 3
    assert agreement(one, other) == pytest.approx(2 ** (-5 / 4))
    assert 0 <= agreement(one * 0, one * 0 + 255) < 1e-20


def test_colourfulness_rises_with_colour() -> None:
    square = np.full((16, 16), 128, np.uint8)
    grey = Plate(np.full((16, 16, 2), 128, np.uint8), POSITIVE, PAINTER)
    mild = Plate(mild_chroma(), POSITIVE, PAINTER)
    strong = Plate(strong_chroma(), POSITIVE, PAINTER)
    assert grey.colourfulness(square) == 0
    assert 0 < mild.colourfulness(square) < strong.colourfulness(square)


def test_colourfulness_of_one_red() -> None:
    """A plane of one colour has no spread: M3 is 0.3 of its distance from grey."""
    chroma = np.dstack([np.full((8, 8), 128), np.full((8, 8), 168)]).astype(np.uint8)
    plate = Plate(chroma, POSITIVE, PAINTER)
    red, green, blue = 128 + 56, 128 - 29, 128  # 1.402 and 0.714 times 40, luma kept
    wanted = 0.3 * np.hypot(red - green, (red + green) / 2 - blue)
    assert plate.colourfulness(np.full((8, 8), 128, np.uint8)) == pytest.approx(wanted)


def test_a_plate_made_again_prints_the_same(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(40, 33)))
    plate = plate_for(photo)
    again = Plate.from_png(plate.png, plate.tone, Painter("echo", "ab" * 32, 16))
    first = plate.print_on(photo).save(tmp_path / "first.tif")
    second = again.print_on(photo).save(tmp_path / "second.tif")
    assert first.luma_sha256 == second.luma_sha256 == photo.luma_sha256
