"""JPEG 2000 files (JP2, JPX) and bare codestreams, HTJ2K too, by imagecodecs (OpenJPEG).

OpenJPEG gets the codestream alone; what the boxes say of palette, channels and colour is applied
here (ISO/IEC 15444-1, annex I). An orientation in EXIF turns nothing: the format knows none, and
its viewers do not look. The whole picture is held: in OpenJPEG 4 bytes for each sample, then the
samples themselves, and the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from photochrom.colorize.picture.luma import Samples, strips, top_of
from photochrom.colorize.picture.reading.boxes import Box, boxes
from photochrom.colorize.picture.reading.codestream import SOC_SIZ, Codestream, codestream
from photochrom.colorize.picture.reading.depth import spread, wide
from photochrom.colorize.picture.reading.exif import description_of
from photochrom.colorize.picture.reading.jp2_colour import Colour, colour_in, colour_unsaid
from photochrom.colorize.picture.reading.source import Header, Source, corrupt, reading, refuse

_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_EXIF = b"JpgTiffExif->JP2"


def open_jpeg2000(path: Path) -> Source:
    """Open a file or a codestream by its header; raises SourceError."""
    facts: dict[str, Any] = {}
    with reading(), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(4) == SOC_SIZ:
            stream = codestream(file, 0, size)
            colour = colour_unsaid(stream.components)
        else:
            stream, colour, facts = _in_boxes(file, list(boxes(file, 0, size)))
    if stream.subsampled:
        refuse("a JPEG 2000 whose components differ in size; convert it to TIFF first")
    if max(colour.components) >= stream.components:
        corrupt("its boxes name components that its codestream lacks")
    header = Header(
        format="jp2",
        decoder=f"{imagecodecs.jpeg2k_version()} imagecodecs {version('imagecodecs')}",
        width=stream.width,
        height=stream.height,
        bits=wide(colour.bits or stream.bits),
        channels=1 if colour.space == "grey" else 3,
        **facts,
    )
    return Source(header, partial(_rows, path, header, stream, colour))


def _in_boxes(file: BinaryIO, outer: list[Box]) -> tuple[Codestream, Colour, dict[str, Any]]:
    """Find the first picture of a file and what is said of it."""
    pictures = [box for box in outer if box.kind == b"jp2c"]
    heads = [box for box in outer if box.kind == b"jp2h"]
    if not pictures or not heads or not (pictures[0].whole and heads[0].whole):
        corrupt("its boxes hold no whole picture")
    stream = codestream(file, pictures[0].start, pictures[0].end)
    inner = list(boxes(file, heads[0].start, heads[0].end))
    colour = colour_in(file, inner, stream.components)
    facts: dict[str, Any] = {"icc": colour.icc, "dpi": _resolution(file, inner)}
    for box in outer:
        if box.kind == b"uuid" and box.whole:
            name, data = _named(box.read(file))
            facts |= {name: data} if name else {}
    facts["description"] = description_of(facts.get("exif"))
    if len(pictures) > 1:
        facts["note"] = f"the first of {len(pictures)} pictures"
    return stream, colour, facts


def _named(payload: bytes) -> tuple[str, bytes]:
    """Tell which field of a header a uuid box holds; none if it is something else."""
    return {_XMP: "xmp", _IPTC: "iptc", _EXIF: "exif"}.get(payload[:16], ""), payload[16:]


def _resolution(file: BinaryIO, inner: list[Box]) -> tuple[float, float] | None:
    """Return the resolution at capture, else that for display, in dots per inch."""
    for outer in (box for box in inner if box.kind == b"res "):
        found = {box.kind: box.read(file) for box in boxes(file, outer.start, outer.end)}
        data = found.get(b"resc", found.get(b"resd", b""))
        if len(data) == 10:
            up, up_by, across, across_by, up_ten, across_ten = struct.unpack(">4H2b", data)
            if up and up_by and across and across_by:
                per_metre = (across / across_by * 10.0**across_ten, up / up_by * 10.0**up_ten)
                return round(per_metre[0] * 0.0254, 3), round(per_metre[1] * 0.0254, 3)
    return None


def _rows(path: Path, header: Header, stream: Codestream, colour: Colour) -> Iterator[Samples]:
    with reading():
        with path.open("rb") as file:
            file.seek(stream.start)
            data = file.read(stream.end - stream.start)
        decoded = imagecodecs.jpeg2k_decode(data, numthreads=1)
        decoded = decoded if decoded.ndim == 3 else decoded[..., None]
    if decoded.shape[:2] != (header.height, header.width):
        corrupt(f"decodes to {decoded.shape}, not as its header says")
    bits = colour.bits or stream.bits
    for first, last in strips(header.height, header.width):
        block = spread(colour.pick(decoded[first:last]), bits)
        if colour.space == "sycc":
            block = _rgb(block)
        yield block[..., 0] if header.channels == 1 else block


def _rgb(ycc: Samples) -> Samples:
    """Turn sYCC (n, w, 3) of full range into RGB, as IEC 61966-2-1, annex F, has it."""
    top = top_of(ycc.dtype.itemsize * 8)
    y, cb, cr = np.moveaxis(ycc.astype(np.float64) - (0, top // 2 + 1, top // 2 + 1), -1, 0)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.asarray(np.rint(np.clip(rgb, 0, top)), ycc.dtype)
