"""Give a print the tone curve of its grey original: an RGB profile made from a grey one.

A grey profile may not be attached to RGB samples. One whose three curves are the grey profile's
leaves every neutral where it was; the primaries are sRGB's, adapted to D50 (ICC.1:2010, annex E).
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

_HEADER = 128
_SAMPLES = 4096
_D50 = (0.96420, 1.00000, 0.82491)
_PRIMARIES = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
    b"wtpt": _D50,
}


def rgb_profile(icc: bytes | None) -> bytes | None:
    """Return the profile that an RGB print carries: RGB as it is, grey rebuilt, others dropped.

    A curve of samples or one gamma is taken over as it stands. Any other grey profile (a formula,
    a table, a curve to L*) is asked by littlecms what light its greys give.
    """
    if icc is None or len(icc) < _HEADER + 4:
        return None
    if icc[16:20] == b"RGB ":
        return icc
    if icc[16:20] != b"GRAY":
        return None
    tags = _tags(icc)
    curve = tags.get(b"kTRC", b"")
    plain = icc[20:24] == b"XYZ " and curve[:4] == b"curv" and b"A2B0" not in tags
    made = curve if plain else _asked(icc)
    return None if made is None else _rgb(made)


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


def _asked(icc: bytes) -> bytes | None:
    """Return the light that greys give under a profile, as a curve of samples; None if broken."""
    greys = np.rint(np.linspace(0, 65535, _SAMPLES)).astype(np.uint16)[None]
    linear = _assembled(b"GRAY", {b"kTRC": b"curv" + bytes(8), b"wtpt": _xyz(_D50)})
    try:
        given, light = (ImageCms.ImageCmsProfile(io.BytesIO(each)) for each in (icc, linear))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(given, light, "I;16", "I;16", intent)
        shown = ImageCms.applyTransform(Image.fromarray(greys), transform)
    except (ImageCms.PyCMSError, OSError):
        return None
    values = np.asarray(shown).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", _SAMPLES) + values


def _rgb(curve: bytes) -> bytes:
    """Assemble a matrix profile whose three curves are `curve`."""
    tags = {name: _xyz(values) for name, values in _PRIMARIES.items()}
    return _assembled(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def _assembled(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Assemble a version 2 display profile from its tags."""
    tags = {
        b"desc": _description(b"Grey curve of the original, sRGB primaries"),
        b"cprt": b"text\0\0\0\0No copyright\0",
    } | tags
    table, data, start = b"", b"", _HEADER + 4 + 12 * len(tags)
    placed: dict[bytes, int] = {}
    for name, value in tags.items():
        if value not in placed:
            placed[value] = start + len(data)
            data += value + bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, placed[value], len(value))
    size = start + len(data)
    header = struct.pack(">I4x4s4s4s4s", size, b"\x02\x10\0\0", b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + _xyz(_D50)[8:]
    return header.ljust(_HEADER, b"\0") + struct.pack(">I", len(tags)) + table + data


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
