"""Inputs: a manifest's photographs made ready for a plan: size, version, key, what is skipped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from photochrom.jobs.errors import StorageError
from photochrom.jobs.identity import KEY_DIGITS
from photochrom.jobs.planning.effort import Column
from photochrom.jobs.planning.rows import Rows
from photochrom.jobs.reasons import Reason
from photochrom.jobs.records import PlanRow, schema_of
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store, split_uri

_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
_STAT_THREADS = 16


def planned_rows(
    batches: Iterable[pa.Table],
    source: Access,
    restrict: Callable[[pa.Table], pa.Table] = lambda batch: batch,
) -> Rows:
    """Turn ManifestRows into rows of a plan, asking the storage for sizes the manifest lacks.

    `restrict` skips those that must not be processed.
    """
    return Rows(map(restrict, _planned(batches, source)))


def _planned(batches: Iterable[pa.Table], source: Access) -> Iterator[pa.Table]:
    stores: dict[str, Store] = {}
    with ThreadPoolExecutor(_STAT_THREADS) as threads:
        for batch in batches:
            yield _plan_rows(_measured(batch, source, stores, threads))


def _measured(
    batch: pa.Table, source: Access, stores: dict[str, Store], threads: ThreadPoolExecutor
) -> pa.Table:
    """Ask for each size that is missing; then the version is known too."""
    unknown = pc.less(batch["bytes"], 0)
    if not pc.any(unknown).as_py():
        return batch

    def measured(row: dict[str, Any]) -> dict[str, Any]:
        if row["bytes"] >= 0:
            return row
        root, key = split_uri(row["uri"])
        store = stores.setdefault(root, Store(root, source))
        try:
            entry = store.stat(key)
        except StorageError as error:
            if error.retriable:
                raise
            return row | {"bytes": 0}  # the worker will say what is wrong with it
        version = row["version"] or entry.version
        storage_class = row["storage_class"] or entry.storage_class
        return row | {"bytes": entry.size, "version": version, "storage_class": storage_class}

    rows = list(threads.map(measured, batch.to_pylist()))
    return pa.Table.from_pylist(rows, schema=batch.schema)


def _plan_rows(batch: pa.Table) -> pa.Table:
    archived = pc.is_in(batch["storage_class"], pa.array(_ARCHIVED))
    skip = pc.if_else(archived, str(Reason.ARCHIVED_STORAGE), "")
    restricted = pc.not_equal(batch["restriction"], "")
    columns = {
        "row_id": batch["row_id"],
        "row_key": row_keys(batch["row_id"], batch["uri"], batch["version"]),
        "source_uri": batch["uri"],
        "source_version": batch["version"],
        "source_bytes": batch["bytes"],
        "shard": pa.repeat(pa.scalar(-1, pa.int64()), len(batch)),
        "shard_key": pa.repeat("", len(batch)),
        "skip": pc.if_else(restricted, str(Reason.RESTRICTED), skip),
        "tone": batch["tone"],
        "tone_by": pa.repeat("", len(batch)),
        "collection": batch["collection"],
        "rights": batch["rights"],
        "restriction": batch["restriction"],
    }
    return pa.table(columns, schema=schema_of(PlanRow))


def row_keys(*parts: Column) -> Column:
    """Name many inputs as `identity.row_key` names one; texts without control characters."""
    pieces: list[Column | str] = []
    for part in parts:
        if pc.any(pc.match_substring_regex(part, r'["\\]')).as_py():
            part = pc.replace_substring(pc.replace_substring(part, "\\", "\\\\"), '"', '\\"')
        pieces += ['","' if pieces else '["', part]
    texts = pc.binary_join_element_wise(*pieces, '"]', "").cast(pa.binary()).to_pylist()
    sha256 = hashlib.sha256
    return pa.array([sha256(text).hexdigest()[:KEY_DIGITS] for text in texts], pa.string())
