"""PNG, by libvips; an animation is refused, of which libpng would read one picture and say nothing.

W3C PNG (third edition), 11.3.4.1: `acTL`, which says so, stands before the samples.
"""

from __future__ import annotations

import struct
from pathlib import Path

from photochrom.colorize.picture.reading.source import ANIMATION, Source, reading, refuse
from photochrom.colorize.picture.reading.streamed import open_streamed

_SIGNATURE = 8


def open_png(path: Path) -> Source:
    """Open a file by its header; raises SourceError."""
    source = open_streamed(path, "png")
    if _frames(path) > 1:
        refuse(ANIMATION)
    return source


def _frames(path: Path) -> int:
    """Return the number of frames that a file says it has, 1 if it says nothing."""
    place = _SIGNATURE
    with reading(), path.open("rb") as file:
        while True:
            file.seek(place)
            head = file.read(12)
            if len(head) < 12 or head[4:8] == b"IDAT":
                return 1
            length, kind, frames = struct.unpack(">I4sI", head)
            if kind == b"acTL":
                return int(frames)
            place += 12 + length
