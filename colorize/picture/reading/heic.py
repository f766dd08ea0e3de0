"""HEIC, by pillow-heif (libheif, libde265): the main picture, upright as libheif turns it.

10 and 12 bits come shifted to the top of 16; they are spread. The whole picture is held, in libheif
and as samples.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from photochrom.colorize.picture.luma import Samples, strips
from photochrom.colorize.picture.reading.depth import spread, wide
from photochrom.colorize.picture.reading.exif import description_of
from photochrom.colorize.picture.reading.source import Header, Source, corrupt, reading, refuse

_ALSO_RAISED = (EOFError, SyntaxError)  # for libheif's own errors
_CHANNELS = {"L": 1, "LA": 1, "I;16": 1, "I;16L": 1, "LA;16": 1}


def open_heic(path: Path) -> Source:
    """Open a file by its header; raises SourceError."""
    heif = _library()
    with reading(*_ALSO_RAISED):
        opened = heif.open_heif(path, convert_hdr_to_8bit=False, bgr_mode=False)
        picture = opened[opened.primary_index]
        bits, info = int(picture.info["bit_depth"]), picture.info
        header = Header(
            format="heic",
            decoder=f"libheif {heif.libheif_version()} pillow-heif {heif.__version__}",
            width=int(picture.size[0]),
            height=int(picture.size[1]),
            bits=wide(bits),
            channels=_CHANNELS.get(picture.mode, 3),
            icc=info.get("icc_profile") or None,
            exif=info.get("exif") or None,
            xmp=info.get("xmp") or None,
            description=description_of(info.get("exif")),
            note=f"the main one of {len(opened)} pictures" if len(opened) > 1 else "",
        )
    return Source(header, partial(_rows, path, header, bits))


def _library() -> Any:
    try:
        return importlib.import_module("pillow_heif")
    except ImportError:
        return refuse("a HEIC file; to read it: pip install 'photochrom[heif]'")


def _rows(path: Path, header: Header, bits: int) -> Iterator[Samples]:
    with reading(*_ALSO_RAISED):
        opened = _library().open_heif(path, convert_hdr_to_8bit=False, bgr_mode=False)
        decoded = np.asarray(opened[opened.primary_index])
        decoded = decoded if decoded.ndim == 3 else decoded[..., None]
    if decoded.shape[:2] != (header.height, header.width):
        corrupt(f"decodes to {decoded.shape}, not as its header says")
    for first, last in strips(header.height, header.width):
        block = decoded[first:last, :, : header.channels]
        block = spread(block >> (16 - bits) if bits > 8 else block, bits)
        yield block[..., 0] if header.channels == 1 else block
