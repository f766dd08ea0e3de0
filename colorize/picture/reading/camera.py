"""Camera scans: DNG, and the raw files that are TIFFs inside (NEF, CR2, ARW), by rawpy (LibRaw).

A raw file has no picture until it is developed, so how is part of the row's `decoder`: sensor
values between the camera's black and white levels, the camera's own white balance, AHD where there
is a filter array, sRGB primaries and curve, 16 bits. Nothing follows the picture's content: no
automatic brightness, no stretching, no noise reduction. The same wheel gives the same samples.
LibRaw holds 16 to 23 bytes for each pixel.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import tifffile

from photochrom.colorize.picture.luma import Samples, strips
from photochrom.colorize.picture.reading.source import Header, Source, corrupt, reading, refuse
from photochrom.colorize.picture.reading.tags import tagged

_HOW = "AHD, sRGB, as the camera balanced"
_SRGB_CURVE = (2.4, 12.92)
_BY_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # LibRaw's word for orientations
_MOST_LOOKED_AT = 50


def open_camera_raw(path: Path) -> Source:
    """Open a raw file by its header; raises SourceError."""
    try:
        rawpy: Any = importlib.import_module("rawpy")
    except ImportError:
        refuse("a camera raw file; to read it: pip install 'photochrom[raw]'")
    with reading(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        first: Any = tiff.pages[0]
        facts = tagged(first) | {"description": first.description.strip(), "dpi": None}
        _check_segments(tiff, first, path.stat().st_size)
    with _opened(rawpy, path) as raw:
        sizes, gray = raw.sizes, raw.num_colors == 1
        if sizes.pixel_aspect != 1 or raw.num_colors > 3:
            refuse("a camera raw file of oblong pixels or four colours; develop it to TIFF first")
        facts["orientation"] = _BY_FLIP.get(sizes.flip, 1)
    header = Header(
        format="raw",
        decoder=f"libraw {'.'.join(map(str, rawpy.libraw_version))} rawpy {rawpy.__version__}"
        f" ({_HOW})",
        width=sizes.iwidth,
        height=sizes.iheight,
        bits=16,
        channels=1 if gray else 3,
        **facts,
    )
    return Source(header, partial(_rows, rawpy, path, header))


def _check_segments(tiff: tifffile.TiffFile, first: Any, size: int) -> None:
    """Refuse a file that ends before a strip or tile of any of its pictures does."""
    pages = [*islice(tiff.pages, _MOST_LOOKED_AT), *islice(first.pages or (), _MOST_LOOKED_AT)]
    for page in pages:
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(offset + count > size for offset, count in segments):
            corrupt("segments past the end of the file")


@contextmanager
def _opened(rawpy: Any, path: Path) -> Iterator[Any]:
    """Open a file with LibRaw, which decodes nothing yet; raises SourceError."""
    with reading(rawpy.LibRawError):
        raw = rawpy.RawPy()
        try:
            raw.open_file(str(path))
            yield raw
        except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError):
            refuse("a camera raw file that LibRaw does not know; develop it to TIFF first")
        except rawpy.LibRawUnsufficientMemoryError as error:
            raise MemoryError from error
        finally:
            raw.close()


def _rows(rawpy: Any, path: Path, header: Header) -> Iterator[Samples]:
    with _opened(rawpy, path) as raw:
        raw.unpack()
        developed = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
            use_camera_wb=True,
            output_color=rawpy.ColorSpace.sRGB,
            output_bps=16,
            gamma=_SRGB_CURVE,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            user_flip=0,
        )
    if developed.shape != (header.height, header.width, header.channels):
        corrupt(f"develops to {developed.shape}, not as its header says")
    for first, last in strips(header.height, header.width):
        yield developed[first:last, :, 0] if header.channels == 1 else developed[first:last]
