"""What libvips reads, in strips: JPEG, PNG, WebP, AVIF and most TIFFs; strictly.

At `fail_on="error"` libvips refuses truncated files, but not a JPEG that lost data in its middle:
libjpeg only warns, and goes on in grey. So JPEGs are read at "warning"; those that it warns of for
an odd header at "error", and then looked at once more. A few strips are held, whatever the size; of
an AVIF, a progressive JPEG or an interlaced PNG the whole picture.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.luma import Samples, strips
from photochrom.colorize.picture.reading.depth import from_float, spread
from photochrom.colorize.picture.reading.source import ANIMATION, Header, Source, corrupt, refuse
from photochrom.colorize.picture.reading.whole_jpeg import decoded_whole
from photochrom.colorize.picture.vips import of_this_machine, pyvips, take_messages

_BEYOND_VIPS = re.compile("is not configured|is not implemented|samples out of range|bad labq")
_ODD_HEADER = re.compile(
    "unknown JFIF revision|Unknown Adobe color|Invalid SOS parameters"
    "|extraneous bytes before marker 0x(?:c[0-4]|d[abd]|e.|fe)"
)
_UNSAID = (25.4, 71.984, 72.0)  # what libvips says of TIFF and WebP, PNG, JPEG that say nothing


def open_streamed(file: Path | bytes, name: str) -> Source:
    """Open a file of a known kind, or its bytes, with libvips; raises SourceError."""
    take_messages()  # what is left of other files is none of this one's
    with _vips_errors():
        image = _image(file, name, "warning" if name == "jpeg" else "error")
        header = _header(image, name)
    return Source(header, lambda: _rows(file, image, name))


def _image(file: Path | bytes, name: str, fail_on: str) -> Any:
    """Open a picture by its own loader: the general one takes `[page=1]` in a name for an order."""
    loader = {"avif": "heif"}.get(name, name) + "load"
    how = {"access": "sequential", "fail_on": fail_on}
    if isinstance(file, bytes):
        return getattr(pyvips.Image, f"{loader}_buffer")(file, **how)
    return getattr(pyvips.Image, loader)(os.fsencode(file), **how)


def _rows(file: Path | bytes, image: Any, name: str) -> Iterator[Samples]:
    odd = False
    with _vips_errors():
        region = pyvips.Region.new(image)
        for first, last in strips(image.height, image.width):
            try:
                block = _fetch(region, image, first, last)
            except pyvips.Error as error:
                if first or name != "jpeg" or not _only_odd(str(error)):
                    raise
                odd, image = True, _image(file, name, "error")
                region = pyvips.Region.new(image)
                block = _fetch(region, image, first, last)
            yield _kept(image, block)
    said = take_messages() if name == "jpeg" else ""
    if "VipsJpeg" in said and not _only_odd(said):  # of the last strip, and no fetch after it
        corrupt(_told(said))
    if odd:  # libjpeg tells its first warning alone
        decoded_whole(file if isinstance(file, bytes) else file.read_bytes())


def _only_odd(message: str) -> bool:
    """Tell whether all that libjpeg warned about is a header, which it read all the same."""
    said = [line for line in message.splitlines() if "VipsJpeg" in line]
    return bool(said) and all(_ODD_HEADER.search(line) for line in said)


def _fetch(region: Any, image: Any, first: int, last: int) -> NDArray[Any]:
    types = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32, "double": np.float64}
    data = region.fetch(0, first, image.width, last - first)
    block = np.frombuffer(data, types[image.format])
    return block.reshape(last - first, image.width, image.bands)


def _kept(image: Any, block: NDArray[Any]) -> Samples:
    """Return the colours of a block (n, w, any) as (n, w[, 3]), at 8 or 16 bits."""
    colours = block[..., 0] if image.bands < 3 else block[..., :3]
    if image.format in ("float", "double"):
        return from_float(colours)
    bits = _field(image, "bits-per-sample", 16)
    if image.format == "ushort" and _field(image, "heif-compression", "") and bits < 16:
        return spread(colours >> (16 - bits), bits)  # libvips leaves the low bits empty
    return colours


@contextmanager
def _vips_errors() -> Iterator[None]:
    try:
        yield
    except (pyvips.Error, UnicodeDecodeError) as error:
        message = _told(str(error))
        if of_this_machine(message):
            raise OSError(message) from error
        fault = Fault.UNSUPPORTED if _BEYOND_VIPS.search(message) else Fault.CORRUPT
        raise SourceError(fault, message) from error


def _told(message: str) -> str:
    """Return a message of libvips in one line, each of its own lines once."""
    lines = (line.strip() for line in message.splitlines())
    return "; ".join(dict.fromkeys(filter(None, lines)))[:500]


def _header(image: Any, name: str) -> Header:
    grey = image.bands < 3
    if image.interpretation in ("cmyk", "lab", "labs", "xyz") or image.bands > 5:
        refuse(f"{image.bands} channels of {image.interpretation}; convert it to grey or RGB")
    if image.format not in ("uchar", "ushort") and not (
        grey and image.format in ("float", "double")
    ):
        refuse(f"{image.bands} channels of {image.format} samples")
    if name != "tiff" and _field(image, "n-pages", 1) > 1:
        refuse(ANIMATION)
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
