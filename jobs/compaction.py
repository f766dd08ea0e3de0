"""Compaction: copies of many commits in one file, so that questions read few.

The commits stay the truth. A copy names the commits that it holds, all of which stood when it was
written, and a commit never changes; so a copy is right for ever, whoever wrote it, and a commit
that no copy holds is read by itself. Copies that overlap do no harm: readers take one of them. A
compactor may be killed at any moment, as its copy is created whole or not at all. A copy also says
what its rows add up to, so that a place that is all copied can be summed up without reading rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from photochrom.jobs.errors import StorageError
from photochrom.jobs.identity import digest
from photochrom.jobs.records import parquet_metadata, table_bytes, table_of
from photochrom.jobs.storage.access import Entry
from photochrom.jobs.storage.store import Store
from photochrom.jobs.tally import Tally

TOGETHER = 256
_FOLDER = "compacted"
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that holds the rows of some commits; copies of old do not say what they add up to."""

    entry: Entry
    holds: frozenset[str]
    tally: Tally | None

    @property
    def key(self) -> str:
        """Its name under the root."""
        return self.entry.key


def copies_of(store: Store, folder: str) -> list[Copy]:
    """Return a folder's copies that do not overlap, those of most commits first."""
    chosen: list[Copy] = []
    held: set[str] = set()
    for copy in sorted(_standing(store, folder), key=lambda copy: (-len(copy.holds), copy.key)):
        if held.isdisjoint(copy.holds):
            chosen.append(copy)
            held |= copy.holds
    return chosen


def _standing(store: Store, folder: str) -> list[Copy]:
    def opened(entry: Entry) -> Copy:
        metadata = parquet_metadata(store, entry).metadata or {}
        said = metadata.get(b"tally")
        tally = Tally.from_json(said) if said else None
        return Copy(entry, frozenset(json.loads(metadata[b"holds"])), tally)

    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(opened, store.list(f"{_FOLDER}/{folder}")))


def compact(store: Store, rest: bool = False) -> int:
    """Copy commits that no copy holds yet, TOGETHER to a file; return how many copies are new.

    The oldest go first: who compacts at the same time makes the same copies. With `rest` what is
    left over in a folder of many is copied too: nothing more is to come soon.
    """
    new = 0
    for folder in ("ledger", *(f"printed/{name}" for name in store.folders("printed"))):
        held = {key for copy in copies_of(store, folder) for key in copy.holds}
        loose = [
            entry
            for entry in store.list(folder)
            if entry.key.endswith(".parquet") and entry.key not in held
        ]
        loose.sort(key=lambda entry: (entry.modified, entry.key))
        keys = [entry.key for entry in loose]
        for first in range(0, len(keys) - TOGETHER + 1, TOGETHER):
            new += copy_commits(store, folder, keys[first : first + TOGETHER])
        left_over = keys[len(keys) // TOGETHER * TOGETHER :]
        if rest and left_over and (held or len(keys) > TOGETHER):
            new += copy_commits(store, folder, left_over)
    return new


def copy_commits(store: Store, folder: str, keys: Iterable[str]) -> bool:
    """Copy these commits into one file; the same ones always have the same copy."""
    keys = sorted(keys)
    key = f"{_FOLDER}/{folder}/{digest(*keys)[:32]}.parquet"
    rows = rows_of(store, keys)
    said = {"holds": json.dumps(keys), "tally": Tally.of(rows).to_json()}
    return store.put_if_absent(key, table_bytes(rows, said))


def rows_of(store: Store, keys: Iterable[str]) -> pa.Table:
    """Read the rows of some commits; columns that some lack are empty there."""

    def read(key: str) -> pa.Table:
        return table_of(store.read(key))

    with ThreadPoolExecutor(_THREADS) as threads:
        return pa.concat_tables(threads.map(read, keys), promote_options="default")


class Compactor:
    """Copies commits beside a run's work, in one thread; what it cannot do is left for later."""

    def __init__(self, store: Store, note: Callable[[str], None]) -> None:
        self._store, self._note, self._loose = store, note, 0
        self._thread: ThreadPoolExecutor | None = None
        self._failed = False

    def committed(self, count: int = 1) -> None:
        """Hear of commits; enough of them are copied."""
        self._loose += count
        if self._loose >= TOGETHER:
            self._loose = 0
            self._thread = self._thread or ThreadPoolExecutor(1)
            self._thread.submit(self._compact)

    def close(self) -> None:
        """Wait until all is copied that was to be, the rest too if there was much."""
        if self._thread is not None:
            self._thread.submit(self._compact, rest=True)
            self._thread.shutdown()
            self._thread = None

    def _compact(self, rest: bool = False) -> None:
        if rest and self._failed:
            return
        try:
            compact(self._store, rest)
            self._failed = False
        except (StorageError, pa.ArrowInvalid) as error:
            self._failed = True
            self._note(
                f"commits were not copied together, which only makes questions slow: {error}"
            )


def faults(store: Store) -> list[tuple[str, str]]:
    """Hold every copy against its commits; return the keys of those that differ, and how."""
    found = []
    folders = {entry.key.rpartition("/")[0] for entry in store.list(_FOLDER)}
    for folder in sorted(folders):
        for copy in _standing(store, folder.removeprefix(f"{_FOLDER}/")):
            keys = sorted(copy.holds)
            rows = rows_of(store, keys)
            if not rows_of(store, [copy.key]).equals(rows):
                found.append((copy.key, "this copy's rows are not those of its commits"))
            elif copy.tally not in (None, Tally.of(rows)):
                found.append((copy.key, "this copy's rows do not add up to what it says"))
    return found
