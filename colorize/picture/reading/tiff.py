"""TIFFs: by their first page's tags, to the decoder that reads them right.

libvips reads most. tifffile and imagecodecs read what it lacks, rawpy what a camera left as sensor
values; an old-style JPEG is read where it is one whole JPEG.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import tifffile

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.luma import Samples
from photochrom.colorize.picture.reading.camera import open_camera_raw
from photochrom.colorize.picture.reading.jpeg_header import end_of_scans
from photochrom.colorize.picture.reading.old_jpeg import open_old_jpeg
from photochrom.colorize.picture.reading.segments import open_segments
from photochrom.colorize.picture.reading.source import Source, reading, refuse
from photochrom.colorize.picture.reading.streamed import open_streamed
from photochrom.colorize.picture.reading.whole_jpeg import decoded_whole

_BEYOND_VIPS = {33003, 33004, 33005, 34712, 34887, 34925, 34933, 34934, 50000, 50002, 52546}
_DEPTHS_BEYOND_VIPS = {10, 12, 14}
_OLD_JPEG, _JPEG = 6, 7
_MINISWHITE, _PALETTE, _YCBCR = 0, 3, 6
_GREY_AND_RGB = {_MINISWHITE, 1, 2}
_COLOUR_MAP = 320
_OF_SENSORS = {32803, 34892}  # a colour filter array; values for each pixel, but linear
_DNG_VERSION = 50706
_MOST_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class _Facts:
    """What tags say that libvips does not tell; `reader` is who reads the first page."""

    reader: str
    minimum_is_white: bool
    description: str
    pages: int
    in_jpegs: bool


def open_tiff(path: Path) -> Source:
    """Open the first page; raises SourceError."""
    facts = _facts(path)
    if facts is None:  # libvips shall judge the file
        return open_streamed(path, "tiff")
    match facts.reader:
        case "camera":
            return open_camera_raw(path)
        case "old jpeg":
            source = open_old_jpeg(path)
        case "segments":
            source = open_segments(path)
        case _:
            source = open_streamed(path, "tiff")
    header = replace(
        source.header,
        tone_evidence="photometric: minimum is white" if facts.minimum_is_white else "",
        description=facts.description,
        note=f"the first of {facts.pages} pages" if facts.pages > 1 else "",
    )
    rows = partial(_rows_of_jpegs, path, source) if facts.in_jpegs else source.rows
    return replace(source, header=header, rows=rows)


def _rows_of_jpegs(path: Path, source: Source) -> Iterator[Samples]:
    """Decode rows, and then look whether anything was made up: no decoder of TIFFs tells."""
    yield from source.rows()
    with reading(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        tables = page.jpegtables or b""
        tables = tables[: end_of_scans(tables)] if tables else b""
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            tiff.filehandle.seek(offset)
            decoded_whole(tables + tiff.filehandle.read(count)[2 if tables else 0 :])


def _facts(path: Path) -> _Facts | None:
    """Read the first page's tags; None if tifffile cannot."""
    try:
        with reading(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            return _Facts(
                reader=_reader(tiff, page),
                minimum_is_white=int(page.photometric) == _MINISWHITE,
                description=page.description.strip(),
                pages=len(tiff.pages),
                in_jpegs=page.compression == _JPEG,
            )
    except SourceError as error:
        if error.reason is Fault.UNSUPPORTED:
            raise
        return None


def _reader(tiff: tifffile.TiffFile, page: Any) -> str:
    """Choose who reads the first page; raises SourceError where that is not the picture."""
    tiff.filehandle.seek(8)
    others = list(_others(tiff, page))
    sensor = any(int(each.photometric) in _OF_SENSORS for each in (page, *others))
    if _DNG_VERSION in page.tags or tiff.filehandle.read(2) == b"CR" or sensor:
        return "camera"
    if page.is_reduced and any(_area(other) > _area(page) for other in others):
        refuse("a TIFF whose first page is a thumbnail; save its full picture by itself")
    if page.compression == _OLD_JPEG:
        return "old jpeg"
    packed = page.compression == _JPEG and page.bitspersample != 8
    beyond = int(page.compression) in _BEYOND_VIPS or page.bitspersample in _DEPTHS_BEYOND_VIPS
    if beyond or packed:
        return "segments"
    _check_colours(page)
    return "libvips"


def _check_colours(page: Any) -> None:
    """Refuse colours that libvips would take for grey or RGB, as they come."""
    kind = int(page.photometric)
    palette = kind == _PALETTE and _COLOUR_MAP in page.tags and page.bitspersample <= 8
    packed = kind == _YCBCR and page.compression == _JPEG
    if kind not in _GREY_AND_RGB and not (palette or packed):
        said = getattr(page.photometric, "name", kind)
        refuse(f"a TIFF of photometric {said}; convert it to grey or RGB first")


def _others(tiff: tifffile.TiffFile, page: Any) -> Iterator[Any]:
    """Yield the pages beside and below the first one, as far as they can be read."""
    for pages, first in ((page.pages, 0), (tiff.pages, 1)):
        for index in range(first, min(len(pages or ()), _MOST_LOOKED_AT)):
            try:
                with reading(tifffile.TiffFileError):
                    yield pages[index]
            except SourceError:
                break


def _area(page: Any) -> int:
    return int(page.imagewidth) * int(page.imagelength)
