"""Read files strictly: the whole picture as its header promised, or a SourceError.

| magic bytes                                  | read by                                     |
|----------------------------------------------|---------------------------------------------|
| JPEG, PNG, WebP, AVIF, TIFF                  | libvips, strip by strip                     |
| TIFF: ZSTD, LZMA, JPEG 2000, JPEG XL; 10, 12 |                                             |
| and 14 bits                                  | tifffile + imagecodecs, tone handled here   |
| TIFF: old-style JPEG that is one whole JPEG  | libvips, from that JPEG                     |
| JPEG: 12 bit, lossless, JPEG-LS              | imagecodecs                                 |
| JPEG 2000, JPEG XL: files and codestreams    | imagecodecs                                 |
| HEIC                                         | pillow-heif, from `photochrom[heif]`        |
| DNG, and raw files in TIFF: NEF, CR2, ARW    | rawpy (LibRaw), from `photochrom[raw]`      |
| other known kinds                            | nobody: `unsupported`, with a hint          |
| anything else                                | nobody: `not_an_image`                      |

The file's name says nothing. Samples of fewer bits span 8, or 16 if more than 8, by repeating
their top bits; float samples in [0, 1] become `round(65535 v)`. Alpha and infrared are left out.
Of several pages or pictures the first, or the main one, is read, and the note says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.reading.heic import open_heic
from photochrom.colorize.picture.reading.jpeg import open_jpeg
from photochrom.colorize.picture.reading.jpeg2000 import open_jpeg2000
from photochrom.colorize.picture.reading.jxl import open_jxl
from photochrom.colorize.picture.reading.limits import MAX_PIXELS
from photochrom.colorize.picture.reading.png import open_png
from photochrom.colorize.picture.reading.source import Source, sniff
from photochrom.colorize.picture.reading.streamed import open_streamed
from photochrom.colorize.picture.reading.tiff import open_tiff

_OPENERS: dict[str, Callable[[Path], Source]] = {
    "avif": partial(open_streamed, name="avif"),
    "heic": open_heic,
    "j2k": open_jpeg2000,
    "jp2": open_jpeg2000,
    "jpeg": open_jpeg,
    "jxl": open_jxl,
    "png": open_png,
    "tiff": open_tiff,
    "webp": partial(open_streamed, name="webp"),
}
_HEAD = 256


def open_source(path: Path, max_pixels: int = MAX_PIXELS) -> Source:
    """Open a file by its magic bytes and check its header; raises SourceError.

    Nothing is decoded before the header's width and height have passed `max_pixels`.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    source = _OPENERS[sniff(head)](path)
    header = source.header
    if header.width < 1 or header.height < 1:
        raise SourceError(Fault.CORRUPT, f"{header.width} x {header.height} pixels")
    if header.width * header.height > max_pixels:
        raise SourceError(
            Fault.TOO_LARGE,
            f"{header.width} x {header.height} pixels, more than the limit of {max_pixels:,}",
        )
    return source
