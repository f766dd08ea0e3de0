"""Presence: drivers tell each other that they are there, and guard nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from photochrom.jobs.driving.presence import Presence
from photochrom.jobs.errors import StorageError
from photochrom.jobs.storage.store import Store
from tests.jobs.archive import keys


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_drivers_see_each_other_until_they_leave(store: Store) -> None:
    first, second = Presence(store, "anna"), Presence(store, "ben")
    assert first.others() == []
    (seen,) = second.others()
    assert seen.startswith(f"anna (process {os.getpid()} on ")
    assert [other.partition(" ")[0] for other in first.others()] == ["ben"]
    first.leave()
    assert second.others() == []
    second.leave()
    assert keys(store, "drivers") == []


def test_a_driver_that_is_long_silent_is_not_there(store: Store, tmp_path: Path) -> None:
    Presence(store, "anna").beat()
    (note,) = keys(store, "drivers")
    long_ago = (tmp_path / note).stat().st_mtime - 61
    os.utime(tmp_path / note, (long_ago, long_ago))
    assert Presence(store, "ben").others() == []


def test_a_driver_of_this_machine_that_was_killed_is_not_there(store: Store) -> None:
    Presence(store, "anna").beat()
    (note,) = keys(store, "drivers")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    told = json.loads(store.read(note)) | {"pid": ended.pid}
    store.put(note, json.dumps(told).encode())
    ben = Presence(store, "ben")
    assert ben.others() == []
    store.put(note, json.dumps(told | {"host": "elsewhere"}).encode())
    assert len(ben.others()) == 1


def test_a_note_is_not_rewritten_at_every_beat(store: Store) -> None:
    presence = Presence(store, "anna")
    presence.beat()
    (before,) = store.list("drivers")
    presence.beat()
    assert list(store.list("drivers")) == [before]


class Silent(Store):
    """A store that takes nothing at present."""

    def put(self, key: str, data: bytes) -> None:
        raise StorageError(f"{self.uri(key)}: slow down")


def test_a_storage_that_takes_no_notes_stops_nobody(store: Store) -> None:
    presence = Presence(Silent(store.root), "anna")
    presence.beat()
    assert presence.others() == []
    presence.leave()
