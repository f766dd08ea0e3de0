"""What lies where inside a tar, found by reading its headers only; and one file of it.

A tar of small files is read through once in growing windows; in one of large files the windows
stay small and the files are passed over.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from photochrom.jobs.errors import ManifestError
from photochrom.jobs.storage.store import Store

SMALLEST_WINDOW = 1 << 16
LARGEST_WINDOW = 8 << 20
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a tar: its name without a leading ./, and where its bytes lie."""

    name: str
    offset: int
    bytes: int


class Window(io.RawIOBase):
    """A stored object as a file to read and seek in, through one window of its bytes."""

    def __init__(self, store: Store, key: str, version: str) -> None:
        self._store, self._key, self._version = store, key, version
        self._at = 0
        self._first, self._held = 0, b""
        self._width = SMALLEST_WINDOW

    def readable(self) -> bool:
        """Say that this file is read."""
        return True

    def seekable(self) -> bool:
        """Say that reading may go on anywhere."""
        return True

    def tell(self) -> int:
        """Return where reading goes on."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on reading elsewhere."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("its end is not known before it is reached")
        self._at = max(0, offset + (self._at if whence == io.SEEK_CUR else 0))
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, all that were asked for unless the object ends."""
        if size is None or size < 0:
            raise io.UnsupportedOperation("it may not fit into memory")
        if size and not self._first <= self._at <= self._at + size <= self._end:
            self._move(size)
        start = self._at - self._first
        data = self._held[start : start + size] if size else b""
        self._at += len(data)
        return data

    @property
    def _end(self) -> int:
        return self._first + len(self._held)

    def _move(self, size: int) -> None:
        """Move the window here; it widens as long as each begins where the last one ended."""
        near = self._at <= self._end + SMALLEST_WINDOW
        self._width = min(2 * self._width, LARGEST_WINDOW) if near else SMALLEST_WINDOW
        wanted = max(size, self._width)
        self._held = self._store.read_range(self._key, self._at, wanted, self._version)
        self._first = self._at


def walk(store: Store, key: str, version: str) -> Iterator[Member]:
    """Yield the files of a tar in their order; links, folders and devices are passed over.

    Raises ManifestError for what is no tar, is compressed, or ends before its end mark.
    """
    uri = store.uri(key)
    window = Window(store, key, version)
    head = window.read(6)
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            raise ManifestError(f"{uri}: compressed by {name}, so no part of it can be read alone")
    window.seek(0)
    try:
        with tarfile.open(fileobj=window, mode="r:") as tar:
            for member in iter(tar.next, None):
                tar.members.clear()  # type: ignore[attr-defined]  # else it remembers them all
                if member.issparse():
                    raise ManifestError(f"{uri}: {member.name} is stored as a sparse file")
                if member.isreg():
                    yield Member(plain(member.name), member.offset_data, member.size)
            window.seek(tar.offset)
            mark = window.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, ValueError) as error:
        raise ManifestError(f"{uri}: not a whole tar: {error}") from None
    if mark != bytes(tarfile.BLOCKSIZE):
        raise ManifestError(f"{uri}: not a whole tar: its end is missing")


def plain(name: str) -> str:
    """Return a member's name as it is compared: without ./ at the start."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name
