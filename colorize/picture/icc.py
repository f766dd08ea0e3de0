"""Give a print the tone curve of its grey original: an RGB profile made from a grey one.

A grey profile may not be attached to RGB samples. One whose three curves are the grey profile's
leaves every neutral where it was; the primaries are sRGB's, adapted to D50 (ICC.1:2010, annex E).
"""

from __future__ import annotations

import struct

_HEADER = 128
_PRIMARIES = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
    b"wtpt": (0.96420, 1.00000, 0.82491),
}


def rgb_profile(icc: bytes | None) -> bytes | None:
    """Return the profile that an RGB print carries: RGB as it is, grey rebuilt, others dropped."""
    if icc is None or len(icc) < _HEADER + 4:
        return None
    if icc[16:20] == b"RGB ":
        return icc
    curve = _tags(icc).get(b"kTRC") if icc[16:24] == b"GRAYXYZ " else None
    return None if curve is None else _build(curve)


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, _HEADER)
    tags = {}
    for index in range(min(count, 100)):
        start = _HEADER + 4 + 12 * index
        if start + 12 > len(icc):
            break
        name, offset, size = struct.unpack_from(">4sII", icc, start)
        if offset + size <= len(icc):
            tags[name] = icc[offset : offset + size]
    return tags


def _build(curve: bytes) -> bytes:
    """Assemble a version 2 matrix profile whose three curves are `curve`."""
    tags = {name: _xyz(values) for name, values in _PRIMARIES.items()}
    tags[b"desc"] = _description(b"Grey curve of the original, sRGB primaries")
    tags[b"cprt"] = b"text\0\0\0\0No copyright\0"
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, data, start = b"", b"", _HEADER + 4 + 12 * len(tags)
    placed: dict[bytes, int] = {}
    for name, value in tags.items():
        if value not in placed:
            placed[value] = start + len(data)
            data += value + bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, placed[value], len(value))
    size = start + len(data)
    header = struct.pack(">I4x4s4s4s4s", size, b"\x02\x10\0\0", b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + _xyz((0.9642, 1.0, 0.82491))[8:]
    return header.ljust(_HEADER, b"\0") + struct.pack(">I", len(tags)) + table + data


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
