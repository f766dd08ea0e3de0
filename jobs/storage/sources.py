"""Sources: fetch originals, wherever they lie, pinned to the version that was planned."""

from __future__ import annotations

from pathlib import Path

from photochrom.jobs.errors import StorageError
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Fetched, Store, split_uri


class Sources:
    """Read-only stores, one for each root, opened as they are met."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._stores: dict[str, Store] = {}

    def fetch(self, uri: str, version: str, path: Path) -> Fetched:
        """Copy an original to `path`; raises StorageError, SourceChanged if the pin is broken."""
        store, key = self.at(uri)
        return store.fetch(key, path, version)

    def at(self, uri: str) -> tuple[Store, str]:
        """Return the store that an original lies in, and its key there."""
        root, key = split_uri(uri)
        return self._stores.setdefault(root, Store(root, self._access)), key

    def answer(self, uri: str, store: Store) -> bool:
        """Say whether a source's storage and a place answer, lest an outage be a photo's fault."""
        source, key = self.at(uri)
        try:
            source.answer(key)
            store.clock()  # which writes, as it may have been a write that failed
        except StorageError:
            return False
        return True
