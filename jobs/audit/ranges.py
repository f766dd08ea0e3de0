"""A store as DuckDB reads it: of a large file only the bytes that a question needs."""

from __future__ import annotations

from typing import Any

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

from photochrom.jobs.storage.store import Store

PROTOCOL = "photochrom"


class Ranges(AbstractFileSystem):  # type: ignore[misc]
    """The files of one store, to be read in ranges; their names are keys behind `photochrom://`."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return what a store says of a file."""
        entry = self.store.stat(self._strip_protocol(path))
        return {"name": entry.key, "size": entry.size, "type": "file", "mtime": entry.modified}

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the path itself: keys are no patterns."""
        return [path]

    def modified(self, path: str) -> Any:
        """Return when a file was written."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> AbstractBufferedFile:
        return _File(self, path, mode, cache_type="none")


class _File(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        store: Store = self.fs.store
        return store.read_range(self.path, start, end - start)
