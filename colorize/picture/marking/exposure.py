"""When and where a photograph was taken: from EXIF, as XMP says it, for prints without EXIF.

tifffile writes only the plain tags of EXIF into a TIFF: no dates of exposure, no positions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from PIL import Image

from photochrom.colorize.picture.reading.exif import BROKEN

EXIF = "{http://ns.adobe.com/exif/1.0/}"
_EXPOSURE, _POSITION = 0x8769, 0x8825
_DATES = {36867: f"{EXIF}DateTimeOriginal", 36868: f"{EXIF}DateTimeDigitized"}
_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
_AXES = ((2, "NS", 90, f"{EXIF}GPSLatitude"), (4, "EW", 180, f"{EXIF}GPSLongitude"))


def exposure(data: bytes | None) -> dict[str, str]:
    """Return XMP's properties of a picture's EXIF; what is broken is left out."""
    if not data:
        return {}
    exif = Image.Exif()
    try:
        exif.load(data)
        taken, placed = exif.get_ifd(_EXPOSURE), exif.get_ifd(_POSITION)
    except BROKEN:
        return {}
    dates = {tag: _date(taken.get(code)) for code, tag in _DATES.items()}
    places = {
        tag: _angle(placed.get(code), placed.get(code - 1), refs, most)
        for code, refs, most, tag in _AXES
    }
    return {tag: text for tag, text in (dates | places).items() if text}


def _date(value: object) -> str:
    found = _DATE.match(value) if isinstance(value, str) else None
    return "{}-{}-{}T{}".format(*found.groups()) if found else ""


def _angle(parts: Sequence[Any] | None, ref: object, refs: str, most: int) -> str:
    """Return degrees, minutes and seconds as XMP has them: 52,14.250000N."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts or ())
        total = degrees * 60 + minutes + seconds / 60
    except BROKEN:
        return ""
    if not isinstance(ref, str) or len(ref) != 1 or ref not in refs:
        return ""
    if not math.isfinite(total) or not 0 <= total <= most * 60:
        return ""
    whole, rest = divmod(round(total * 1_000_000), 60_000_000)
    return f"{whole},{rest / 1_000_000:.6f}{ref}"
