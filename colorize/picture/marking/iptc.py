"""IPTC-IIM, the captions of newspapers: read from JPEG and TIFF, and written back to them.

A JPEG wraps it in Photoshop's resource blocks, a TIFF has it bare in a tag. Of the blocks only this
one is passed on: the others are thumbnails and settings of a picture that the print is not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MARKER = b"\x1c"
_WRAPPED = b"Photoshop 3.0\0"
_BLOCK, _IIM = b"8BIM", 0x0404
_UTF8 = b"\x1b%G"
_CHARSET, _CAPTION = (1, 90), (2, 120)
_PREVIEWS = {(2, 200), (2, 201), (2, 202)}
_LONGEST_CAPTION = 2000  # bytes, by the standard
_LARGEST = 60_000  # bytes: a JPEG segment must hold it


@dataclass(frozen=True, slots=True)
class Iptc:
    """The data sets of a picture, in order: (record, number) and value."""

    sets: tuple[tuple[tuple[int, int], bytes], ...] = ()

    def texts(self, name: tuple[int, int]) -> list[str]:
        """Return the values of a data set, as UTF-8 or else as Latin-1."""
        return [_text(value) for key, value in self.sets if key == name]

    def captioned(self, sentence: str) -> bytes:
        """Return all as bytes, with a sentence at the end of the caption; empty if too large."""
        if not self.sets:
            return b""
        own = next((value for key, value in self.sets if key == _CAPTION), b"").strip()
        end = sentence.encode("ascii")
        own = own.removesuffix(end).strip()[: _LONGEST_CAPTION - len(end) - 1]
        if (_CHARSET, _UTF8) in self.sets:
            own = own.decode(errors="ignore").encode()
        sets = [one for one in self.sets if one[0] != _CAPTION and one[0] not in _PREVIEWS]
        sets.append((_CAPTION, (own + b" " + end).strip()))
        data = b"".join(_encoded(*one) for one in sorted(sets, key=lambda one: one[0][0]))
        return data if len(data) <= _LARGEST else b""


def read_iptc(data: bytes | None) -> Iptc:
    """Read what a JPEG or a TIFF has; what is broken counts as empty."""
    try:
        bare = _unwrapped(data) if data and data.startswith(_WRAPPED) else data or b""
        return Iptc(tuple(_sets(bare)))
    except (struct.error, LookupError, ValueError):
        return Iptc()


def wrapped(iim: bytes) -> bytes:
    """Wrap the data sets as a JPEG's segment has them."""
    padded = iim + bytes(len(iim) % 2)
    return _WRAPPED + _BLOCK + struct.pack(">HxxI", _IIM, len(iim)) + padded


def _unwrapped(data: bytes) -> bytes:
    """Find the one resource among Photoshop's; raises LookupError, struct.error."""
    place = len(_WRAPPED)
    while data[place : place + 4] == _BLOCK:
        (kind,) = struct.unpack_from(">H", data, place + 4)
        place += 6 + (data[place + 6] // 2 + 1) * 2  # its name, of even length with its count
        (size,) = struct.unpack_from(">I", data, place)
        if kind == _IIM:
            return data[place + 4 : place + 4 + size]
        place += 4 + size + size % 2
    return b""


def _sets(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    place = 0
    while data[place : place + 1] == MARKER:
        record, number, size = struct.unpack_from(">BBH", data, place + 1)
        place += 5
        if size & 0x8000:  # an extended one: so many bytes hold its size
            count = size & 0x7FFF
            size = int.from_bytes(data[place : place + count], "big")
            place += count
        if place + size > len(data):
            raise ValueError("a data set past the end")
        yield (record, number), data[place : place + size]
        place += size
    if data[place:].strip(b"\0"):
        raise ValueError("what follows is no data set")


def _encoded(name: tuple[int, int], value: bytes) -> bytes:
    if len(value) >= 0x8000:
        return b""
    return MARKER + struct.pack(">BBH", *name, len(value)) + value


def _text(value: bytes) -> str:
    try:
        return value.decode().strip("\0 ")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip("\0 ")
