"""Files that mean harm or look odd: the right reason, little memory, and names that are names."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from photochrom.colorize.picture import Photo
from tests.colorize.picture.handmade import box, jp2
from tests.colorize.picture.lightbox import grain
from tests.colorize.picture.test_refusals import (
    GREY8,
    by_pillow,
    by_tifffile,
    opened_in_a_small_process,
    whole,
)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def with_short_strips(compression: str | None) -> bytes:
    """Say of every strip that it has half the bytes it has."""
    out = io.BytesIO()
    options = {"compression": compression, "rowsperstrip": 10, "metadata": None}
    tifffile.imwrite(out, GREY8, photometric="minisblack", **options)
    out.seek(0)
    with tifffile.TiffFile(out, mode="r+") as tiff:
        entry = tiff.pages.first.tags[279]
        entry.overwrite([count // 2 for count in entry.value])
    return out.getvalue()


def tile_bomb() -> bytes:
    """Say that a picture of 40 x 48 pixels is one tile of a billion."""
    content = by_tifffile(GREY8, photometric="minisblack", compression="zstd", tile=(48, 48))
    for tag in (322, 323):
        at = content.index(struct.pack("<H", tag))
        entry = struct.pack("<HHII", tag, 4, 1, 1 << 15)
        content = content[:at] + entry + content[at + 12 :]
    return content


def of_photometric(number: int) -> bytes:
    """Say of a grey TIFF that its samples are something else."""
    content = by_tifffile(GREY8, photometric="minisblack")
    at = content.index(struct.pack("<HHI", 262, 3, 1))
    return content[: at + 8] + struct.pack("<I", number) + content[at + 12 :]


def without_photometric(compression: str | None) -> bytes:
    """Leave out what a TIFF's samples mean: its tag gets a number that nobody knows."""
    content = by_tifffile(GREY8, photometric="minisblack", compression=compression)
    at = content.index(struct.pack("<HHI", 262, 3, 1))
    return content[:at] + struct.pack("<H", 261) + content[at + 2 :]


def with_half_a_codestream() -> bytes:
    """End a JPEG 2000 strip in its middle, and keep its length."""
    content = by_tifffile(grain(96, 96), photometric="minisblack", compression="jpeg2000")
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        (start,), (count,) = tiff.pages.first.dataoffsets, tiff.pages.first.databytecounts
    middle, end = start + count // 2, start + count
    return content[:middle] + b"\xff\xd9" + bytes(end - middle - 2) + content[end:]


HEADER = chunk(b"IHDR", struct.pack(">2I5B", 48, 40, 8, 0, 0, 0, 0))
PIXELS = zlib.compress(bytes(49 * 40))
ODD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a palette without its colours": ("unsupported", lambda: of_photometric(3)),
    "a mask": ("unsupported", lambda: of_photometric(4)),
    "a TIFF of unheard-of colours": ("unsupported", lambda: of_photometric(999)),
    "a TIFF that says of no colours": ("corrupt", lambda: without_photometric(None)),
    "a zstd TIFF that says of no colours": ("corrupt", lambda: without_photometric("zstd")),
    "a chunk that says it has 2 GB": (
        "corrupt",
        lambda: png(HEADER, struct.pack(">I", 0x7FFFFFFF) + b"tEXt")[:57],
    ),
    "pixels that say they have 2 GB": (
        "corrupt",
        lambda: png(HEADER, struct.pack(">I", 0x7FFFFFFF) + b"IDAT" + PIXELS),
    ),
    "a header whose check fails": (
        "corrupt",
        lambda: png(HEADER[:-1] + b"\0", chunk(b"IDAT", PIXELS), chunk(b"IEND", b"")),
    ),
    "pixels whose check fails": (
        "corrupt",
        lambda: png(HEADER, chunk(b"IDAT", PIXELS)[:-1] + b"\0", chunk(b"IEND", b"")),
    ),
    "a text that unpacks to 100 MB": (
        "read",
        lambda: png(
            HEADER,
            chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000))),
            chunk(b"IDAT", PIXELS),
            chunk(b"IEND", b""),
        ),
    ),
    "ten thousand pixels of one byte": (
        "corrupt",
        lambda: png(HEADER, chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")),
    ),
    "strips said to be shorter": ("corrupt", lambda: with_short_strips(None)),
    "zstd strips said to be shorter": ("corrupt", lambda: with_short_strips("zstd")),
    "lzw strips said to be shorter": ("corrupt", lambda: with_short_strips("lzw")),
    "half a JPEG 2000 strip": ("corrupt", with_half_a_codestream),
    "a tile of a billion pixels": ("corrupt", tile_bomb),
    "a web page behind a picture": ("read", lambda: by_pillow("JPEG") + b"<html><script>"),
    "a picture behind a web page": ("not_an_image", lambda: b"<html>" + by_pillow("JPEG")),
    "a picture behind a PDF": ("unsupported", lambda: b"%PDF-1.7\n" + by_pillow("JPEG")),
    "an archive behind a picture": ("read", lambda: by_pillow("PNG") + b"PK\x03\x04" + bytes(99)),
    "boxes without end": ("corrupt", lambda: jp2(b"") + box(b"free", b"") * 10_000),
    "a box of no size": ("corrupt", lambda: jp2(b"")[:20] + bytes(64)),
}


@pytest.mark.parametrize("kind", ODD)
def test_oddities_take_little_memory(kind: str, tmp_path: Path) -> None:
    wanted, make = ODD[kind]
    (tmp_path / "odd").write_bytes(make())
    outcome, grown = opened_in_a_small_process(tmp_path / "odd")
    assert outcome == wanted
    assert grown < 50_000, "kilobytes"


NAMES = [
    "Brücke 東京 \N{CAMERA}.jpg",
    "a" * 251 + ".tif",
    "[1]*?.png",
    "-o.webp",
    " .jpg",
    "x\ny.jpg",
]
NAMES += ["scan.png[page=1]", "%d.tif", "e\N{COMBINING ACUTE ACCENT}.jp2"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["png", "tiff", "tiff-zstd", "jp2", "jxl", "heic"])
def test_a_name_is_only_a_name(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(whole(kind))
    (tmp_path / name).write_bytes(whole(kind))
    assert np.array_equal(Photo.open(tmp_path / name).luma, Photo.open(tmp_path / "plain").luma)


def test_a_path_of_a_thousand_bytes(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["b" * 200] * 5)
    folder.mkdir(parents=True)
    (folder / "scan.jp2").write_bytes(whole("jp2"))
    assert Photo.open(folder / "scan.jp2").luma.shape == (60, 80)
