"""Old-style JPEG in TIFF (compression 6), where it is one whole JPEG of the page's size.

TIFF 6.0 left so much open that readers guess; TIFF Technical Note 2 took it back. What is no whole
JPEG, or in RGB, which a JPEG decoder would take for YCbCr, is refused. libvips decodes, in strips.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import tifffile

from photochrom.colorize.picture.luma import Samples, top_of
from photochrom.colorize.picture.reading.jpeg_header import end_of_scans, frame_of
from photochrom.colorize.picture.reading.source import Source, corrupt, reading, refuse
from photochrom.colorize.picture.reading.streamed import open_streamed
from photochrom.colorize.picture.reading.tags import tagged

_KIND, _MEND = "an old-style JPEG in TIFF", "; convert it with the program that made it"
_PHOTOMETRIC, _START, _LENGTH = 262, 513, 514
_MINISWHITE = 0
_CHANNELS = {_MINISWHITE: 1, 1: 1, 6: 3}  # by photometric: white is 0, black is 0, YCbCr


def open_old_jpeg(path: Path) -> Source:
    """Open the first page; raises SourceError."""
    with reading(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff, path.open("rb") as file:
        page: Any = tiff.pages[0]
        photometric = _number(page, _PHOTOMETRIC)  # tifffile takes RGB for YCbCr
        facts = tagged(page)
        size = (int(page.imagewidth), int(page.imagelength))
        data = _whole_jpeg(page, file)
        frame = frame_of(data)
        end_of_scans(data)
    if not frame or not frame.is_plain or (frame.width, frame.height) != size:
        refuse(f"{_KIND} that is not one JPEG of the page's size{_MEND}")
    if frame.components != _CHANNELS.get(photometric):
        refuse(f"{_KIND} with {frame.components} channels of photometric {photometric}{_MEND}")
    source = open_streamed(data, "jpeg")
    header = replace(source.header, format="tiff", exif=None, **facts)
    if photometric != _MINISWHITE:
        return replace(source, header=header)
    return Source(header, lambda: _turned(source))


def _whole_jpeg(page: Any, file: BinaryIO) -> bytes:
    """Return the JPEG that the tags, or the page's only strip, point to."""
    places = [(_number(page, _START), _number(page, _LENGTH))]
    if len(page.dataoffsets) == 1:
        places.append((page.dataoffsets[0], page.databytecounts[0]))
    length = os.fstat(file.fileno()).st_size
    for start, count in places:
        file.seek(start)
        if start and file.read(3) == b"\xff\xd8\xff":
            if start + count > length:
                corrupt("its JPEG lies past the end of the file")
            file.seek(start)
            return file.read(count or -1)
    return refuse(f"{_KIND} that is no whole JPEG{_MEND}")


def _number(page: Any, code: int) -> int:
    value = page.tags[code].value if code in page.tags else 0
    return int(value[0] if isinstance(value, tuple) else value)


def _turned(source: Source) -> Iterator[Samples]:
    for block in source.rows():
        yield top_of(source.header.bits) - block
