"""What a TIFF page's tags say beside the picture."""

from __future__ import annotations

from typing import Any

_RESOLUTION, _ORIENTATION, _XMP, _IPTC, _ICC = 282, 274, 700, 33723, 34675


def tagged(page: Any) -> dict[str, Any]:
    """Return the fields of a header that a page's tags fill."""
    turn = page.tags.get(_ORIENTATION)
    return {
        "orientation": int(turn.value) if turn else 1,
        "dpi": _dpi(page),
        "icc": _blob(page, _ICC),
        "xmp": _blob(page, _XMP),
        "iptc": _blob(page, _IPTC),
    }


def _blob(page: Any, code: int) -> bytes | None:
    """Return a tag's bytes; a tag of another type than its standard says is left behind."""
    tag = page.tags.get(code)
    return tag.value if tag and isinstance(tag.value, bytes) else None


def _dpi(page: Any) -> tuple[float, float] | None:
    x, y = page.get_resolution(unit="INCH") if page.tags.get(_RESOLUTION) else (1.0, 1.0)
    return None if x <= 1 or y <= 1 else (float(x), float(y))
