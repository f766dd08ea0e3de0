"""Copies: a place's files as paths that other libraries open."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from photochrom.jobs.storage.store import Store

_THREADS = 16


class Copies:
    """Files of a store on this machine: where they lie, or fetched once and gone with this object.

    DuckDB would take a star or bracket in a path for a pattern, so those are fetched too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_here = store.root.startswith("file://") and not set(store.root) & set("*?['")
        self._folder: Path | None = None

    def path(self, key: str) -> str:
        """Return where a file lies; raises StorageError if it must be fetched and cannot."""
        if self.is_here:
            return f"{self._store.root.removeprefix('file://')}/{key}"
        path = self._scratch() / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = path.with_name(f"{path.name}.part")
            self._store.fetch(key, whole)
            whole.rename(path)
        return str(path)

    def paths(self, keys: Sequence[str]) -> list[str]:
        """Return where files lie, fetching many at a time."""
        if self.is_here or not keys:
            return [self.path(key) for key in keys]
        self._scratch()
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(self.path, keys))

    def _scratch(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="photochrom-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder
