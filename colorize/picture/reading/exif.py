"""What EXIF says of a picture, from bytes that begin with its TIFF header or with `Exif`."""

from __future__ import annotations

from PIL import Image

_ORIENTATION, _DESCRIPTION = 274, 270
BROKEN = (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError)
"""What Pillow raises for EXIF that it cannot read."""


def orientation_of(exif: bytes | None) -> int:
    """Return the orientation, 1 to 8; 1 if there is none or it cannot be read."""
    value = _tag(exif, _ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def description_of(exif: bytes | None) -> str:
    """Return the description; empty if there is none or it cannot be read."""
    value = _tag(exif, _DESCRIPTION)
    return value.strip("\0 \r\n\t") if isinstance(value, str) else ""


def _tag(exif: bytes | None, tag: int) -> object:
    loaded = Image.Exif()
    try:
        loaded.load(exif or b"")
        return loaded.get(tag)
    except BROKEN:
        return None
