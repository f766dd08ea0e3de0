"""The segments of a JPEG file: its frame, what it carries, and whether its end is there.

ITU-T T.81, annex B. libvips reads the JPEGs that most are; the frame's marker tells the others.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from photochrom.colorize.picture.reading.exif import description_of, orientation_of
from photochrom.colorize.picture.reading.source import corrupt

LOSSLESS, JPEG_LS = 0xC3, 0xF7
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {JPEG_LS}
_ALONE = {0x01, *range(0xD0, 0xD9)}
_SCAN, _END = 0xDA, 0xD9
_IN_SCAN = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")  # stuffed in JPEG-LS too
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_IPTC, _JFIF = b"Photoshop 3.0\0", b"JFIF\0"
_MPF, _PICTURES = b"MPF\0", 0xB001
_PER_INCH = {1: 1.0, 2: 2.54}


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame's header says; `marker` tells its process (T.81, table B.1)."""

    marker: int
    bits: int
    width: int
    height: int
    components: int

    @property
    def is_plain(self) -> bool:
        """Whether libvips reads it: 8 bits, and neither lossless nor JPEG-LS."""
        return self.bits == 8 and self.marker not in (LOSSLESS, JPEG_LS)


def frame_of(data: bytes) -> Frame | None:
    """Return the first frame in the first bytes of a file; None if there is none in them."""
    for marker, payload in _segments(data):
        if marker in _FRAMES and len(payload) >= 6:
            bits, height, width, components = struct.unpack(">BHHB", payload[:6])
            return Frame(marker, bits, width, height, components)
    return None


def end_of_scans(data: bytes) -> int:
    """Return where the end-of-image marker stands; raises SourceError if it is missing."""
    for marker, _, end in _walk(data):
        if marker == _END:
            return end - 2
    corrupt("the end of its JPEG data is missing")


def carried(data: bytes) -> dict[str, Any]:
    """Return the fields of a header that its segments fill."""
    facts: dict[str, Any] = {}
    profile: dict[int, bytes] = {}
    for marker, payload in _segments(data):
        if marker == 0xE0 and payload.startswith(_JFIF) and len(payload) >= 12:
            unit, across, down = struct.unpack(">BHH", payload[7:12])
            if unit in _PER_INCH and across and down:
                facts["dpi"] = (across * _PER_INCH[unit], down * _PER_INCH[unit])
        elif marker == 0xE1 and payload.startswith(_EXIF):
            facts.setdefault("exif", payload)
        elif marker == 0xE1 and payload.startswith(_XMP):
            facts.setdefault("xmp", payload[len(_XMP) :])
        elif marker == 0xE2 and payload.startswith(_ICC) and len(payload) > 14:
            profile[payload[12]] = payload[14:]
        elif marker == 0xED and payload.startswith(_IPTC):
            facts.setdefault("iptc", payload)
    facts["icc"] = b"".join(profile[part] for part in sorted(profile)) or None
    facts["orientation"] = orientation_of(facts.get("exif"))
    facts["description"] = description_of(facts.get("exif"))
    return facts


def pictures_in(data: bytes) -> int:
    """Return how many pictures a file says that it holds (CIPA DC-007: stereo, panoramas); else 1.

    Most cameras count a preview, or a gain map, as one.
    """
    found = (part for marker, part in _segments(data) if marker == 0xE2 and part.startswith(_MPF))
    index = next(found, b"")[len(_MPF) :]
    order = {b"II": "<", b"MM": ">"}.get(index[:2], "")
    if not order or len(index) < 8:
        return 1
    (at,) = struct.unpack_from(f"{order}I", index, 4)
    for tag, _, _, value in struct.iter_unpack(f"{order}HHII", _even(index[at + 2 :], 12)):
        if tag == _PICTURES:
            return int(value)
    return 1


def _even(data: bytes, size: int) -> bytes:
    """Leave out what is left over after whole pieces of this size."""
    return data[: len(data) // size * size]


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and payload of each segment before the first scan."""
    for marker, start, end in _walk(data):
        if marker in (_SCAN, _END):
            return
        yield marker, data[start:end]


def _walk(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of segments that are whole; coded data between is passed over."""
    place = 2
    while place + 2 <= len(data):
        if data[place] != 0xFF:  # stray bytes, which libjpeg passes over too
            place = data.find(b"\xff", place)
            if place < 0:
                return
            continue
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in _ALONE or marker == _END:
            yield marker, place + 2, place + 2
            place += 2
        else:
            end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
            if end > len(data) or end < place + 4:
                return
            yield marker, place + 4, end
            place = end if marker != _SCAN else _after_scan(data, end)


def _after_scan(data: bytes, place: int) -> int:
    found = _IN_SCAN.search(data, place)
    return found.start() if found else len(data)
