"""TIFFs, JPEGs and JPEG 2000 boxes put together by hand, so that no library vouches for itself."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pyarrow

from tests.colorize.picture.lightbox import Samples, packed

PHOTOMETRICS = {"miniswhite": 0, "minisblack": 1, "rgb": 2}


def _packbits(data: bytes) -> bytes:
    """Write runs of literal bytes only, as PackBits may."""
    parts = [data[at : at + 128] for at in range(0, len(data), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


COMPRESSIONS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (1, lambda data: data),
    "lzw": (5, lambda data: bytes(imagecodecs.lzw_encode(data))),  # libtiff reads it
    "deflate": (8, zlib.compress),
    "packbits": (32773, _packbits),
    "lzma": (34925, lzma.compress),
    "zstd": (50000, lambda data: pyarrow.compress(data, codec="zstd", asbytes=True)),
}


def tiff(
    values: Samples,
    bits: int,
    photometric: str,
    *,
    compression: str = "none",
    planar: bool = False,
    order: str = "<",
    rows: int = 7,
    tags: tuple[tuple[int, int, int, Any], ...] = (),
) -> bytes:
    """Write values (h, w[, n]) of `bits` bits in strips; rows of few bits end on a whole byte."""
    height, width = values.shape[:2]
    count = 1 if values.ndim == 2 else values.shape[2]
    planes = [values[..., i] for i in range(count)] if planar else [values.reshape(height, -1)]
    number, pack = COMPRESSIONS[compression]
    strips = [
        pack(_raw(plane[first : first + rows], bits, order))
        for plane in planes
        for first in range(0, height, rows)
    ]
    offsets = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    entries: list[tuple[int, int, int, Any]] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, count, [bits] * count),
        (259, 3, 1, number),
        (262, 3, 1, PHOTOMETRICS[photometric]),
        (273, 4, len(strips), offsets),
        (277, 3, 1, count),
        (278, 4, 1, rows),
        (279, 4, len(strips), [len(strip) for strip in strips]),
        (284, 3, 1, 2 if planar else 1),
        *tags,
    ]
    return directory(b"".join(strips), sorted(entries), order)


def directory(body: bytes, entries: list[tuple[int, int, int, Any]], order: str = "<") -> bytes:
    """Write a TIFF of one directory after a body that begins at byte 8."""
    body += bytes(len(body) % 2)
    at = 8 + len(body)
    extra_at, extra, table = at + 2 + 12 * len(entries) + 4, b"", b""
    for tag, kind, count, value in entries:
        data = _values(kind, value, order)
        if len(data) > 4:
            place, data = (
                struct.pack(order + "I", extra_at + len(extra)),
                data + bytes(len(data) % 2),
            )
            extra += data
        else:
            place = data.ljust(4, b"\0")
        table += struct.pack(order + "HHI", tag, kind, count) + place
    magic = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, at)
    return magic + body + struct.pack(order + "H", len(entries)) + table + bytes(4) + extra


def _values(kind: int, value: Any, order: str) -> bytes:
    if isinstance(value, bytes):
        return value
    numbers = value if isinstance(value, list) else [value]
    letter = {1: "B", 3: "H", 4: "I", 7: "B"}[kind]
    return struct.pack(f"{order}{len(numbers)}{letter}", *numbers)


def _raw(rows: Samples, bits: int, order: str) -> bytes:
    if bits in (8, 16):
        return rows.astype(f"{order}u{bits // 8}").tobytes()
    return packed(rows, bits)


# JPEG: one Huffman table; its codes have eight bits and say how many bits of a difference follow


def _table(lengths: int) -> bytes:
    return bytes([0] * 7 + [lengths] + [0] * 8) + bytes(range(lengths))


def lossless_jpeg(values: Samples, bits: int) -> bytes:
    """Write values (h, w[, 3]) as a lossless JPEG (SOF3), each predicted from its left."""
    height, width = values.shape[:2]
    planes = values.reshape(height, width, -1).astype(np.int64)
    before = np.roll(planes, 1, axis=1)
    before[:, 0] = np.roll(planes[:, 0], 1, axis=0)
    before[0, 0] = 1 << bits - 1
    differences = (planes - before + 32768) % 65536 - 32768
    scan = "".join(_coded(int(value)) for value in differences.ravel())
    return _jpeg(0xC3, bits, (height, width), planes.shape[2], _bytes(scan), predictor=1)


def flat_blocks_jpeg(levels: Samples, bits: int) -> bytes:
    """Write a DCT JPEG (SOF1) of flat 8 x 8 blocks: each level (h, w) is that of a block.

    The DC of a block is eight times its level less half the range, and the quantiser is eight.
    """
    level = levels.astype(np.int64).ravel() - (1 << bits - 1)
    differences = np.diff(level, prepend=0)
    scan = "".join(_coded(int(value)) + "00000000" for value in differences)  # no AC: end of block
    height, width = levels.shape
    quantiser = b"\xff\xdb\0\x43\0" + bytes([8] * 64)
    return _jpeg(0xC1, bits, (8 * height, 8 * width), 1, _bytes(scan), before=quantiser)


def _coded(difference: int) -> str:
    """Write a difference: the code of its length, then its bits, negative ones less one."""
    if difference in (-32768, 32768):
        return f"{16:08b}"
    length = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << length) - 1
    return f"{length:08b}" + (f"{value:0{length}b}" if length else "")


def _bytes(digits: str) -> bytes:
    digits += "1" * (-len(digits) % 8)
    data = int(digits, 2).to_bytes(len(digits) // 8, "big")
    return data.replace(b"\xff", b"\xff\0")


def _jpeg(
    frame: int,
    bits: int,
    size: tuple[int, int],
    count: int,
    scan: bytes,
    *,
    before: bytes = b"",
    predictor: int = 0,
) -> bytes:
    names = bytes(range(1, count + 1))
    sof = struct.pack(">BHHB", bits, *size, count) + b"".join(bytes([n, 0x11, 0]) for n in names)
    sos = bytes([count]) + b"".join(bytes([n, 0]) for n in names)
    sos += bytes([predictor, 0 if predictor else 63, 0])
    tables = b"\0" + (_table(17) if predictor else _table(16) + b"\x10" + _table(16))
    return (
        b"\xff\xd8"
        + before
        + _segment(frame, sof)
        + _segment(0xC4, tables)
        + _segment(0xDA, sos)
        + scan
        + b"\xff\xd9"
    )


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def box(kind: bytes, payload: bytes) -> bytes:
    """Write a box of an ISO media file."""
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def jp2(codestream: bytes, *header: bytes, after: bytes = b"") -> bytes:
    """Write a JP2 file of a codestream and the boxes of its header."""
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", b"".join(header))
        + box(b"jp2c", codestream)
        + after
    )
