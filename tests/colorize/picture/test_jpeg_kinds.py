"""JPEGs beyond the common 8 bits, put together by hand; and JPEGs that lost something."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.reading.decoders import open_source
from tests.colorize.picture.handmade import directory, flat_blocks_jpeg, lossless_jpeg
from tests.colorize.picture.lightbox import Samples, grain, scene, slow_luma
from tests.colorize.picture.test_claims import spread_slowly
from tests.data.darkroom import grey_profile

SHAPE = (37, 53)


def reason_of(path: Path) -> Fault:
    with pytest.raises(SourceError) as caught:
        Photo.open(path)
    return caught.value.reason


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless(bits: int, channels: int, tmp_path: Path) -> None:
    shape = SHAPE if channels == 1 else (*SHAPE, 3)
    values = grain(*shape, bits=16) >> 16 - bits
    (tmp_path / "lossless.jpg").write_bytes(lossless_jpeg(values, bits))
    photo = Photo.open(tmp_path / "lossless.jpg")
    wanted = spread_slowly(values, bits)
    assert np.array_equal(photo.luma, wanted if channels == 1 else slow_luma(wanted))
    assert (photo.bits, photo.header.format) == (8 if bits == 8 else 16, "jpeg")
    assert photo.header.decoder.startswith("libjpeg-turbo 3.")


def test_twelve_bits(tmp_path: Path) -> None:
    levels = grain(5, 7, bits=16) >> 4
    levels[0, :2] = 0, 4095
    (tmp_path / "twelve.jpg").write_bytes(flat_blocks_jpeg(levels, 12))
    wanted = spread_slowly(levels, 12).repeat(8, axis=0).repeat(8, axis=1)
    assert np.array_equal(Photo.open(tmp_path / "twelve.jpg").luma, wanted)


def test_eight_bits_by_the_same_hand(tmp_path: Path) -> None:
    """It is a JPEG like any other: libvips reads it, to the same samples."""
    levels = grain(5, 7)
    (tmp_path / "eight.jpg").write_bytes(flat_blocks_jpeg(levels, 8))
    photo = Photo.open(tmp_path / "eight.jpg")
    assert np.array_equal(photo.luma, levels.repeat(8, axis=0).repeat(8, axis=1))
    assert photo.header.decoder.startswith("libvips")


def test_twelve_bits_in_colour(tmp_path: Path) -> None:
    rgb = np.stack([scene(64, 80, 16), ~scene(64, 80, 16), scene(64, 80, 16) // 2], -1) >> 4
    (tmp_path / "twelve.jpg").write_bytes(imagecodecs.jpeg_encode(rgb, 98, bitspersample=12))
    got = np.concatenate(list(open_source(tmp_path / "twelve.jpg").rows()))
    assert np.abs(got.astype(int) - spread_slowly(rgb, 12)).mean() < 200


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_ls(bits: int, channels: int, tmp_path: Path) -> None:
    values = grain(*(SHAPE if channels == 1 else (*SHAPE, 3)), bits=bits)
    (tmp_path / "original.jls").write_bytes(imagecodecs.jpegls_encode(values))
    photo = Photo.open(tmp_path / "original.jls")
    assert np.array_equal(photo.luma, values if channels == 1 else slow_luma(values))
    assert photo.header.decoder.startswith("charls 2.")


def test_what_a_lossless_one_carries(tmp_path: Path) -> None:
    """The segments of a common JPEG, in front of another frame."""
    exif = Image.Exif()
    exif[270], exif[274] = "The weir", 6
    out, values = io.BytesIO(), grain(*SHAPE, bits=16)
    Image.fromarray(grain(8, 8)).save(
        out, "JPEG", exif=exif, icc_profile=grey_profile(), dpi=(300, 200), xmp=b"<x:xmpmeta/>"
    )
    head = out.getvalue()[2 : out.getvalue().index(b"\xff\xdb")]
    content = lossless_jpeg(values, 16)
    (tmp_path / "carries.jpg").write_bytes(content[:2] + head + content[2:])
    photo = Photo.open(tmp_path / "carries.jpg")
    assert np.array_equal(photo.luma, np.rot90(values, -1))
    assert (photo.header.icc, photo.header.xmp) == (grey_profile(), b"<x:xmpmeta/>")
    assert (photo.header.description, photo.dpi) == ("The weir", (200, 300))


def common() -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene(240, 320) // 2 + grain(240, 320) // 4).save(out, "JPEG", quality=90)
    return out.getvalue()


def with_a_hole(content: bytes) -> bytes:
    return content[: len(content) // 3] + content[len(content) // 2 :]


def ended_early(content: bytes) -> bytes:
    return content[: len(content) // 2] + b"\xff\xd9"


def without_its_tail(content: bytes) -> bytes:
    """Only the last row of blocks is hurt: what follows it is the end."""
    return content[:-42] + b"\xff\xd9"


@pytest.mark.parametrize("hurt", [with_a_hole, ended_early, without_its_tail])
@pytest.mark.parametrize("kind", ["common", "lossless", "twelve"])
def test_lost_in_the_middle(kind: str, hurt: Any, tmp_path: Path) -> None:
    """libjpeg goes on in grey and calls it a warning: the end marker is there, half is not."""
    content = {
        "common": common,
        "lossless": lambda: lossless_jpeg(grain(*SHAPE), 8),
        "twelve": lambda: flat_blocks_jpeg(grain(50, 70, bits=16) >> 4, 12),
    }[kind]()
    (tmp_path / "hurt.jpg").write_bytes(hurt(content))
    assert reason_of(tmp_path / "hurt.jpg") is Fault.CORRUPT


@pytest.mark.parametrize("hurt", [None, with_a_hole, ended_early, without_its_tail])
def test_an_odd_header_hides_nothing(hurt: Any, tmp_path: Path) -> None:
    """JFIF 7.01: libjpeg warns of that, and of nothing after it."""
    content = (hurt or bytes)(common())
    at = content.index(b"JFIF\0") + 5
    (tmp_path / "odd.jpg").write_bytes(content[:at] + b"\7" + content[at + 1 :])
    if hurt is not None:
        assert reason_of(tmp_path / "odd.jpg") is Fault.CORRUPT
    else:
        assert Photo.open(tmp_path / "odd.jpg").luma.shape == (240, 320)


@pytest.mark.parametrize("hurt", [None, with_a_hole, ended_early, without_its_tail])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 64}, {"tile": (64, 64)}])
def test_lost_in_a_tiff(layout: dict[str, Any], hurt: Any, tmp_path: Path) -> None:
    """The strip or tile is as long as its TIFF says, and its end is there."""
    out = io.BytesIO()
    samples = scene(240, 320) // 2 + grain(240, 320) // 4
    tifffile.imwrite(out, samples, compression="jpeg", metadata=None, **layout)
    content = out.getvalue()
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        start, count = tiff.pages.first.dataoffsets[2], tiff.pages.first.databytecounts[2]
    if hurt is not None:
        piece = hurt(content[start : start + count])
        piece = piece[:-2] + b"\xff\xd9" + bytes(count - len(piece))
        content = content[:start] + piece + content[start + count :]
    (tmp_path / "jpegs.tif").write_bytes(content)
    if hurt is not None:
        assert reason_of(tmp_path / "jpegs.tif") is Fault.CORRUPT
    else:
        got = Photo.open(tmp_path / "jpegs.tif").luma
        assert np.abs(got.astype(int) - samples).mean() < 8


@pytest.mark.parametrize("where", ["behind the head", "before the end"])
def test_stray_bytes_that_harm_nothing(where: str, tmp_path: Path) -> None:
    content = common()
    at = 20 if where == "behind the head" else len(content) - 2
    (tmp_path / "whole.jpg").write_bytes(content)
    (tmp_path / "stray.jpg").write_bytes(content[:at] + bytes(9) + content[at:])
    wanted = Photo.open(tmp_path / "whole.jpg").luma
    assert np.array_equal(Photo.open(tmp_path / "stray.jpg").luma, wanted)


def test_one_file_s_warnings_are_not_told_of_the_next(tmp_path: Path) -> None:
    """libvips remembers what it said of a file until somebody asks."""
    (tmp_path / "hurt.jpg").write_bytes(without_its_tail(common()))
    pyvips.Image.jpegload(str(tmp_path / "hurt.jpg")).copy_memory()
    (tmp_path / "next.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    with pytest.raises(SourceError, match="png") as caught:
        Photo.open(tmp_path / "next.png")
    assert "JPEG" not in str(caught.value)
    (tmp_path / "whole.jpg").write_bytes(common())
    assert Photo.open(tmp_path / "whole.jpg").luma.shape == (240, 320)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_first_of_several(order: str, tmp_path: Path) -> None:
    """A stereo pair by Pillow; and the same index in the other byte order, by hand."""
    out, first = io.BytesIO(), Image.fromarray(scene(64, 80))
    first.save(out, "MPO", save_all=True, append_images=[Image.fromarray(grain(64, 80))])
    content = out.getvalue()
    if order == ">":
        entry = struct.pack(">HHII", 0xB001, 4, 1, 2)
        index = b"MPF\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
        content = common()
        content = (
            content[:2] + b"\xff\xe2" + struct.pack(">H", len(index) + 2) + index + content[2:]
        )
    (tmp_path / "pair.jpg").write_bytes(content)
    assert Photo.open(tmp_path / "pair.jpg").note == "the first of 2 pictures"


@pytest.mark.parametrize("index", [b"", b"MM", b"MM\0*\xff\xff\xff\xff", b"II*\0\0\0\0\0" * 3])
def test_an_index_that_makes_no_sense(index: bytes, tmp_path: Path) -> None:
    content = common()
    index = b"\xff\xe2" + struct.pack(">H", len(index) + 6) + b"MPF\0" + index
    (tmp_path / "alone.jpg").write_bytes(content[:2] + index + content[2:])
    assert Photo.open(tmp_path / "alone.jpg").note == ""


def old_jpeg(values: Samples, photometric: int, *, tagged: bool, rgb: bool = False) -> bytes:
    """Write an old-style JPEG in TIFF: one JPEG that tags, or a strip, point to."""
    out = io.BytesIO()
    options = {"keep_rgb": True} if rgb else {}
    Image.fromarray(values).save(out, "JPEG", quality=95, subsampling=0, **options)
    data, count = out.getvalue(), 1 if values.ndim == 2 else 3
    entries: list[tuple[int, int, int, Any]] = [
        (256, 4, 1, values.shape[1]),
        (257, 4, 1, values.shape[0]),
        (258, 3, count, [8] * count),
        (259, 3, 1, 6),
        (262, 3, 1, photometric),
        (273, 4, 1, 8 if not tagged else 8 + data.index(b"\xff\xda") + 12),
        (277, 3, 1, count),
        (278, 4, 1, values.shape[0]),
        (279, 4, 1, len(data) if not tagged else 100),
    ]
    if tagged:
        entries += [(512, 3, 1, 1), (513, 4, 1, 8), (514, 4, 1, len(data))]
    return directory(data, entries)


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("photometric", [0, 1, 6])
def test_old_jpeg_in_tiff(photometric: int, tagged: bool, tmp_path: Path) -> None:
    values = scene(40, 64)
    if photometric == 6:
        values = np.stack([values, 255 - values, values // 2], -1)
    (tmp_path / "old.tif").write_bytes(old_jpeg(values, photometric, tagged=tagged))
    photo = Photo.open(tmp_path / "old.tif")
    shown = 255 - values if photometric == 0 else values
    wanted = shown if shown.ndim == 2 else slow_luma(shown)
    assert np.abs(photo.luma.astype(int) - wanted).max() <= 4
    assert photo.header.format == "tiff"
    assert (photo.header.tone_evidence != "") is (photometric == 0)


def test_old_jpeg_in_tiff_refused(tmp_path: Path) -> None:
    rgb = np.stack([scene(40, 64)] * 3, -1)
    content = {
        "rgb": old_jpeg(rgb, 2, tagged=True, rgb=True),
        "tables alone": old_jpeg(scene(40, 64), 1, tagged=True).replace(b"\xff\xd8\xff", b"\0\0\0"),
        "another size": old_jpeg(scene(40, 64), 1, tagged=True).replace(
            b"\0\x28\0\x40", b"\0\x20\0\x40"
        ),
    }
    for name, data in content.items():
        (tmp_path / "old.tif").write_bytes(data)
        assert reason_of(tmp_path / "old.tif") is Fault.UNSUPPORTED, name
    whole = old_jpeg(scene(40, 64), 1, tagged=True)
    at = whole.index(b"\xff\xd9")
    (tmp_path / "old.tif").write_bytes(whole[:at] + b"\0\0" + whole[at + 2 :])
    assert reason_of(tmp_path / "old.tif") is Fault.CORRUPT
