"""The outside of a JPEG 2000 codestream: its size, its depth, and whether all of it is there.

ISO/IEC 15444-1, annex A: SIZ, then tile-parts that each say how long they are, then EOC.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from photochrom.colorize.picture.reading.source import corrupt, refuse

SOC_SIZ = b"\xff\x4f\xff\x51"
_SOT, _EOC = 0xFF90, b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Codestream:
    """Where a codestream lies in its file, and what its SIZ marker says."""

    start: int
    end: int
    width: int
    height: int
    bits: int
    components: int
    subsampled: bool


def codestream(file: BinaryIO, start: int, end: int) -> Codestream:
    """Read a codestream's header and count its tile-parts; raises SourceError."""
    file.seek(start)
    head = file.read(42)
    if head[:4] != SOC_SIZ or len(head) < 42:
        corrupt("no JPEG 2000 codestream where one should begin")
    _, _, x1, y1, x0, y0, tx, ty, tx0, ty0, count = struct.unpack(">HH8IH", head[4:42])
    parts = file.read(3 * count)
    if not count or len(parts) < 3 * count or x1 <= x0 or y1 <= y0 or not (tx and ty):
        corrupt("its JPEG 2000 header makes no sense")
    depths, across, down = parts[::3], parts[1::3], parts[2::3]
    if 0 in across or 0 in down:
        corrupt("its JPEG 2000 header makes no sense")
    if len(set(depths)) > 1 or depths[0] & 0x80 or depths[0] > 15:
        kinds = ", ".join(f"{'signed ' * (d >> 7)}{(d & 127) + 1}" for d in depths)
        refuse(f"a JPEG 2000 with samples of {kinds} bits; convert it to TIFF first")
    tiles = -(-(x1 - tx0) // tx) * -(-(y1 - ty0) // ty)
    _check_tile_parts(file, start, end, tiles)
    return Codestream(
        start=start,
        end=end,
        width=-(-x1 // across[0]) - -(-x0 // across[0]),
        height=-(-y1 // down[0]) - -(-y0 // down[0]),
        bits=depths[0] + 1,
        components=count,
        subsampled=len(set(across)) + len(set(down)) > 2 or across[0] != 1 or down[0] != 1,
    )


def _check_tile_parts(file: BinaryIO, start: int, end: int, tiles: int) -> None:
    """Walk from marker to marker; raises SourceError unless every tile has all its parts."""
    place, held, wanted = start + 2, Counter[int](), Counter[int]()
    while True:
        file.seek(place)
        head = file.read(12)[: end - place]
        if head[:2] == _EOC:
            break
        if len(head) < 4 or head[0] != 0xFF:
            corrupt("its JPEG 2000 codestream is cut")
        marker, length = struct.unpack(">HH", head[:4])
        if marker != _SOT:
            place += 2 + length
            continue
        if len(head) < 12:
            corrupt("its JPEG 2000 codestream is cut")
        tile, length, part, parts = struct.unpack(">HIBB", head[4:12])
        held[tile] += 1
        wanted[tile] = max(wanted[tile], parts, part + 1)
        place = place + length if length else end - 2
        if place > end - 2 or 0 < length < 14:
            corrupt("its JPEG 2000 codestream is cut")
    if len(held) != tiles or wanted - held:
        corrupt(f"parts of its {tiles} JPEG 2000 tiles are missing")
