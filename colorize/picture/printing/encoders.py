"""Write JPEG, PNG and WebP prints by libvips.

libvips loses EXIF in TIFF, and tifffile writes nothing else, so each does what it does well.
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from photochrom.colorize.errors import PrintError
from photochrom.colorize.picture.luma import Samples
from photochrom.colorize.picture.marking.iptc import wrapped
from photochrom.colorize.picture.printing.canvas import Canvas
from photochrom.colorize.picture.printing.tiff_encoder import write_tiff
from photochrom.colorize.picture.vips import of_this_machine, pyvips

_UNSAID_DPI = 72.0  # what files say that know no better
_PNG_HEAD = 33  # the signature and IHDR
_OF_THE_TIFF = ("bits-per-sample", "image-description", "n-pages", "orientation", "xmp-data")


def write_vips(path: Path, canvas: Canvas, blocks: Iterator[Samples], **options: Any) -> None:
    """Write RGB rows through libvips; the options are its saver's. Raises PrintError.

    The samples pass through a plain TIFF beside `path`, which libvips reads strip by strip as it
    writes: in memory they would be three times the photo.
    """
    plain = path.with_name(path.name + ".samples")
    bare = replace(canvas, xmp=b" ", icc=None, dpi=None, description="", exif=Image.Exif())
    try:
        write_tiff(plain, bare, blocks)
        _save(path, canvas, plain, options)
    finally:
        plain.unlink(missing_ok=True)


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


def _save(path: Path, canvas: Canvas, plain: Path, options: dict[str, Any]) -> None:
    dots = canvas.dpi or (_UNSAID_DPI, _UNSAID_DPI)
    blobs = {
        "xmp-data": canvas.xmp,
        "icc-profile-data": canvas.icc,
        "exif-data": canvas.exif.tobytes(),
        "iptc-data": wrapped(canvas.iptc) if canvas.iptc else b"",
    }
    try:
        image = pyvips.Image.new_from_file(str(plain), access="sequential", fail_on="error")
        image = image.copy(xres=dots[0] / 25.4, yres=dots[1] / 25.4)
        for name in image.get_fields():
            if name in _OF_THE_TIFF:
                image.remove(name)
        for name, data in blobs.items():
            if data:
                image.set_type(pyvips.GValue.blob_type, name, data)
        image.write_to_file(str(path), **options)
    except pyvips.Error as error:
        message = " ".join(str(error).split())[:300]
        if of_this_machine(message):
            raise OSError(message) from error
        raise PrintError(message) from error
