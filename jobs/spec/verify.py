#!/usr/bin/env python3
"""Prove a print from its original and its plate, without Photochrom: numpy, tifffile, Pillow.

    python verify.py ORIGINAL PLATE PRINT [TONE_TABLE]

For full-size lossless prints (TIFF, PNG) of TIFFs, PNGs, JPEGs and WebPs. Says `luma: exact` when
the print's luma is the original's through its tone table, and `colour: exact` when its colour is
the plate's; exits with 4 when either differs. The rules are in rules.md beside this file.
"""

import struct
import sys
import zlib

import numpy as np
import tifffile
from PIL import Image

TURNS = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
         5: lambda a: a.swapaxes(0, 1), 6: lambda a: a.swapaxes(0, 1)[:, ::-1],
         7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: a.swapaxes(0, 1)[::-1]}


def samples(path):
    """Read a picture upright, as grey (h, w) or RGB (h, w, 3), 8 or 16 bit."""
    if open(path, "rb").read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        page = tifffile.TiffFile(path).pages[0]
        data = page.asarray()
        data = np.moveaxis(data, 0, -1) if data.ndim == 3 and page.planarconfig == 2 else data
        if data.dtype.kind == "f":
            data = np.rint(data.astype(float) * 65535).astype(np.uint16)
        n = page.bitspersample  # 10, 12 and 14 bits are spread over 16
        data = data << (16 - n) | data >> (2 * n - 16) if n in (10, 12, 14) else data
        few = 255 // (2 ** page.bitspersample - 1)  # 1, 2 and 4 bits span 0 to 255
        data = data.astype(np.uint8) * np.uint8(few) if few > 1 else data
        data = np.iinfo(data.dtype).max - data if page.photometric == 0 else data
        turn = page.tags[274].value if 274 in page.tags else 1
    else:
        image = Image.open(path)
        turn = image.getexif().get(274, 1)
        sixteen = image.mode.startswith("I")
        grey = sixteen or image.mode in ("L", "LA", "1")
        data = np.asarray(image if sixteen else image.convert("L" if grey else "RGB"))
        data = data.astype(np.uint16) if sixteen else data
        data = png48(path) if is_png48(path) else data
    data = TURNS.get(int(turn), lambda a: a)(data)
    return data if data.ndim == 2 else data[..., 0] if data.shape[2] < 3 else data[..., :3]


def is_png48(path):
    """Tell whether a file is a 48-bit RGB PNG, which Pillow would cut to 8 bits."""
    head = open(path, "rb").read(26)
    return head[:4] == b"\x89PNG" and head[24:] == bytes([16, 2])


def png48(path):
    """Read a 48-bit PNG whose rows are not filtered, as those of prints are."""
    data, place, packed = open(path, "rb").read(), 8, []
    width, height = struct.unpack(">II", data[16:24])
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place:place + 8])
        packed += [data[place + 8:place + 8 + size]] if name == b"IDAT" else []
        place += size + 12
    rows = np.frombuffer(zlib.decompress(b"".join(packed)), np.uint8).reshape(height, -1)
    if rows[:, 0].any() or rows.shape[1] != 1 + 6 * width:
        sys.exit(f"{path}: a 48-bit PNG with filtered rows; make a TIFF of it")
    return rows[:, 1:].copy().view(">u2").astype(np.uint16).reshape(height, width, 3)


def luma(data):
    """BT.601 luma in integers, at the picture's own depth."""
    if data.ndim == 2:
        return data.astype(np.int64)
    r, g, b = (data[..., i].astype(np.int64) for i in range(3))
    return (299 * r + 587 * g + 114 * b + 500) // 1000


def stretched(plane, length, axis):
    """Blend a plate bilinearly along one axis, with eight fractional bits."""
    size = plane.shape[axis]
    place = (2 * np.arange(length) + 1) * size * 256 // (2 * length) - 128
    place = np.clip(place, 0, (size - 1) * 256)
    at, blend = place >> 8, place & 255
    blend = blend[None, :] if axis else blend[:, None]
    after = np.minimum(at + 1, size - 1)
    return plane.take(at, axis) * (256 - blend) + plane.take(after, axis) * blend


def merged(L, plate, top):
    """Lay the plate's colour on luma L; chroma shrinks into gamut, luma stays."""
    cb, cr = ((stretched(stretched(plate[..., i].astype(np.int64) - 128, L.shape[1], 1),
                         L.shape[0], 0) + (1 << 10)) >> 11 for i in range(2))
    offset = lambda k, c: np.sign(c) * (np.abs(k * c * (top // 255)) // 32000)  # noqa: E731
    red, blue = offset(1402, cr), offset(1772, cb)
    scale = np.full(L.shape, 1 << 16)
    for d, unit in ((red, 1), (blue, 1), (-(299 * red + 114 * blue), 587)):
        room, size = np.where(d > 0, top - L, L) * unit, np.abs(d)
        fits = np.where(size > room, (room << 16) // np.maximum(size, 1), 1 << 16)
        scale = np.minimum(scale, fits)
    red, blue = (np.sign(d) * ((np.abs(d) * scale) >> 16) for d in (red, blue))
    green = np.clip(L + (293 - (299 * red + 114 * blue)) // 587, 0, top)
    rgb = np.stack([L + red, green, L + blue], axis=-1)
    rgb[luma(rgb) != L] = L[luma(rgb) != L, None]
    return rgb


def main(original, plate, print_, table=None):
    """Compare, say what was found, and return the exit code."""
    source, got = samples(original), samples(print_)
    wanted, top = luma(source), np.iinfo(got.dtype).max
    if table:
        entries = np.fromfile(table, "<u2" if source.dtype == np.uint16 else "u1")
        wanted = entries.astype(np.int64)[wanted]
    if got.shape != (*wanted.shape, 3) or got.dtype != source.dtype:
        print(f"not a full-size print of it: {got.shape} {got.dtype}, original {source.shape}")
        return 4
    wrong = np.count_nonzero(luma(got) != wanted)
    chroma = np.asarray(Image.open(plate))
    off = np.count_nonzero((merged(wanted, chroma, int(top)) != got).any(axis=-1))
    print("luma:", "exact" if not wrong else f"{wrong} of {wanted.size} pixels differ")
    print("colour:", "exact" if not off else f"{off} of {wanted.size} pixels differ")
    return 4 if wrong or off else 0


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
