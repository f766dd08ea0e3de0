"""Write prints: TIFF by tifffile, strip by strip; JPEG, PNG and WebP by libvips.

libvips loses EXIF in TIFF, and tifffile writes nothing else, so each does what it does well.
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from photochrom.colorize.errors import PrintError
from photochrom.colorize.picture.iptc import wrapped
from photochrom.colorize.picture.luma import Samples, type_of
from photochrom.colorize.picture.source import Header
from photochrom.colorize.picture.vips import of_this_machine, pyvips

_BIGTIFF_FROM = (1 << 32) - (1 << 25)
_STRIP_BYTES = 1 << 20
_UNSAID_DPI = 72.0  # what files say that know no better
_PNG_HEAD = 33  # the signature and IHDR
_ORIENTATION, _DESCRIPTION, _XMP, _IPTC = 274, 270, 700, 33723
_CARRIED_TEXT = (271, 272, 306, 315, 33432)  # Make, Model, DateTime, Artist, Copyright
_BROKEN_EXIF = (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Canvas:
    """What an encoder needs beside the samples."""

    width: int
    height: int
    bits: int
    xmp: bytes
    icc: bytes | None
    dpi: tuple[float, float] | None
    description: str
    exif: Image.Exif
    iptc: bytes = b""

    @property
    def bytes(self) -> int:
        """The size of the samples, three to a pixel."""
        return self.width * self.height * 3 * self.bits // 8


def carried_exif(header: Header, description: str) -> Image.Exif:
    """Return the source's EXIF as a print may have it: upright, no thumbnail, description ours.

    EXIF that cannot be read is left behind rather than passed on broken.
    """
    exif = Image.Exif()
    if header.exif:
        try:
            exif.load(header.exif)
            exif.tobytes()
        except _BROKEN_EXIF:
            exif = Image.Exif()
    exif[_ORIENTATION] = 1
    exif[_DESCRIPTION] = description
    return exif


def write_tiff(path: Path, canvas: Canvas, blocks: Iterator[Samples], compression: str) -> None:
    """Write RGB rows as they come; `compression` is none or deflate."""
    rows = max(1, _STRIP_BYTES // (canvas.width * 3 * canvas.bits // 8))
    deflate = compression == "deflate"
    segments = _segments(blocks, rows)
    tags: list[tuple[Any, ...]] = [(_XMP, 1, len(canvas.xmp), canvas.xmp, True)]
    tags += [
        (tag, 2, 0, str(canvas.exif[tag]), True) for tag in _CARRIED_TEXT if tag in canvas.exif
    ]
    tags.append((_DESCRIPTION, 2, 0, canvas.description.encode(), True))
    if canvas.iptc:
        tags.append((_IPTC, 7, len(canvas.iptc), canvas.iptc, True))
    with tifffile.TiffWriter(path, byteorder="<", bigtiff=canvas.bytes >= _BIGTIFF_FROM) as writer:
        writer.write(
            (zlib.compress(data, 6) for data in segments) if deflate else segments,
            shape=(canvas.height, canvas.width, 3),
            dtype=type_of(canvas.bits),
            photometric="rgb",
            rowsperstrip=rows,
            compression="adobe_deflate" if deflate else None,
            iccprofile=canvas.icc,
            resolution=canvas.dpi,
            resolutionunit="INCH" if canvas.dpi else None,
            software=False,
            metadata=None,
            extratags=tags,
        )


def _segments(blocks: Iterator[Samples], rows: int) -> Iterator[bytes]:
    """Cut blocks of any height into strips of `rows` rows, the last one shorter."""
    held: list[Samples] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) < rows:
            continue
        joined = np.concatenate(held)
        whole = len(joined) - len(joined) % rows
        for first in range(0, whole, rows):
            yield joined[first : first + rows].tobytes()
        held = [joined[whole:]] if whole < len(joined) else []
    if held:
        yield np.concatenate(held).tobytes()


def write_vips(path: Path, canvas: Canvas, blocks: Iterator[Samples], **options: Any) -> None:
    """Write RGB rows through libvips; the options are its saver's. Raises PrintError.

    The samples pass through a file beside `path`, which libvips reads as it writes: in memory they
    would be three times the photo.
    """
    raw = path.with_name(path.name + ".samples")
    try:
        with raw.open("wb") as file:
            for block in blocks:
                file.write(block.data)
        _save(path, canvas, raw, options)
    finally:
        raw.unlink(missing_ok=True)


def write_png(path: Path, canvas: Canvas, blocks: Iterator[Samples]) -> None:
    """Write RGB rows as PNG, with the XMP in a chunk of its own behind the header.

    libvips would put it where few readers look (zTXt).
    """
    bare = path.with_name(path.name + ".bare.png")
    chunk = b"iTXtXML:com.adobe.xmp" + bytes(5) + canvas.xmp
    try:
        write_vips(bare, replace(canvas, xmp=b""), blocks)
        with bare.open("rb") as source, path.open("wb") as target:
            target.write(source.read(_PNG_HEAD))
            target.write(struct.pack(">I", len(chunk) - 4) + chunk)
            target.write(struct.pack(">I", zlib.crc32(chunk)))
            shutil.copyfileobj(source, target, 1 << 20)
    finally:
        bare.unlink(missing_ok=True)


def _save(path: Path, canvas: Canvas, raw: Path, options: dict[str, Any]) -> None:
    wide = canvas.bits == 16
    dots = canvas.dpi or (_UNSAID_DPI, _UNSAID_DPI)
    blobs = {
        "xmp-data": canvas.xmp,
        "icc-profile-data": canvas.icc,
        "exif-data": canvas.exif.tobytes(),
        "iptc-data": wrapped(canvas.iptc) if canvas.iptc else b"",
    }
    try:
        image = pyvips.Image.rawload(
            str(raw),
            canvas.width,
            canvas.height,
            3,
            format="ushort" if wide else "uchar",
            interpretation="rgb16" if wide else "srgb",
            access="sequential",
        )
        image = image.copy(xres=dots[0] / 25.4, yres=dots[1] / 25.4)
        for name, data in blobs.items():
            if data:
                image.set_type(pyvips.GValue.blob_type, name, data)
        image.write_to_file(str(path), **options)
    except pyvips.Error as error:
        message = " ".join(str(error).split())[:300]
        if of_this_machine(message):
            raise OSError(message) from error
        raise PrintError(message) from error
