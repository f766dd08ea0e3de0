"""Small sound files of every kind that is read, to be spoilt: format by format, as bytes."""

from __future__ import annotations

import io
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from photochrom.colorize.picture.printing.icc import rgb_profile
from tests.colorize.picture.dng import dng
from tests.colorize.picture.handmade import lossless_jpeg
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


def _dng(samples: Samples) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return dng(Path(folder) / "scan.dng", samples, thumbnail=True).read_bytes()


def _heic(samples: Samples) -> bytes:
    import pillow_heif

    out, file = io.BytesIO(), pillow_heif.HeifFile()
    file.add_frombytes("RGB", samples.shape[1::-1], samples.tobytes())
    file.save(out, quality=90)
    return out.getvalue()


def seeds() -> dict[str, bytes]:
    """Make them all that can be read here; deterministic."""
    made = _libvips_and_tifffile() | _imagecodecs()
    if find_spec("rawpy"):
        made |= {
            "dng": _dng(grain(32, 48, bits=16) >> 2),
            "dng-linear": _dng(np.stack([scene(32, 48, 16) >> 2] * 3, -1)),
        }
    if find_spec("pillow_heif"):
        made["heic"] = _heic(np.stack([scene(64, 64)] * 3, -1))
    return made


def _imagecodecs() -> dict[str, bytes]:
    grey, rgb = scene(*SIZE), np.stack([scene(*SIZE), grain(*SIZE), scene(*SIZE)], -1)
    grey16, rgb12 = scene(*SIZE, bits=16), grain(*SIZE, 3, bits=16) >> 4
    stream = bytes(imagecodecs.jpeg2k_encode(grey16, level=0, reversible=True, codecformat="j2k"))
    return {
        "jpeg-12": bytes(imagecodecs.jpeg_encode(rgb12, 95, bitspersample=12)),
        "jpeg-lossless": lossless_jpeg(grey16, 16),
        "jpeg-ls": bytes(imagecodecs.jpegls_encode(grey)),
        "jp2": bytes(imagecodecs.jpeg2k_encode(rgb, level=0, codecformat="jp2")),
        "jp2-icc": _pillow(grey, "JPEG2000", icc_profile=rgb_profile(None)),
        "j2k": stream,
        "jxl": bytes(imagecodecs.jpegxl_encode(rgb, lossless=True)),
        "jxl-boxed": bytes(imagecodecs.jpegxl_encode(grey16, lossless=True, usecontainer=True)),
        "avif": _pillow(rgb, "AVIF", exif=_exif()),
    }


def _libvips_and_tifffile() -> dict[str, bytes]:
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
