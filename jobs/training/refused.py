"""The photographs that a training passed over, and why: one table per worker, in its place.

A table is written now and then and at the end; a worker that dies loses at most the last minute's
rows, and adds them again when it comes to those photographs again.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from threading import Lock
from typing import Self

from photochrom.colorize.training.shelf import Refused
from photochrom.jobs.errors import NotFound
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.gallery import Gallery

FOLDER = "refused"
COLUMNS = ("id", "kind", "reason")
PAUSE_SECONDS = 60.0


class Refusals:
    """One worker's table, which goes on from what is there; to be closed, which writes the rest."""

    def __init__(self, store: Store, rank: int) -> None:
        self._store, self._key = store, f"{FOLDER}/{rank}.csv"
        self._rows = _read(store, self._key)
        self._lock = Lock()
        self._written, self._changed = time.monotonic(), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._write()

    def add(self, gallery: Gallery, refused: Refused) -> None:
        """Add a photograph of a gallery; any thread may."""
        name = gallery.id(refused.index)
        with self._lock:
            if name in self._rows:
                return
            self._rows[name] = (refused.kind, refused.reason)
            self._changed = True
            if time.monotonic() - self._written > PAUSE_SECONDS:
                self._write()

    def _write(self) -> None:
        if not self._changed:
            return
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows((name, *self._rows[name]) for name in sorted(self._rows))
        self._store.put(self._key, text.getvalue().encode())
        self._written, self._changed = time.monotonic(), False


def count_refused(store: Store) -> Counter[str]:
    """Return how many photographs were passed over, by kind; one that several met counts once."""
    kinds: dict[str, str] = {}
    for entry in store.list(FOLDER):
        kinds |= {name: kind for name, (kind, _) in _read(store, entry.key).items()}
    return Counter(kinds.values())


def _read(store: Store, key: str) -> dict[str, tuple[str, str]]:
    try:
        text = store.read(key).decode()
    except NotFound:
        return {}
    return {name: (kind, reason) for name, kind, reason in list(csv.reader(io.StringIO(text)))[1:]}
