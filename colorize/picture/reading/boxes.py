"""Walk the boxes of JPEG 2000, JPEG XL and HEIF files: a length, a four-letter kind, a payload.

ISO/IEC 14496-12, 4.2, and ISO/IEC 15444-1, I.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from photochrom.colorize.errors import Fault, SourceError

_LONGEST_READ = 1 << 26


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, where its payload lies in the file, and whether the file holds all of it."""

    kind: bytes
    start: int
    end: int
    whole: bool = True

    def read(self, file: BinaryIO, most: int = _LONGEST_READ) -> bytes:
        """Return the payload; raises SourceError if it is cut, or longer than `most` bytes."""
        if not self.whole or self.end - self.start > most:
            raise SourceError(Fault.CORRUPT, f"its {self.kind.decode('latin-1')!r} box is cut")
        file.seek(self.start)
        return file.read(self.end - self.start)


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places; the last one may not be whole."""
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        stop = end if size == 0 else start + size
        if stop < start + head:
            return
        yield Box(kind, start + head, min(stop, end), stop <= end)
        start = stop
