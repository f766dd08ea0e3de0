"""Small sound files of every kind that is read, to be spoilt: format by format, as bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from photochrom.colorize.picture.icc import rgb_profile
from tests.colorize.picture.lightbox import Samples, grain, scene

SIZE = (19, 23)


def _pillow(samples: Samples, kind: str, mode: str | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(samples)
    (picture.convert(mode) if mode else picture).save(out, kind, **options)
    return out.getvalue()


def _tiff(samples: Samples, **options: Any) -> bytes:
    out = io.BytesIO()
    settings: dict[str, Any] = {"metadata": None, "software": False} | options
    big, order = settings.pop("bigtiff", False), settings.pop("byteorder", "<")
    tifffile.imwrite(out, samples, bigtiff=big, byteorder=order, **settings)
    return out.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[270], exif[274] = "A mill by the river", 6
    return exif


def seeds() -> dict[str, bytes]:
    """Make them all; deterministic."""
    grey, rgb = scene(*SIZE), np.stack([scene(*SIZE), grain(*SIZE), scene(*SIZE)], -1)
    grey16, rgb16 = scene(*SIZE, bits=16), grain(*SIZE, 3, bits=16)
    carried: dict[str, Any] = {"exif": _exif(), "icc_profile": rgb_profile(None), "dpi": (300, 300)}
    return {
        "jpeg": _pillow(grey, "JPEG", **carried),
        "jpeg-rgb": _pillow(rgb, "JPEG", progressive=True, xmp=b"<x:xmpmeta/>"),
        "png": _pillow(grey, "PNG", **carried),
        "png-16": _pillow(grey16, "PNG"),
        "png-palette": _pillow(rgb, "PNG", mode="P"),
        "png-1": _pillow(grey, "PNG", mode="1"),
        "webp": _pillow(rgb, "WEBP", xmp=b"<x:xmpmeta/>"),
        "webp-lossless": _pillow(rgb, "WEBP", lossless=True, exif=_exif()),
        "tiff": _tiff(grey16, description="A mill", resolution=(300, 300)),
        "tiff-white": _tiff(~grey16, photometric="miniswhite", byteorder=">"),
        "tiff-rgb": _tiff(rgb16, photometric="rgb", rowsperstrip=5),
        "tiff-planar": _tiff(np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate"),
        "tiff-lzw": _tiff(grey16, compression="lzw", predictor=True),
        "tiff-deflate": _tiff(grey, compression="adobe_deflate", tile=(16, 16)),
        "tiff-packbits": _tiff(grey, compression="packbits"),
        "tiff-jpeg": _tiff(grey, compression="jpeg"),
        "tiff-zstd": _tiff(grey16, compression="zstd", predictor=True),
        "tiff-jpeg2000": _tiff(grey16, compression="jpeg2000"),
        "tiff-jpeg-xl": _tiff(grey, compression="jpegxl"),
        "tiff-webp": _tiff(rgb, compression="webp", photometric="rgb"),
        "tiff-big": _tiff(grey, bigtiff=True),
        "tiff-float": _tiff((grey16 / 65535).astype(np.float32)),
        "tiff-pages": _tiff(np.stack([grey, grey]), photometric="minisblack"),
    }
