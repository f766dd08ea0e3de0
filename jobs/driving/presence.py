"""Presence: a driver says that it is there, so that a second one can be told.

It guards nothing: two drivers on one job are harmless, only wasteful. The storage's clock decides
who is alive, since every driver's note is dated by it.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

from photochrom.jobs.errors import NotFound, StorageError
from photochrom.jobs.storage.store import Store

BEAT_SECONDS = 15.0
ALIVE = timedelta(seconds=4 * BEAT_SECONDS)


class Presence:
    """One driver's note under `drivers/`, renewed while it works and taken back at the end."""

    def __init__(self, store: Store, operator: str) -> None:
        self._store = store
        self._key = f"drivers/{uuid4().hex}.json"
        self._note = {"operator": operator, "host": platform.node(), "pid": os.getpid()}
        self._beaten = float("-inf")

    def beat(self) -> None:
        """Renew the note if it is time; a storage that is down for a while hears nothing."""
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            with suppress(StorageError):
                self.write()

    def write(self) -> None:
        """Renew the note now; raises StorageError."""
        try:
            self._store.put(self._key, json.dumps(self._note).encode())
        finally:
            self._beaten = time.monotonic()

    def others(self) -> list[str]:
        """Name the other drivers that were there within the last minute."""
        self.beat()
        try:
            now = self._store.stat(self._key).modified
        except StorageError:
            return []
        found = []
        for entry in self._store.list("drivers/"):
            if entry.key == self._key or now - entry.modified > ALIVE:
                continue
            try:
                note = json.loads(self._store.read(entry.key))
            except NotFound:
                continue
            if self._has_ended(note):
                continue
            found.append(f"{note['operator']} (process {note['pid']} on {note['host']})")
        return found

    def leave(self) -> None:
        """Take the note back, if the storage is there; else it is forgotten in a minute."""
        with suppress(StorageError):
            self._store.delete(self._key)

    def _has_ended(self, note: dict[str, Any]) -> bool:
        """Say whether a note is by a process of this machine that was killed."""
        if note["host"] != self._note["host"]:
            return False
        try:
            os.kill(note["pid"], 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False
