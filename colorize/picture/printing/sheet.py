"""Sheets, which show several prints at once: marked like any print, in words and in XMP."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from photochrom.colorize.picture.marking.marks import SENTENCE, sheet_packet

PAPER, INK = "#f4f1ea", "#222222"
STRIP = 20  # pixels below the pictures, for the sentence
_QUALITY = 90


def save_sheet(pictures: Image.Image, path: Path) -> None:
    """Write a JPEG of pictures that show AI's colours, the sentence that says so below them."""
    sheet = Image.new("RGB", (pictures.width, pictures.height + STRIP), PAPER)
    sheet.paste(pictures)
    ImageDraw.Draw(sheet).text((4, pictures.height + 4), SENTENCE, fill=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "JPEG", quality=_QUALITY, xmp=sheet_packet())
