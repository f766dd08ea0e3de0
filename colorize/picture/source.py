"""What a source file says of itself, and which kinds of file we read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.luma import Samples

_MAGIC: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("jpeg", lambda head: head.startswith(b"\xff\xd8\xff")),
    ("png", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    ("webp", lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
    ("tiff", lambda head: head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
_HINTS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF; extract its pictures first"),
    (b"GIF8", "a GIF; convert it to PNG first"),
    (b"BM", "a BMP; convert it to TIFF first"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file; convert it to TIFF first"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 codestream; convert it to TIFF first"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL file; convert it to TIFF first"),
    (b"\xff\x0a", "a JPEG XL codestream; convert it to TIFF first"),
)


@dataclass(frozen=True)
class Header:
    """What a file says of itself, before any pixel is decoded."""

    format: str
    decoder: str
    width: int
    height: int
    bits: int
    channels: int
    orientation: int = 1
    dpi: tuple[float, float] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    description: str = ""
    tone_evidence: str = ""
    note: str = ""

    @property
    def luma_bytes(self) -> int:
        """What the decoded luma takes in memory."""
        return self.width * self.height * self.bits // 8


@dataclass(frozen=True)
class Source:
    """An opened file: its header, and its rows as they come, top to bottom, (n, w[, 3])."""

    header: Header
    rows: Callable[[], Iterator[Samples]] = field(repr=False)


def sniff(head: bytes) -> str:
    """Name the format by its first bytes; raises SourceError for what we do not read."""
    if not head:
        raise SourceError(Fault.EMPTY, "the file has no bytes")
    for name, fits in _MAGIC:
        if fits(head):
            return name
    for magic, hint in _HINTS:
        if head.startswith(magic):
            raise SourceError(Fault.UNSUPPORTED, hint)
    if head[4:8] == b"ftyp":
        raise SourceError(Fault.UNSUPPORTED, "a HEIF, AVIF or video file; convert it to TIFF first")
    raise SourceError(Fault.NOT_AN_IMAGE, f"begins with {head[:12]!r}")


def refuse(what: str) -> NoReturn:
    """Say that this kind of file is known but not read."""
    raise SourceError(Fault.UNSUPPORTED, what)
