"""JPEG XL files and bare codestreams, by imagecodecs (libjxl).

Samples come at the file's own depth; its own orientation counts, not EXIF's. imagecodecs does not
tell a profile inside the codestream: the note says that it stayed behind. The whole picture is
held, with the file; libjxl takes about half as much again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs

from photochrom.colorize.picture.luma import Samples, strips
from photochrom.colorize.picture.reading.boxes import Box, boxes
from photochrom.colorize.picture.reading.depth import from_float, spread, wide
from photochrom.colorize.picture.reading.exif import description_of
from photochrom.colorize.picture.reading.jxl_header import JxlHeader, jxl_header
from photochrom.colorize.picture.reading.source import Header, Source, corrupt, reading, refuse

_HEAD = 1 << 12
_PART_NUMBER = 4
_EXIF_OFFSET = 4


def open_jxl(path: Path) -> Source:
    """Open a file or a codestream by its header; raises SourceError."""
    with reading(), path.open("rb") as file:
        head = file.read(_HEAD)
        facts: dict[str, Any] = {}
        if head[:2] != b"\xff\x0a":
            outer = list(boxes(file, 0, os.fstat(file.fileno()).st_size))
            head = _codestream_head(file, outer)
            facts = _facts(file, outer)
        said = jxl_header(head)
    if said.bits > (32 if said.is_float else 16):
        refuse(f"a JPEG XL of {said.bits}-bit samples; convert it to TIFF first")
    header = Header(
        format="jxl",
        decoder=f"{imagecodecs.jpegxl_version()} imagecodecs {version('imagecodecs')}",
        width=said.width,
        height=said.height,
        bits=16 if said.is_float else wide(said.bits),
        channels=1 if said.grey else 3,
        orientation=said.orientation,
        note="its ICC profile was not read" if said.has_profile else "",
        description=description_of(facts.get("exif")),
        **facts,
    )
    return Source(header, partial(_rows, path, header, said))


def _codestream_head(file: BinaryIO, outer: list[Box]) -> bytes:
    """Return the first bytes of the codestream; raises SourceError if any of it is cut."""
    parts = [box for box in outer if box.kind in (b"jxlc", b"jxlp")]
    if not parts or not all(box.whole for box in parts):
        corrupt("its boxes hold no whole picture")
    head = b""
    for box in parts:
        file.seek(box.start + (_PART_NUMBER if box.kind == b"jxlp" else 0))
        head += file.read(min(_HEAD, box.end - file.tell()))
        if box.kind == b"jxlc" or len(head) >= _HEAD:
            break
    if parts[0].kind == b"jxlp":
        file.seek(parts[-1].start)
        if not file.read(1)[:1] >= b"\x80":
            corrupt("the last part of its codestream is missing")
    return head


def _facts(file: BinaryIO, outer: list[Box]) -> dict[str, Any]:
    """Read EXIF and XMP, packed or not; what cannot be unpacked is left behind."""
    facts: dict[str, Any] = {}
    for box in outer:
        kind, data = box.kind, b""
        if kind in (b"Exif", b"xml ", b"brob") and box.whole:
            data = box.read(file)
        if kind == b"brob":
            kind, data = data[:4], _unpacked(data[4:])
        if kind == b"Exif" and data:
            offset = int.from_bytes(data[:_EXIF_OFFSET], "big")
            facts["exif"] = data[_EXIF_OFFSET + offset :]
        elif kind == b"xml " and b"xmpmeta" in data:
            facts["xmp"] = data
    return facts


def _unpacked(data: bytes) -> bytes:
    try:
        return bytes(imagecodecs.brotli_decode(data))
    except (RuntimeError, ValueError):
        return b""


def _rows(path: Path, header: Header, said: JxlHeader) -> Iterator[Samples]:
    with reading():
        decoded = imagecodecs.jpegxl_decode(path.read_bytes(), keeporientation=True, numthreads=1)
        decoded = decoded if decoded.ndim > 2 else decoded[..., None]
    if decoded.shape[:2] != (header.height, header.width) or decoded.ndim != 3:
        corrupt(f"decodes to {decoded.shape}, not as its header says")
    for first, last in strips(header.height, header.width):
        block = decoded[first:last, :, : header.channels]
        block = from_float(block) if said.is_float else spread(block, said.bits)
        yield block[..., 0] if header.channels == 1 else block
