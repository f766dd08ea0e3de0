"""Canvas: what a print's file holds beside its samples, and how they arrive."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from photochrom.colorize.picture.reading.exif import BROKEN
from photochrom.colorize.picture.reading.source import Header

ORIENTATION, DESCRIPTION = 274, 270


@dataclass(frozen=True, slots=True)
class Canvas:
    """What an encoder needs beside the samples, which come in blocks of `rows` rows.

    Only the last block may be shorter.
    """

    width: int
    height: int
    bits: int
    rows: int
    xmp: bytes
    icc: bytes | None
    dpi: tuple[float, float] | None
    description: str
    exif: Image.Exif
    iptc: bytes = b""

    @property
    def bytes(self) -> int:
        """The size of the samples, three to a pixel."""
        return self.width * self.height * 3 * self.bits // 8


def carried_exif(header: Header, description: str) -> Image.Exif:
    """Return the source's EXIF as a print may have it: upright, no thumbnail, description ours.

    EXIF that cannot be read is left behind rather than passed on broken.
    """
    exif = Image.Exif()
    if header.exif:
        try:
            exif.load(header.exif)
            exif.tobytes()
        except BROKEN:
            exif = Image.Exif()
    exif[ORIENTATION] = 1
    exif[DESCRIPTION] = description
    return exif
