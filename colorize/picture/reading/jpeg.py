"""JPEGs that libvips lacks a decoder for: 12-bit, lossless (SOF3) and JPEG-LS, by imagecodecs.

The whole picture is held twice, with the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Samples, strips
from photochrom.colorize.picture.reading.depth import spread, wide
from photochrom.colorize.picture.reading.jpeg_header import (
    JPEG_LS,
    LOSSLESS,
    Frame,
    carried,
    end_of_scans,
    frame_of,
    pictures_in,
)
from photochrom.colorize.picture.reading.source import Header, Source, corrupt, reading, refuse
from photochrom.colorize.picture.reading.streamed import open_streamed
from photochrom.colorize.picture.reading.whole_jpeg import decoded_whole

_HUFFMAN = {0xC0, 0xC1, 0xC2, LOSSLESS}
_HEAD = 1 << 17


def open_jpeg(path: Path) -> Source:
    """Open a JPEG by the process that its frame names; raises SourceError."""
    with reading(), path.open("rb") as file:
        data = file.read(_HEAD)
        frame = frame_of(data)
        if len(data) == _HEAD and (frame is None or not frame.is_plain):
            data += file.read()
            frame = frame_of(data)
        if frame is None or frame.is_plain:
            return _streamed(path, pictures_in(data))
        if frame.components not in (1, 3) or frame.bits > 16 or not frame.height:
            refuse(f"a {frame.bits}-bit JPEG of {frame.components} channels; convert it to TIFF")
        if frame.marker not in _HUFFMAN | {JPEG_LS}:
            refuse(f"a {frame.bits}-bit JPEG of process {frame.marker:#x}; convert it to TIFF")
        end_of_scans(data)
        header = Header(
            format="jpeg",
            decoder=f"{_library(frame)} imagecodecs {version('imagecodecs')}",
            width=frame.width,
            height=frame.height,
            bits=wide(frame.bits),
            channels=frame.components,
            **carried(data),
        )
    return Source(header, partial(_rows, path, frame))


def _streamed(path: Path, pictures: int) -> Source:
    source = open_streamed(path, "jpeg")
    note = f"the first of {pictures} pictures" if pictures > 1 else ""
    return replace(source, header=replace(source.header, note=note))


def _library(frame: Frame) -> str:
    said = imagecodecs.jpegls_version() if frame.marker == JPEG_LS else imagecodecs.jpeg8_version()
    return str(said).replace("_turbo", "-turbo").partition("/")[0]


def _rows(path: Path, frame: Frame) -> Iterator[Samples]:
    with reading():
        data = path.read_bytes()
        decoded = _decode(data, frame)
    if decoded.shape[:2] != (frame.height, frame.width):
        corrupt(f"decodes to {decoded.shape}, not as its header says")
    for first, last in strips(frame.height, frame.width):
        yield spread(decoded[first:last], frame.bits)


def _decode(data: bytes, frame: Frame) -> NDArray[Any]:
    """Decode all of a JPEG, (h, w[, 3])."""
    if frame.marker == JPEG_LS:  # CharLS is strict
        return np.asarray(imagecodecs.jpegls_decode(data))
    return decoded_whole(data)
