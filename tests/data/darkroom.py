"""Develops photographs into the kinds of file that archives hold: every function returns the bytes.

A grey picture is float64 in [0, 1], shape (h, w), with the tone curve of a display.
"""

from __future__ import annotations

import io
import struct
from typing import Literal

import imagecodecs  # noqa: F401  tifffile's LZW and deflate
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.float64]

_BT601 = np.array([0.299, 0.587, 0.114])
_ORIENTATION, _DESCRIPTION, _DATE, _ARTIST = 0x0112, 0x010E, 0x0132, 0x013B
_ROTATE_TO_SHOW = 6  # EXIF: turn 90 degrees clockwise

# ink, paper and gamma of the red, green and blue of a sepia print
_SEPIA = ((0.12, 0.98, 0.80), (0.08, 0.94, 1.00), (0.05, 0.83, 1.25))  # R, G, B

_REBATE = 26  # pixels of clear film around the picture
_BASE_DENSITY, _FOG, _FILM_GAMMA, _LATITUDE = 0.15, 0.08, 0.6, 2.4


def grey(image: Image.Image, long_side: int) -> Grey:
    """Take the BT.601 luma and scale it down to a long side, in floats throughout."""
    luma = np.asarray(image, np.float64) @ _BT601 / 255
    scale = min(1.0, long_side / max(image.size))
    width, height = (round(side * scale) for side in image.size)
    plane = Image.fromarray(luma.astype(np.float32))
    small = plane.resize((width, height), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(small, np.float64), 0, 1)  # (h, w)


def samples8(picture: Grey) -> NDArray[np.uint8]:
    """Round to 8 bits."""
    return np.rint(picture * 255).astype(np.uint8)


def samples16(picture: Grey, seed: int, grain: float = 2e-3) -> NDArray[np.uint16]:
    """Round to 16 bits after adding film grain, so that the low byte is used."""
    noise = np.random.default_rng(seed).random((4, *picture.shape)).sum(axis=0) - 2
    grainy: Grey = np.clip(picture + grain * noise, 0, 1) * 65535
    return np.rint(grainy).astype(np.uint16)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Save a Pillow image."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(picture: Grey, dpi: int = 72) -> bytes:
    """Make a one-channel 8-bit JPEG."""
    image = Image.fromarray(samples8(picture))
    return encoded(image, "JPEG", quality=88, optimize=True, dpi=(dpi, dpi))


def rotated_jpeg(picture: Grey, description: str, artist: str, date: str) -> bytes:
    """Make an RGB-coded grey JPEG that lies on its side, with EXIF orientation 6."""
    exif = Image.Exif()
    exif[_ORIENTATION] = _ROTATE_TO_SHOW
    exif[_DESCRIPTION], exif[_ARTIST], exif[_DATE] = description, artist, date
    lying = Image.fromarray(samples8(picture)).transpose(Image.Transpose.ROTATE_90)
    return encoded(lying.convert("RGB"), "JPEG", quality=88, subsampling=0, exif=exif)


def sepia_jpeg(picture: Grey) -> bytes:
    """Make a toned print: brown shadows, cream paper, one hue that follows the luma."""
    curves = [ink + (paper - ink) * picture**gamma for ink, paper, gamma in _SEPIA]
    print_ = np.rint(np.stack(curves, axis=-1) * 255).astype(np.uint8)
    return encoded(Image.fromarray(print_), "JPEG", quality=90)


def animation(picture: Grey) -> bytes:
    """Make a GIF that fades out in three frames."""
    frames = [Image.fromarray(samples8(picture * fade)) for fade in (1.0, 0.6, 0.2)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200)


def tiff(
    samples: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    description: str = "",
    photometric: str = "minisblack",
    compression: str | None = None,
    byteorder: Literal["<", ">"] = "<",
    dpi: int = 300,
    icc: bytes | None = None,
) -> bytes:
    """Make a TIFF of samples as they are; a `miniswhite` one holds them turned over."""
    if photometric == "miniswhite":
        samples = np.iinfo(samples.dtype).max - samples
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        samples,
        byteorder=byteorder,
        photometric=photometric,
        compression=compression,
        predictor=compression is not None,
        description=description or None,
        resolution=(dpi, dpi),
        resolutionunit="INCH",
        iccprofile=icc,
        software=False,
        metadata=None,
    )
    return out.getvalue()


def colour_scan(picture: Grey, seed: int) -> NDArray[np.uint16]:
    """Scan a grey print in 48-bit RGB: each channel has its own noise of at most 1/255."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (*picture.shape, 3)) / 255
    scan = np.clip(picture[..., None] + noise, 0, 1) * 65535
    return np.rint(scan).astype(np.uint16)  # (h, w, 3)


def film_negative(picture: Grey, seed: int) -> NDArray[np.uint16]:
    """Expose and develop a film, and scan it with its clear rebate as transmittance.

    The scene's light is the display value to the power 2.2; density rises by 0.6 for each tenfold
    of light over 2.4 decades, above base and fog; the scan has gamma 2.2 too. The rebate is film
    base alone, so it is brighter than every part of the picture.
    """
    light = np.maximum(picture**2.2, 10**-_LATITUDE)
    density = _BASE_DENSITY + _FOG + _FILM_GAMMA * (np.log10(light) + _LATITUDE)
    film = np.pad(density, _REBATE, constant_values=_BASE_DENSITY)
    return samples16(10 ** (-film / 2.2), seed)


def grey_profile(gamma: float = 2.2) -> bytes:
    """Build a minimal ICC version 2 profile for grey with a gamma curve and the D50 white."""
    name = f"Grey gamma {gamma}".encode()
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + bytes(1 + 78),
        b"cprt": b"text" + bytes(4) + b"CC0\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)),
    }
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for signature, content in tags.items():
        table += struct.pack(">4sII", signature, offset + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = offset + len(body)
    header = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body
