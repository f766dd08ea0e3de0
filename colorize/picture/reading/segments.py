"""TIFFs that libvips lacks a decoder for, by tifffile and imagecodecs, segment by segment.

ZSTD, LZMA, JPEG 2000 and JPEG XL; 10, 12 and 14 bits. tifffile gives raw samples, so that the
photometric is ours to apply. A missing segment would come back as zeros: every one is checked to
lie within the file before anything is decoded. One row of strips or tiles is held, of a single
strip the whole picture, twice while it is spread or turned.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Samples, top_of
from photochrom.colorize.picture.reading.codestream import SOC_SIZ, codestream
from photochrom.colorize.picture.reading.depth import spread, wide
from photochrom.colorize.picture.reading.source import Header, Source, corrupt, reading, refuse
from photochrom.colorize.picture.reading.tags import tagged

_MINISWHITE, _MINISBLACK, _RGB = 0, 1, 2
_PHOTOMETRIC = 262
_DEPTHS = {1, 2, 4, 8, 10, 12, 14, 16}
_LARGEST_TILE = 1 << 26  # samples, in a picture that is smaller


def open_segments(path: Path) -> Source:
    """Open the first page by its tags; raises SourceError."""
    with reading(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        header = _header(page)
        size = path.stat().st_size
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(count <= 0 or offset + count > size for offset, count in segments):
            corrupt("segments missing or past the end of the file")
    return Source(header, partial(_rows, path, header))


def _header(page: Any) -> Header:
    if _PHOTOMETRIC not in page.tags:  # tifffile would take it for minimum is white
        corrupt("it does not say what its samples mean: no photometric")
    with_what = f"with compression {page.compression!r}"
    if int(page.photometric) not in (_MINISWHITE, _MINISBLACK, _RGB):
        refuse(f"a TIFF of photometric {page.photometric!r} {with_what}")
    if page.bitspersample not in _DEPTHS or page.sampleformat != 1 or page.imagedepth != 1:
        refuse(f"a TIFF of {page.bitspersample}-bit samples {with_what}")
    tile = page.tilewidth * page.tilelength
    if tile > max(_LARGEST_TILE, page.imagewidth * page.imagelength):
        corrupt(f"a tile of {page.tilewidth} x {page.tilelength} pixels")
    if not all(isinstance(side, int) for side in (page.imagewidth, page.imagelength)):
        corrupt("its width and height are no whole numbers")
    return Header(
        format="tiff",
        decoder=f"tifffile {tifffile.__version__} imagecodecs {version('imagecodecs')}",
        width=page.imagewidth,
        height=page.imagelength,
        bits=wide(page.bitspersample),
        channels=1 if int(page.photometric) != _RGB else 3,
        **tagged(page),
    )


def _rows(path: Path, header: Header) -> Iterator[Samples]:
    with reading(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        white = int(page.photometric) == _MINISWHITE
        for raw in _bands(tiff, page):
            samples = raw[..., :3] if header.channels == 3 else raw[..., 0]
            block = spread(samples, page.bitspersample)
            yield top_of(header.bits) - block if white else block


def _bands(tiff: tifffile.TiffFile, page: Any) -> Iterator[NDArray[Any]]:
    """Decode one row of strips or tiles after another, (n, w, samples)."""
    width, height, samples = page.imagewidth, page.imagelength, page.samplesperpixel
    tall = page.tilelength if page.is_tiled else min(page.rowsperstrip, height)
    across = -(-width // page.tilewidth) if page.is_tiled else 1
    planes = samples if page.planarconfig == 2 else 1
    down = -(-height // tall)
    if len(page.dataoffsets) < planes * down * across:
        corrupt(f"{len(page.dataoffsets)} of its {planes * down * across} segments")
    for row in range(down):
        band = np.empty((min(tall, height - row * tall), width, samples), page.dtype)
        for plane in range(planes):
            for column in range(across):
                part = _segment(tiff, page, (plane * down + row) * across + column)
                left = column * (page.tilewidth if page.is_tiled else 0)
                place = band[:, left : left + part.shape[1]]
                part = part[: len(band), : place.shape[1]]
                if planes == 1:
                    place[:] = part
                else:
                    place[..., plane] = part[..., 0]
        yield band


def _segment(tiff: tifffile.TiffFile, page: Any, index: int) -> NDArray[Any]:
    """Decode one strip or tile, (n, m, samples); tifffile raises if it is short."""
    tiff.filehandle.seek(page.dataoffsets[index])
    data = tiff.filehandle.read(page.databytecounts[index])
    if data.startswith(SOC_SIZ):  # OpenJPEG would make up what is missing
        codestream(io.BytesIO(data), 0, len(data))
    decoded, _, _ = page.decode(data, index, jpegtables=page.jpegtables)
    return np.asarray(decoded[0])
