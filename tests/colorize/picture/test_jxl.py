"""JPEG XL: sizes, depths and channels by its header; the samples, upright; what is refused.

No second encoder of it is at hand: libjxl writes what libjxl reads, and the samples are the judge.
"""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.reading.jxl_header import JxlHeader, jxl_header
from tests.colorize.picture.handmade import box
from tests.colorize.picture.lightbox import Samples, grain, scene, slow_luma
from tests.colorize.picture.test_claims import spread_slowly

SIGNATURE = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")


def coded(values: Samples, bits: int | None = None, boxed: bool = False) -> bytes:
    content = imagecodecs.jpegxl_encode(
        values, lossless=True, bitspersample=bits, usecontainer=boxed
    )
    return bytes(content)


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_depth(channels: int, bits: int, boxed: bool, tmp_path: Path) -> None:
    shape = (37, 53) if channels == 1 else (37, 53, channels)
    values = grain(*shape, bits=16) >> 16 - bits
    values = values.astype(np.uint8) if bits <= 8 else values
    (tmp_path / "original.jxl").write_bytes(coded(values, bits, boxed))
    photo = Photo.open(tmp_path / "original.jxl")
    colours = {1: values, 2: values[..., 0], 3: values, 4: values[..., :3]}[channels]
    wanted = spread_slowly(colours, bits)
    assert np.array_equal(photo.luma, wanted if wanted.ndim == 2 else slow_luma(wanted))
    assert photo.luma.dtype == wanted.dtype
    assert photo.header.decoder.startswith("libjxl 0.")


SIZES = [(1, 1), (8, 8), (256, 256), (64, 80), (40, 60), (90, 160), (300, 7), (9, 1000), (1, 9000)]


@pytest.mark.parametrize("shape", SIZES)
def test_every_way_to_write_a_size(shape: tuple[int, int]) -> None:
    head = jxl_header(coded(np.zeros(shape, np.uint8)))
    assert (head.height, head.width, head.grey) == (*shape, True)


@pytest.mark.parametrize("channels", [1, 3])
def test_floats(channels: int, tmp_path: Path) -> None:
    shape = (37, 53) if channels == 1 else (37, 53, 3)
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    (tmp_path / "float.jxl").write_bytes(coded(values))
    wanted = np.rint(values.astype(np.float64) * 65535).astype(np.uint16)
    luma = wanted if channels == 1 else slow_luma(wanted)
    assert np.array_equal(Photo.open(tmp_path / "float.jxl").luma, luma)


def test_lossy(tmp_path: Path) -> None:
    rgb = np.stack([scene(64, 90), scene(64, 90), scene(64, 90)], -1)
    (tmp_path / "lossy.jxl").write_bytes(imagecodecs.jpegxl_encode(rgb, level=95))
    photo = Photo.open(tmp_path / "lossy.jxl")
    assert np.abs(photo.luma.astype(int) - scene(64, 90)).mean() < 2
    assert photo.header.channels == 3


def turned(codestream: bytes, orientation: int) -> bytes:
    """Rewrite the header of a 256 x 256 grey picture with an orientation, and what follows moved.

    2 + 9 bits are the size; then come `all_default` and, in its place, the extra fields.
    """
    value = int.from_bytes(codestream[2:], "little")
    size, rest = value & 0x1FF, value >> 9
    assert rest & 0b11 == 0, "not as usual, and without extra fields"
    extra = 0b10 | (orientation - 1) << 2  # then no intrinsic size, preview or animation
    moved = size | extra << 9 | (rest >> 2) << 17
    return codestream[:2] + moved.to_bytes(len(codestream) + 2, "little")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_its_orientation_is_found(orientation: int) -> None:
    head = jxl_header(turned(coded(np.zeros((256, 256), np.uint8)), orientation))
    assert head == JxlHeader(256, 256, orientation=orientation, grey=True)


def test_what_it_carries(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270], exif[274] = "The lock", 6
    values, xmp = grain(24, 30), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    parts = box(b"Exif", bytes(4) + exif.tobytes()[6:]) + box(b"jxlc", coded(values))
    parts += box(b"brob", b"xml " + imagecodecs.brotli_encode(xmp))
    (tmp_path / "carries.jxl").write_bytes(SIGNATURE + parts)
    photo = Photo.open(tmp_path / "carries.jxl")
    assert np.array_equal(photo.luma, values), "EXIF's orientation does not count"
    assert (photo.header.description, photo.header.xmp) == ("The lock", xmp)


def test_a_codestream_in_parts(tmp_path: Path) -> None:
    content, values = coded(grain(24, 30)), grain(24, 30)
    first = box(b"jxlp", bytes(4) + content[:9])
    last = box(b"jxlp", b"\x80\0\0\1" + content[9:])
    (tmp_path / "parts.jxl").write_bytes(SIGNATURE + first + last)
    assert np.array_equal(Photo.open(tmp_path / "parts.jxl").luma, values)
    (tmp_path / "cut.jxl").write_bytes(SIGNATURE + first)
    with pytest.raises(SourceError, match="last part") as caught:
        Photo.open(tmp_path / "cut.jxl")
    assert caught.value.reason is Fault.CORRUPT


def test_an_animation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "moves.jxl").write_bytes(coded(grain(5, 24, 30, 3)))
    with pytest.raises(SourceError, match="animation") as caught:
        Photo.open(tmp_path / "moves.jxl")
    assert caught.value.reason is Fault.UNSUPPORTED
