"""TIFFs that libvips lacks a decoder for: ZSTD, JPEG 2000, JPEG XL and 12-bit, by tifffile.

tifffile gives raw samples, so the photometric is ours to apply. A missing segment would come back
as zeros: every segment is checked to lie within the file before anything is decoded.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from struct import error as struct_error
from typing import Any, NoReturn

import numpy as np
import tifffile

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.luma import Samples, top_of
from photochrom.colorize.picture.source import Header, Source, refuse

_BEYOND_VIPS = {33003, 33004, 33005, 34712, 34887, 34925, 34933, 34934, 50000, 50002, 52546}
_MINISWHITE, _MINISBLACK, _RGB = 0, 1, 2
_OF_THIS_MACHINE = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_UNREADABLE = (
    tifffile.TiffFileError,
    ArithmeticError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct_error,
)


@dataclass(frozen=True, slots=True)
class TiffFacts:
    """What the first page's tags say that libvips does not tell."""

    minimum_is_white: bool
    beyond_vips: bool
    description: str
    pages: int


def tiff_facts(path: Path) -> TiffFacts | None:
    """Read the first page's tags; None if tifffile cannot, and libvips shall judge the file."""
    try:
        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            beyond = int(page.compression) in _BEYOND_VIPS or page.bitspersample == 12
            white = int(page.photometric) == _MINISWHITE
            return TiffFacts(white, beyond, page.description.strip(), len(tiff.pages))
    except _UNREADABLE:
        return None


def open_tiff(path: Path) -> Source:
    """Open the first page by its tags; raises SourceError."""
    try:
        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            header = replace(_header(page), note=page_note(len(tiff.pages)))
            size = path.stat().st_size
            segments = zip(page.dataoffsets, page.databytecounts, strict=True)
            if any(count <= 0 or offset + count > size for offset, count in segments):
                raise SourceError(Fault.CORRUPT, "segments missing or past the end of the file")
    except _UNREADABLE as error:
        _give_up(error)
    return Source(header, lambda: _rows(path, header))


def _give_up(error: Exception) -> NoReturn:
    """Call the file corrupt, unless it is this machine's disk or limits that failed."""
    if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
        raise error
    raise SourceError(Fault.CORRUPT, f"{type(error).__name__}: {error}"[:500]) from error


def page_note(pages: int) -> str:
    """Return what a row says of a file of several pages, thumbnails included."""
    return f"the first of {pages} pages" if pages > 1 else ""


def _header(page: Any) -> Header:
    if int(page.photometric) not in (_MINISWHITE, _MINISBLACK, _RGB):
        refuse(f"a TIFF of photometric {page.photometric!r} with compression {page.compression!r}")
    if page.bitspersample not in (8, 12, 16) or page.sampleformat != 1:
        refuse(f"a TIFF of {page.bitspersample}-bit samples with compression {page.compression!r}")
    white = int(page.photometric) == _MINISWHITE
    tag = page.tags.get(274)
    return Header(
        format="tiff",
        decoder=f"tifffile {tifffile.__version__} imagecodecs {version('imagecodecs')}",
        width=int(page.imagewidth),
        height=int(page.imagelength),
        bits=8 if page.bitspersample == 8 else 16,
        channels=1 if int(page.photometric) != _RGB else 3,
        orientation=int(tag.value) if tag else 1,
        dpi=_dpi(page),
        icc=_blob(page, 34675),
        xmp=_blob(page, 700),
        iptc=_blob(page, 33723),
        description=page.description.strip(),
        tone_evidence="photometric: minimum is white" if white else "",
    )


def _blob(page: Any, code: int) -> bytes | None:
    """Return a tag's bytes; a tag of another type than its standard says is left behind."""
    tag = page.tags.get(code)
    return tag.value if tag and isinstance(tag.value, bytes) else None


def _dpi(page: Any) -> tuple[float, float] | None:
    x, y = page.get_resolution(unit="INCH") if page.tags.get(282) else (1.0, 1.0)
    return None if x <= 1 or y <= 1 else (float(x), float(y))


def _rows(path: Path, header: Header) -> Iterator[Samples]:
    """Decode the whole page, once, and give it as one block (h, w[, 3])."""
    try:
        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            samples = page.asarray()
            if page.axes.startswith("S") and samples.ndim == 3:
                samples = np.moveaxis(samples, 0, -1)
            narrow = page.bitspersample == 12
    except _UNREADABLE as error:
        _give_up(error)
    if samples.shape[:2] != (header.height, header.width):
        raise SourceError(Fault.CORRUPT, f"decodes to {samples.shape}, not as its tags say")
    if samples.ndim == 3:
        samples = samples[..., :3] if header.channels == 3 else samples[..., 0]
    if narrow:
        samples = (samples << 4) | (samples >> 8)
    if header.tone_evidence:
        samples = top_of(header.bits) - samples
    yield samples
