"""What a source file says of itself, which kinds of file we know, and how reading may fail."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from struct import error as struct_error
from typing import NoReturn

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.luma import Samples

ANIMATION = "an animation; extract its pictures first"
"""What is said of files whose pictures are one after another in time."""

_MAGIC: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("jpeg", (b"\xff\xd8\xff",)),
    ("png", (b"\x89PNG\r\n\x1a\n",)),
    ("tiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("jp2", (b"\0\0\0\x0cjP  \r\n\x87\n",)),
    ("j2k", (b"\xff\x4f\xff\x51",)),
    ("jxl", (b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a")),
)
_BRANDS: tuple[tuple[str, frozenset[bytes]], ...] = (
    ("avif", frozenset({b"avif"})),
    ("heic", frozenset({b"heic", b"heix", b"heim", b"heis"})),
)
_HINTS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF; extract its pictures first"),
    (b"GIF8", "a GIF; convert it to PNG first"),
    (b"BM", "a BMP; convert it to TIFF first"),
    (b"8BPS", "a Photoshop file; save it as TIFF first"),
    (b"AT&TFORM", "a DjVu document; extract its pictures first"),
    (b"gimp xcf", "a GIMP file; export it as TIFF first"),
    (b"II\xbc", "a JPEG XR file; convert it to TIFF first"),
    (b"qoif", "a QOI file; convert it to PNG first"),
    (b"FUJIFILMCCD-RAW", "a camera raw file; convert it to DNG first"),
    (b"IIRO", "a camera raw file; convert it to DNG first"),
    (b"IIRS", "a camera raw file; convert it to DNG first"),
    (b"MMOR", "a camera raw file; convert it to DNG first"),
    (b"IIU\0", "a camera raw file; convert it to DNG first"),
    (b"FOVb", "a camera raw file; convert it to DNG first"),
    (b"\0MRM", "a camera raw file; convert it to DNG first"),
)
_OF_THIS_MACHINE = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC}
_UNREADABLE = (
    ArithmeticError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct_error,
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
    for name, magics in _MAGIC:
        if head.startswith(magics):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    for magic, hint in _HINTS:
        if head.startswith(magic):
            refuse(hint)
    raise SourceError(Fault.NOT_AN_IMAGE, f"begins with {head[:12]!r}")


def _by_brand(head: bytes) -> str:
    """Name an ISO media file by the brands in its first box."""
    size = int.from_bytes(head[:4], "big")
    if len(head) < min(size, 256):
        corrupt("the file ends in its first box")
    brands = {head[at : at + 4] for at in (8, *range(16, min(size, len(head)) - 3, 4))}
    if b"avis" in brands:
        refuse(ANIMATION)
    for name, ours in _BRANDS:
        if brands & ours:
            return name
    if b"crx " in brands:
        refuse("a camera raw file; convert it to DNG first")
    return refuse("a video, or an image sequence; extract its pictures first")


def refuse(what: str) -> NoReturn:
    """Say that this kind of file is known but not read."""
    raise SourceError(Fault.UNSUPPORTED, what)


def corrupt(what: str) -> NoReturn:
    """Say that this file is not whole."""
    raise SourceError(Fault.CORRUPT, what)


@contextmanager
def reading(*also: type[Exception]) -> Iterator[None]:
    """Call a file corrupt when its decoder fails, unless this machine's disk or memory did."""
    unreadable: tuple[type[Exception], ...] = (*_UNREADABLE, *also)
    try:
        yield
    except MemoryError as error:
        raise OSError(errno.ENOMEM, "no memory to decode a picture") from error
    except unreadable as error:
        if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
            raise
        message = " ".join(f"{type(error).__name__}: {error}".split())
        raise SourceError(Fault.CORRUPT, message[:500]) from error
