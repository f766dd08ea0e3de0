"""What cannot be read is refused by name, early and cheaply: never half a picture, never a lie."""

from __future__ import annotations

import io
import pickle
import re
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from tests.colorize.picture.handmade import box, flat_blocks_jpeg, jp2, lossless_jpeg
from tests.colorize.picture.lightbox import Samples, grain, scene

GREY8 = grain(40, 48)
HUGE = 100_000


def reason_of(path: Path, max_pixels: int = 500_000_000) -> Fault:
    with pytest.raises(SourceError) as caught:
        Photo.open(path, max_pixels=max_pixels)
    assert str(caught.value)
    assert len(str(caught.value)) < 600
    return caught.value.reason


def outcome_of(path: Path, max_pixels: int = 500_000_000) -> Photo | Fault:
    """Open a file that may or may not be readable; anything but a SourceError is a bug."""
    try:
        return Photo.open(path, max_pixels=max_pixels)
    except SourceError as error:
        return error.reason


def by_pillow(kind: str, picture: Samples | Image.Image = GREY8, **options: Any) -> bytes:
    out = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(out, kind, **options)
    return out.getvalue()


def by_tifffile(samples: Samples, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, metadata=None, **options)
    return out.getvalue()


def animated(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.fromarray(GREY8 // n) for n in (1, 2, 3)]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def by_vips(ending: str) -> bytes:
    return bytes(pyvips.Image.new_from_array(GREY8).write_to_buffer(ending))


RGB8 = grain(40, 48, 3)
REFUSED: dict[str, tuple[Fault, Callable[[], bytes]]] = {
    "empty": (Fault.EMPTY, lambda: b""),
    "text": (Fault.NOT_AN_IMAGE, lambda: b"Dear Sir, enclosed please find"),
    "web page": (Fault.NOT_AN_IMAGE, lambda: b"<!DOCTYPE html><title>404</title>"),
    "one byte": (Fault.NOT_AN_IMAGE, lambda: b"\xff"),
    "zeros": (Fault.NOT_AN_IMAGE, lambda: bytes(5000)),
    "pdf": (Fault.UNSUPPORTED, lambda: b"%PDF-1.7\n"),
    "bmp": (Fault.UNSUPPORTED, lambda: by_pillow("BMP")),
    "gif": (Fault.UNSUPPORTED, lambda: by_pillow("GIF")),
    "animated gif": (Fault.UNSUPPORTED, lambda: animated("GIF")),
    "animated webp": (Fault.UNSUPPORTED, lambda: animated("WEBP")),
    "animated png": (Fault.UNSUPPORTED, lambda: animated("PNG")),
    "animated avif": (Fault.UNSUPPORTED, lambda: animated("AVIF")),
    "bare ycbcr tiff": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(RGB8, photometric="ycbcr"),
    ),
    "cmyk jpeg": (
        Fault.UNSUPPORTED,
        lambda: by_pillow("JPEG", Image.fromarray(RGB8).convert("CMYK")),
    ),
    "cmyk tiff": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(grain(9, 9, 4), photometric="separated"),
    ),
    "cmyk zstd tiff": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(grain(9, 9, 4), photometric="separated", compression="zstd"),
    ),
    "lab tiff": (Fault.UNSUPPORTED, lambda: by_tifffile(RGB8, photometric="cielab")),
    "32-bit integers": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(GREY8.astype(np.uint32), photometric="minisblack"),
    ),
    "signed 16-bit": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(GREY8.astype(np.int16), photometric="minisblack"),
    ),
    "64-bit float": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(GREY8 / 255, photometric="minisblack"),
    ),
    "float above 1": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(np.full((9, 9), 1.001, np.float32), photometric="minisblack"),
    ),
    "float below 0": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(np.full((9, 9), -0.001, np.float32), photometric="minisblack"),
    ),
    "float nan": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(np.full((9, 9), np.nan, np.float32), photometric="minisblack"),
    ),
    "float zstd": (
        Fault.UNSUPPORTED,
        lambda: by_tifffile(
            np.full((9, 9), 0.5, np.float32),
            photometric="minisblack",
            compression="zstd",
        ),
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, tmp_path: Path) -> None:
    reason, make = REFUSED[kind]
    path = tmp_path / "original.tif"
    path.write_bytes(make())
    assert reason_of(path) is reason


@pytest.mark.parametrize("compression", ["lzma", "lerc", "png", "jpegxr"])
def test_a_whole_file_is_never_called_corrupt(compression: str, tmp_path: Path) -> None:
    """Kinds that no decoder here knows are read or refused; the file is not at fault."""
    path = tmp_path / "whole.tif"
    path.write_bytes(by_tifffile(GREY8, photometric="minisblack", compression=compression))
    outcome = outcome_of(path)
    if isinstance(outcome, Fault):
        assert outcome is Fault.UNSUPPORTED
    else:
        assert np.array_equal(outcome.luma, GREY8)


def test_refusals_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(SourceError(Fault.CORRUPT, "cut short")))
    assert (error.reason, str(error), error.retriable) == (Fault.CORRUPT, "cut short", False)


@cache
def whole(kind: str) -> bytes:
    """Write one file of each kind that can be cut short."""
    photo = scene(60, 80)
    made: dict[str, Callable[[], bytes]] = {
        "jpeg": lambda: by_pillow("JPEG", photo, quality=90),
        "jpeg-progressive": lambda: by_pillow("JPEG", photo, quality=90, progressive=True),
        "png": lambda: by_pillow("PNG", photo),
        "webp": lambda: by_pillow("WEBP", np.repeat(photo[..., None], 3, axis=2)),
        "tiff": lambda: by_tifffile(photo, photometric="minisblack", rowsperstrip=9),
        "tiff-lzw": lambda: by_tifffile(photo, photometric="minisblack", compression="lzw"),
        "tiff-deflate": lambda: by_tifffile(
            photo, photometric="minisblack", compression="adobe_deflate", rowsperstrip=9
        ),
        "tiff-zstd": lambda: by_tifffile(
            photo, photometric="minisblack", compression="zstd", rowsperstrip=9
        ),
        "tiff-tags-last": lambda: by_pillow("TIFF", photo, compression="tiff_lzw"),
        "jp2": lambda: by_pillow("JPEG2000", photo),
        "j2k-tiles": lambda: by_pillow("JPEG2000", photo, no_jp2=True, tile_size=(16, 16)),
        "jxl": lambda: bytes(imagecodecs.jpegxl_encode(photo, lossless=True)),
        "jxl-boxes": lambda: bytes(imagecodecs.jpegxl_encode(photo, level=90, usecontainer=True)),
        "jpeg-lossless": lambda: lossless_jpeg(photo, 8),
        "jpeg-12": lambda: flat_blocks_jpeg(photo.astype(np.uint16) * 16, 12),
        "jpeg-ls": lambda: bytes(imagecodecs.jpegls_encode(photo)),
        "avif": lambda: by_pillow("AVIF", np.repeat(photo[..., None], 3, axis=2)),
        "heic": lambda: _heic(photo),
    }
    return made[kind]()


KINDS = ["jpeg", "jpeg-progressive", "png", "webp", "tiff", "tiff-lzw", "tiff-deflate"]
KINDS += ["tiff-zstd", "tiff-tags-last", "jp2", "j2k-tiles", "jxl", "jxl-boxes", "avif", "heic"]
KINDS += ["jpeg-lossless", "jpeg-12", "jpeg-ls"]


def _heic(photo: Samples) -> bytes:
    heif = pytest.importorskip("pillow_heif", reason="needs photochrom[heif]")
    out = io.BytesIO()
    heif.from_pillow(Image.fromarray(photo)).save(out, quality=80)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_a_cut_file_is_refused_or_identical(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only what follows the picture may be missing; no row of it may."""
    content = whole(kind)
    folder = tmp_path_factory.mktemp("cut")
    (folder / "whole").write_bytes(content)
    cut = data.draw(st.integers(0, len(content) - 1))
    (folder / "cut").write_bytes(content[:cut])
    outcome = outcome_of(folder / "cut")
    if isinstance(outcome, Fault):
        assert outcome in {Fault.EMPTY, Fault.NOT_AN_IMAGE, Fault.CORRUPT}
    else:
        assert np.array_equal(outcome.luma, Photo.open(folder / "whole").luma)
        assert cut > len(content) * 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_most_of_a_file_is_not_enough(kind: str, share: float, tmp_path: Path) -> None:
    content = whole(kind)
    (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
    assert reason_of(tmp_path / "cut") is Fault.CORRUPT


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_a_damaged_file_never_escapes_the_tree(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(whole(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(bytes(content))
    outcome = outcome_of(path, max_pixels=1_000_000)
    assert isinstance(outcome, Fault) or outcome.luma.size <= 1_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_after_the_picture_do_no_harm(kind: str, tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(whole(kind))
    (tmp_path / "more").write_bytes(whole(kind) + b"\0\xff trailing" * 20)
    assert np.array_equal(Photo.open(tmp_path / "more").luma, Photo.open(tmp_path / "whole").luma)


def lying_png() -> bytes:
    chunks = [
        (b"IHDR", struct.pack(">2I5B", HUGE, HUGE, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(100))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def lying_tiff(compression: int) -> bytes:
    """Make a TIFF of one short strip that says it holds a hundred thousand rows."""
    tags = [(256, HUGE), (257, HUGE), (258, 8), (259, compression), (262, 1), (273, 8)]
    tags += [(277, 1), (278, HUGE), (279, 64)]
    strip = zlib.compress(bytes(5000))[:64].ljust(64, b"\0")
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(strip)) + strip + directory


def lying_jp2() -> bytes:
    """Make a codestream of one small tile that says it covers 100,000 pixels squared."""
    content = by_pillow("JPEG2000", no_jp2=True)
    large = struct.pack(">8I", HUGE, HUGE, 0, 0, HUGE, HUGE, 0, 0)
    return jp2(content[:8] + large + content[40:], box(b"colr", b"\1\0\0\0\0\0\x11"))


def lying_jxl() -> bytes:
    """Make a codestream that says 100,000 x 100,000: 18 bits less one, and a ratio of one."""
    bits = 0 | 2 << 1 | (HUGE - 1) << 3 | 1 << 21 | 1 << 24
    return b"\xff\x0a" + bits.to_bytes(40, "little")


def lying_jpeg(content: bytes) -> bytes:
    """Rewrite the sides in a frame's header, the first one of any process but tables."""
    at = next(i for m in b"\xc0\xc1\xc3\xf7" if (i := content.find(bytes([255, m]))) > 0)
    return content[: at + 5] + struct.pack(">HH", 65000, 65000) + content[at + 9 :]


def lying_heif(content: bytes) -> bytes:
    large = b"ispe" + struct.pack(">3I", 0, 30_000, 30_000)
    return re.sub(b"ispe.{12}", large, content, flags=re.DOTALL)


LIES: dict[str, Callable[[], bytes]] = {
    "jp2": lying_jp2,
    "jxl": lying_jxl,
    "jpeg": lambda: lying_jpeg(whole("jpeg")),
    "jpeg-lossless": lambda: lying_jpeg(whole("jpeg-lossless")),
    "jpeg-12": lambda: lying_jpeg(whole("jpeg-12")),
    "jpeg-ls": lambda: lying_jpeg(whole("jpeg-ls")),
    "heic": lambda: lying_heif(_heic(scene(64, 64))),
    "avif": lambda: lying_heif(whole("avif")),
    "png": lying_png,
    "tiff": lambda: lying_tiff(1),
    "tiff-deflate": lambda: lying_tiff(8),
    "tiff-zstd": lambda: lying_tiff(50000),
}


def opened_in_a_small_process(path: Path) -> tuple[str, int]:
    """Open a file where 3 GB of addresses are all; return what came of it, and the growth in kB."""
    code = (
        "import re, sys\n"
        "from photochrom.colorize.errors import SourceError\n"
        "from photochrom.colorize.picture import Photo\n"
        "def peak():\n"  # ru_maxrss would begin at this process's own
        "    return int(re.search('VmHWM:.*?([0-9]+)', open('/proc/self/status').read())[1])\n"
        "before = peak()\n"
        "try:\n    Photo.open(sys.argv[1])\n    print('read')\n"
        "except SourceError as error:\n    print(error.reason)\n"
        "print(peak() - before)\n"
    )
    limit = 3 << 30
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    outcome, grown = done.stdout.split()
    return outcome, int(grown)


@pytest.mark.parametrize("kind", LIES)
def test_a_lying_header_is_refused_before_decoding(kind: str, tmp_path: Path) -> None:
    """A process that may take no more than 3 GB of addresses refuses ten thousand megapixels."""
    path = tmp_path / "lie"
    path.write_bytes(LIES[kind]())
    reason, grown = opened_in_a_small_process(path)
    assert reason == "too_large"
    assert grown < 50_000, "kilobytes"


def test_the_pixel_limit_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "original.png"
    path.write_bytes(by_pillow("PNG"))
    assert reason_of(path, max_pixels=40 * 48 - 1) is Fault.TOO_LARGE
    assert Photo.open(path, max_pixels=40 * 48).luma.shape == (40, 48)


@pytest.mark.parametrize("compression", ["zstd", "jpeg2000"])
@pytest.mark.parametrize("tag", [273, 279])
def test_a_missing_segment_is_corrupt(compression: str, tag: int, tmp_path: Path) -> None:
    """A strip without bytes, or beyond the end of the file, must not come back as black."""
    path = tmp_path / "hole.tif"
    path.write_bytes(
        by_tifffile(GREY8, photometric="minisblack", compression=compression, rowsperstrip=10)
    )
    with tifffile.TiffFile(path, mode="r+") as tiff:
        entry = tiff.pages.first.tags[tag]
        values = list(entry.value)
        values[1] = 0 if tag == 279 else 1 << 24
        entry.overwrite(values)
    assert reason_of(path) is Fault.CORRUPT


@pytest.mark.parametrize("kind", ["two widths", "half a pixel", "no width"])
def test_a_nonsense_width_is_corrupt(kind: str, tmp_path: Path) -> None:
    """Tags are data: a width may come as two numbers, or as a fraction."""
    content = bytearray(by_tifffile(GREY8, photometric="minisblack", compression="zstd"))
    at = content.index(struct.pack("<HHI", 256, 4, 1)) + 2
    nonsense = {
        "two widths": struct.pack("<HIHH", 3, 2, 48, 48),
        "half a pixel": struct.pack("<HIf", 11, 1, 47.5),
        "no width": struct.pack("<HII", 4, 1, 0),
    }
    content[at : at + 10] = nonsense[kind]
    (tmp_path / "nonsense.tif").write_bytes(bytes(content))
    assert reason_of(tmp_path / "nonsense.tif") is Fault.CORRUPT


def test_a_flipped_bit_in_a_png_is_corrupt(tmp_path: Path) -> None:
    content = bytearray(by_pillow("PNG"))
    content[len(content) // 2] ^= 4
    (tmp_path / "flipped.png").write_bytes(bytes(content))
    assert reason_of(tmp_path / "flipped.png") is Fault.CORRUPT
