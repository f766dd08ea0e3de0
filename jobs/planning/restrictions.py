"""Restrictions: tables of what must not be processed, by id, URI prefix or hash of the source.

They are asked when a plan is made, and again by workers before they read and before they store
anything, each time with a copy that is no older than half a minute. A table that cannot be read
stops everything: nothing is known to be allowed. An output place remembers the tables that its job
has named, so that `retry` and `print` obey them too.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from photochrom.colorize.errors import PhotochromError
from photochrom.jobs.errors import ManifestError, Restricted, RestrictionsUnread
from photochrom.jobs.identity import digest
from photochrom.jobs.planning.manifest import is_table, read_table
from photochrom.jobs.planning.manifest_rows import text_of
from photochrom.jobs.reasons import Reason
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store, split_uri

FRESH_SECONDS = 30.0
COLUMNS = ("row_id", "prefix", "sha256")
_FOLDER = "restrictions"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Table:
    """One table as it was read: version, ids, prefixes and hashes; each alone restricts."""

    version: str
    row_ids: frozenset[str]
    prefixes: frozenset[str]
    sha256s: frozenset[str]
    lengths: tuple[int, ...]

    def why(self, row_id: str, uri: str, sha256: str) -> str:
        """Say what restricts a source; "" if nothing does."""
        if row_id in self.row_ids:
            return f"row_id {row_id}"
        for length in self.lengths:
            if uri[:length] in self.prefixes:
                return f"prefix {uri[:length]}"
        return f"sha256 {sha256}" if sha256 in self.sha256s else ""

    def hits(self, batch: pa.Table) -> list[int]:
        """Return which rows of a plan are restricted by id or prefix."""
        hit = pc.is_in(batch["row_id"], pa.array(sorted(self.row_ids), pa.string()))
        prefixes = pa.array(sorted(self.prefixes), pa.string())
        for length in self.lengths:
            start = pc.utf8_slice_codeunits(batch["source_uri"], 0, length)
            hit = pc.or_(hit, pc.is_in(start, prefixes))
        return [number for number, is_hit in enumerate(hit.to_pylist()) if is_hit]


def read_restrictions(uri: str, access: Access) -> Table:
    """Read a table; raises ManifestError, StorageError."""
    if not is_table(uri):
        raise ManifestError("it is no .parquet, .csv or .jsonl table")
    root, key = split_uri(uri)
    entry = Store(root, access).stat(key)
    if not entry.size:
        raise ManifestError("it is empty; to restrict nothing, write a header without rows")
    found: dict[str, set[str]] = {name: set() for name in COLUMNS}
    for number, record in enumerate(read_table(uri, access), 1):
        cells = {name: text_of(record.get(name), name).strip() for name in COLUMNS}
        if not any(cells.values()):
            raise ManifestError(f"row {number} has none of {', '.join(COLUMNS)}")
        cells["sha256"] = cells["sha256"].lower()
        if cells["sha256"] and not _SHA256.fullmatch(cells["sha256"]):
            raise ManifestError(f"row {number}: {cells['sha256']!r} is no sha256")
        if cells["prefix"] and "://" not in cells["prefix"]:
            raise ManifestError(f"row {number}: write {cells['prefix']!r} in full, as in s3://...")
        for name, cell in cells.items():
            found[name] |= {cell} - {""}
    lengths = sorted({len(prefix) for prefix in found["prefix"]}, reverse=True)
    row_ids, prefixes, sha256s = (frozenset(found[name]) for name in COLUMNS)
    return Table(entry.version, row_ids, prefixes, sha256s, tuple(lengths))


class Restrictions:
    """All tables that a job must obey; threads share it."""

    def __init__(
        self, uris: Iterable[str], access: Access, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._uris, self._access, self._clock = tuple(uris), access, clock
        self._tables: dict[str, Table] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read what has changed; raises RestrictionsUnread."""
        begun = self._clock()
        for uri in self._uris:
            try:
                self._tables[uri] = self._now(uri)
            except PhotochromError as error:
                raise RestrictionsUnread(
                    f"{uri}: the restrictions cannot be read, so nothing is processed: {error}"
                ) from error
        self._read_at = begun

    def _now(self, uri: str) -> Table:
        held = self._tables.get(uri)
        if held:
            root, key = split_uri(uri)
            if Store(root, self._access).stat(key).version == held.version:
                return held
        return read_restrictions(uri, self._access)

    def why(self, row_id: str, uri: str, sha256: str = "") -> str:
        """Say what restricts a source, by a fresh copy; "" if nothing does."""
        if not self._uris:
            return ""
        with self._lock:
            if self._clock() - self._read_at > FRESH_SECONDS:
                self.refresh()
        return next(filter(None, (t.why(row_id, uri, sha256) for t in self._tables.values())), "")

    def check(self, row_id: str, uri: str, sha256: str = "") -> None:
        """Raise Restricted if a source must not be processed."""
        if why := self.why(row_id, uri, sha256):
            raise Restricted(why)

    def applied_to(self, batch: pa.Table) -> pa.Table:
        """Return the rows of a plan, those skipped that are restricted."""
        self.why("", "")  # reads the tables, if that is due
        hits = {number for table in self._tables.values() for number in table.hits(batch)}
        if not hits:
            return batch
        skip, restriction = batch["skip"].to_pylist(), batch["restriction"].to_pylist()
        for number in hits:
            row = batch.slice(number, 1).to_pylist()[0]
            skip[number] = str(Reason.RESTRICTED)
            restriction[number] = self.why(row["row_id"], row["source_uri"])
        for name, values in (("skip", skip), ("restriction", restriction)):
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, batch.schema.field(name), pa.array(values, pa.string()))
        return batch


def restrictions_of(job: Job, store: Store) -> Restrictions:
    """Return what restricts a job: its own table and those that its place remembers."""
    named = {job.restrictions} if job.restrictions else set()
    noted = {store.read(entry.key).decode() for entry in store.list(_FOLDER)}
    return _shared(tuple(sorted(named | noted)), job.storage.source)


@cache
def _shared(uris: tuple[str, ...], access: Access) -> Restrictions:
    """Share one copy in each process: every shard asks for it."""
    return Restrictions(uris, access)


def remember(job: Job, store: Store) -> None:
    """Let the place know the job's table."""
    if job.restrictions:
        key = f"{_FOLDER}/{digest(job.restrictions)[:16]}.txt"
        if not store.exists(key):
            store.put_if_absent(key, job.restrictions.encode())
