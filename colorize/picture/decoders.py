"""Read files strictly: the whole picture as its header promised, or a SourceError.

| magic bytes             | read by                                                    |
|-------------------------|------------------------------------------------------------|
| JPEG, PNG, WebP, TIFF   | libvips, which refuses truncated and unknown data          |
| TIFF: ZSTD, JPEG 2000, JPEG XL, 12 bit | tifffile + imagecodecs, tone handled here   |
| other known kinds       | nobody: `unsupported`, with a hint                         |
| anything else           | nobody: `not_an_image`                                     |

The file's name says nothing. Samples of 1, 2 and 4 bits span 0 to 255; 12-bit ones repeat their
top four bits; grey float samples in [0, 1] become `round(65535 v)`. Alpha and infrared are left
out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.luma import Samples, strips
from photochrom.colorize.picture.source import Header, Source, refuse, sniff
from photochrom.colorize.picture.tiff import open_tiff, page_note, tiff_facts
from photochrom.colorize.picture.vips import of_this_machine, pyvips

MAX_PIXELS = 500_000_000

_BEYOND_VIPS = re.compile("is not configured|is not implemented|samples out of range|bad labq")
_UNSAID = (25.4, 71.984, 72.0)  # what libvips says of TIFF and WebP, PNG, JPEG that say nothing


def open_source(path: Path, max_pixels: int = MAX_PIXELS) -> Source:
    """Open a file by its magic bytes and check its header; raises SourceError."""
    with path.open("rb") as file:
        head = file.read(32)
    name = sniff(head)
    facts = tiff_facts(path) if name == "tiff" else None
    if facts is not None and facts.beyond_vips:
        source = open_tiff(path)
    else:
        source = _open_vips(path, name)
        if facts is not None:
            tone = "photometric: minimum is white" if facts.minimum_is_white else ""
            header = replace(
                source.header,
                tone_evidence=tone,
                description=facts.description,
                note=page_note(facts.pages),
            )
            source = replace(source, header=header)
    header = source.header
    if header.width < 1 or header.height < 1:
        raise SourceError(Fault.CORRUPT, f"{header.width} x {header.height} pixels")
    if header.width * header.height > max_pixels:
        raise SourceError(
            Fault.TOO_LARGE,
            f"{header.width} x {header.height} pixels, more than the limit of {max_pixels:,}",
        )
    return source


@contextmanager
def _vips_errors() -> Iterator[None]:
    try:
        yield
    except (pyvips.Error, UnicodeDecodeError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        message = "; ".join(dict.fromkeys(lines))[:500]
        if of_this_machine(message):
            raise OSError(message) from error
        fault = Fault.UNSUPPORTED if _BEYOND_VIPS.search(message) else Fault.CORRUPT
        raise SourceError(fault, message) from error


def _open_vips(path: Path, name: str) -> Source:
    with _vips_errors():
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
        header = _vips_header(image, name)
    scale = image.format in ("float", "double")

    def rows() -> Iterator[Samples]:
        with _vips_errors():
            region = pyvips.Region.new(image)
            for first, last in strips(image.height, image.width):
                block = _fetch(region, image, first, last)
                yield _from_float(block) if scale else block

    return Source(header, rows)


def _fetch(region: Any, image: Any, first: int, last: int) -> Samples:
    types = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32, "double": np.float64}
    data = region.fetch(0, first, image.width, last - first)
    block = np.frombuffer(data, types[image.format])
    block = block.reshape(last - first, image.width, image.bands)
    return block[..., 0] if image.bands < 3 else block[..., :3]


def _vips_header(image: Any, name: str) -> Header:
    grey = image.bands < 3
    if image.interpretation in ("cmyk", "lab", "labs", "xyz") or image.bands > 5:
        refuse(f"{image.bands} channels of {image.interpretation}; convert it to grey or RGB")
    if image.format not in ("uchar", "ushort") and not (
        grey and image.format in ("float", "double")
    ):
        refuse(f"{image.bands} channels of {image.format} samples")
    if name != "tiff" and _field(image, "n-pages", 1) > 1:
        refuse("an animation")
    return Header(
        format=name,
        decoder=f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}",
        width=image.width,
        height=image.height,
        bits=8 if image.format == "uchar" else 16,
        channels=1 if grey else 3,
        orientation=_field(image, "orientation", 1),
        dpi=None if _inches(image.xres) in _UNSAID else (_inches(image.xres), _inches(image.yres)),
        icc=_field(image, "icc-profile-data", None),
        exif=_field(image, "exif-data", None),
        xmp=_field(image, "xmp-data", None),
        iptc=_field(image, "iptc-data", None),
        description=_description(image),
    )


def _inches(per_millimetre: float) -> float:
    return round(per_millimetre * 25.4, 3)


def _field(image: Any, name: str, default: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else default


def _description(image: Any) -> str:
    """Return the picture's own description, from the TIFF tag or EXIF."""
    text = _field(image, "image-description", "")
    if not text:
        twice = _field(image, "exif-ifd0-ImageDescription", "").rsplit(", ", 3)[0]
        text = twice[: (len(twice) - 2) // 2]  # "X (X, ASCII, n components, n bytes)"
    return str(text).strip()


def _from_float(block: NDArray[Any]) -> Samples:
    if not np.isfinite(block).all() or block.min() < 0 or block.max() > 1:
        refuse("float samples outside [0, 1]")
    return np.asarray(np.rint(block.astype(np.float64) * 65535), np.uint16)
