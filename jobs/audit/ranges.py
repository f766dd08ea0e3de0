"""A store as DuckDB reads it: of a large file only the bytes that a question needs.

The files never change, so that what a listing said of them holds, and their ends, where Parquet
says what is in them, are read once.
"""

from __future__ import annotations

from typing import Any

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

from photochrom.jobs.storage.store import Entry, Store

_TAIL = 1 << 16
PROTOCOL = "photochrom"


class Ranges(AbstractFileSystem):  # type: ignore[misc]
    """The files of one store, to be read in ranges; their names are keys behind `photochrom://`."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._entries: dict[str, Entry] = {}
        self._tails: dict[str, bytes] = {}

    def add(self, entry: Entry) -> str:
        """Take a file in; return the path that it is opened by."""
        self._entries[entry.key] = entry
        return f"{PROTOCOL}://{entry.key}"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return what the listing said of a file."""
        entry = self._entries[self._strip_protocol(path)]
        return {"name": entry.key, "size": entry.size, "type": "file", "mtime": entry.modified}

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the path itself: keys are no patterns."""
        return [path]

    def modified(self, path: str) -> Any:
        """Return when a file was written."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> AbstractBufferedFile:
        return _File(self, path, mode, cache_type="none")

    def read(self, key: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a file."""
        first = max(0, self._entries[key].size - _TAIL)
        if start < first:
            return self._store.read_range(key, start, end - start)
        if key not in self._tails:
            self._tails[key] = self._store.read_range(key, first, _TAIL)
        return self._tails[key][start - first : end - first]


class _File(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        files: Ranges = self.fs
        return files.read(self.path, start, end)
