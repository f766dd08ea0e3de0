"""What the picture tests lay on the table: small originals, plates with strong colour, origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from photochrom.colorize.picture import Origin, Painter, Photo, Plate, ToneTable

Samples = NDArray[Any]

PAINTER = Painter(model="echo", weights_sha256="ab" * 32, render_size=16)
ORIGIN = Origin("cd" * 32, "photochrom test", "2026-11-22T10:00:00+00:00", "box 3/negative 7.tif")


def fitted(values: NDArray[Any], bits: int) -> Samples:
    """Store values, which must fit, in 8 or 16 bits."""
    return np.asarray(values, np.uint8 if bits == 8 else np.uint16)


def grain(*shape: int, bits: int = 8, seed: int = 1) -> Samples:
    """Make samples of every value, without any structure."""
    values = np.random.default_rng(seed).integers(0, 1 << bits, shape)
    return fitted(values, bits)


def scene(height: int, width: int, bits: int = 8) -> Samples:
    """Make a smooth picture, fit for lossy formats: two ramps and a wave, (height, width)."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    light = np.clip(0.2 + 0.4 * x + 0.25 * y + 0.12 * np.sin(12 * x) * np.cos(9 * y), 0, 1)
    return fitted(np.rint(light * ((1 << bits) - 1)), bits)


def strong_chroma(size: int = 16, seed: int = 2) -> NDArray[np.uint8]:
    """Make chroma (size, size, 2) that often leaves the gamut."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 2)).astype(np.uint8)


def mild_chroma(size: int = 16) -> NDArray[np.uint8]:
    """Make chroma (size, size, 2) that seldom leaves the gamut: two slow ramps."""
    ramp = np.linspace(110, 150, size)
    return np.rint(np.stack(np.meshgrid(ramp, ramp[::-1]), axis=-1)).astype(np.uint8)


def plate_for(
    photo: Photo, chroma: NDArray[np.uint8] | None = None, tone: ToneTable | None = None
) -> Plate:
    """Make a plate for a photo, of strong chroma unless told."""
    return Plate(
        strong_chroma() if chroma is None else chroma, tone or photo.tone_table("auto"), PAINTER
    )


def shelve(folder: Path, samples: Samples, name: str = "original.tif", **options: Any) -> Path:
    """Write samples as an uncompressed TIFF, (h, w) grey or (h, w, 3) RGB, and return its path."""
    path = folder / name
    photometric = "minisblack" if samples.ndim == 2 else "rgb"
    settings = {"photometric": photometric, "metadata": None, "software": False} | options
    tifffile.imwrite(path, samples, **settings)
    return path


def packed(values: Samples, bits: int) -> bytes:
    """Pack rows of few-bit values, high bits first; rows begin on a whole byte."""
    rows = []
    for row in values.tolist():
        digits = "".join(f"{value:0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        rows.append(int(digits, 2).to_bytes(len(digits) // 8, "big"))
    return b"".join(rows)


def shelve_packed(folder: Path, values: Samples, bits: int, photometric: str) -> Path:
    """Write values (h, w) of few bits, which fill their bytes without gaps, as a grey TIFF."""
    path = folder / "packed.tif"
    tifffile.imwrite(
        path,
        iter([packed(values, bits)]),
        shape=values.shape,
        dtype=np.uint8 if bits < 8 else np.uint16,
        bitspersample=bits,
        rowsperstrip=len(values),
        photometric=photometric,
        metadata=None,
    )
    return path


def slow_luma(rgb: Samples) -> Samples:
    """Compute luma in 64 bits: the stated formula and nothing clever."""
    weights = np.array([299, 587, 114], np.int64)
    total: Samples = ((rgb.astype(np.int64) * weights).sum(axis=-1) + 500) // 1000
    return total.astype(rgb.dtype)
