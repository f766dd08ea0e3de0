"""Manifests: which photographs a job is about, read from a table or from a folder, and validated.

A table (.parquet, .csv, .jsonl) has a row per photograph; only its URI is needed, relative to the
table or in full. A folder or prefix stands for the picture files below it; their sub-folder is
their collection. Every complaint names the row's number, counted from 1.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from photochrom.jobs.errors import ManifestError
from photochrom.jobs.planning.manifest_rows import ManifestRow, plain_rows, row_of
from photochrom.jobs.planning.rows import BATCH
from photochrom.jobs.records import to_table
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store, split_uri

PICTURE_ENDINGS = frozenset(
    [
        *("jpg", "jpeg", "jpe", "jfif", "png", "tif", "tiff", "webp", "gif", "bmp", "jp2", "j2k"),
        *("jpx", "jxl", "heic", "heif", "avif", "dng", "nef", "cr2", "arw"),
    ]
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All rows at once, and how many files of a folder were left out, by their ending."""

    rows: tuple[ManifestRow, ...]
    left_out: Mapping[str, int]


def read_manifest(job: Job) -> Manifest:
    """Read and validate a manifest of few rows; raises as `manifest_batches` does."""
    left_out = Counter[str]()
    rows = [
        ManifestRow(**record)
        for batch in manifest_batches(job, left_out)
        for record in batch.to_pylist()
    ]
    return Manifest(tuple(rows), dict(left_out))


def manifest_batches(job: Job, left_out: Counter[str]) -> Iterator[pa.Table]:
    """Read and validate a job's manifest, ManifestRows in batches; count what is left out.

    It is valid only when the last batch has come. Raises ManifestError, NotFound, AccessDenied.
    """
    count = 0
    batches = _table(job) if is_table(job.manifest) else _folder(job, left_out)
    for batch in batches:
        count += len(batch)
        yield batch
    if not count:
        raise ManifestError(
            f"{job.manifest}: no photographs there; a manifest is a .parquet, .csv or .jsonl "
            "table, or a folder (for a few photos: photochrom colorize)"
        )


# --- folders and prefixes --------------------------------------------------------------------


def _folder(job: Job, left_out: Counter[str]) -> Iterator[pa.Table]:
    """List the pictures below a folder; hidden files are passed over like other endings."""
    root = job.manifest.rstrip("/")
    check_outside(job.output, root)
    rows = _folder_rows(root, job.storage.source, left_out)
    while few := list(islice(rows, BATCH)):
        yield to_table(ManifestRow, few)


def _folder_rows(root: str, source: Access, left_out: Counter[str]) -> Iterator[ManifestRow]:
    for entry in Store(root, source).list():
        path = PurePosixPath(entry.key)
        if not is_picture(entry.key):
            left_out[kind_of(entry.key)] += 1
            continue
        yield ManifestRow(
            row_id=entry.key,
            uri=f"{root}/{entry.key}",
            version=entry.version,
            bytes=entry.size,
            collection="" if str(path.parent) == "." else str(path.parent),
            storage_class=entry.storage_class,
        )


def check_outside(output: str, root: str) -> None:
    """Raise ManifestError if an output place lies inside a source folder."""
    if f"{output.rstrip('/')}/".startswith(f"{root}/"):
        raise ManifestError(f"{output}: the output place lies inside the source folder {root}")


def is_picture(key: str) -> bool:
    """Tell by its name whether a file is a picture, and not a hidden one."""
    path = PurePosixPath(key)
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower().lstrip(".") in PICTURE_ENDINGS


def kind_of(key: str) -> str:
    """Return what a file that is left out is counted as: its ending, else its name."""
    path = PurePosixPath(key)
    return path.suffix.lower() if path.suffix.strip(".") else path.name


# --- tables ----------------------------------------------------------------------------------


def _parquet(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    for batch in _parquet_batches(file):
        yield from batch.to_pylist()


def _parquet_batches(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for batch in file.iter_batches(batch_size=BATCH):
        yield pa.Table.from_batches([batch])


def _csv(data: bytes) -> Iterator[dict[str, Any]]:
    yield from csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)


def _jsonl(data: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(data.decode("utf-8-sig").split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error.msg}") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: not a JSON object")
            yield row


_READERS: dict[str, Callable[[Any], Iterator[dict[str, Any]]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
}


def is_table(manifest: str) -> bool:
    """Tell whether a manifest is a table, and not a folder."""
    return _ending(manifest) in _READERS and not manifest.endswith("/")


def _ending(manifest: str) -> str:
    return PurePosixPath(manifest).suffix.lower()


def base_of(manifest: str) -> str:
    """Return the folder that a table's URIs are relative to."""
    return manifest.rpartition("/")[0]


def read_table(manifest: str, access: Access) -> Iterator[dict[str, Any]]:
    """Yield a table's records as they are; raises ManifestError where it is no readable table."""
    with _complaining(manifest):
        yield from _READERS[_ending(manifest)](_fetched(manifest, access))


def _fetched(manifest: str, access: Access) -> Any:
    """Give a table as bytes, a Parquet one as a file that is open, has no name and never changes.

    So a reader that is left half-way leaves nothing behind.
    """
    root, name = split_uri(manifest)
    with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
        path = Path(folder, "manifest")
        Store(root, access).fetch(name, path)
        return pq.ParquetFile(path) if _ending(manifest) == ".parquet" else path.read_bytes()


@contextmanager
def _complaining(manifest: str) -> Iterator[None]:
    """Say which table it is that cannot be read."""
    try:
        yield
    except (ValueError, csv.Error) as error:
        ending = _ending(manifest)
        raise ManifestError(f"{manifest}: not a readable {ending} table: {error}") from None


def _table(job: Job) -> Iterator[pa.Table]:
    """Read a table twice if need be: ids are told apart by their hashes, and looked at if equal."""
    hashes = []
    for batch in _checked(job):
        hashes.append(_hashes(batch))
        yield batch
    if not hashes:
        return
    found, counts = np.unique(np.concatenate(hashes), return_counts=True)
    if len(again := found[counts > 1]):
        _complain_of_twins(job, again)


def _hashes(batch: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.fromiter(map(hash, batch["row_id"].to_pylist()), np.int64, len(batch))


def _complain_of_twins(job: Job, suspects: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Raise ManifestError if two rows have one id, and not only one hash."""
    seen: dict[str, int] = {}
    number = 0
    for batch in _checked(job):
        for position in np.flatnonzero(np.isin(_hashes(batch), suspects)).tolist():
            row_id, row = batch["row_id"][position].as_py(), number + position + 1
            if row_id in seen:
                twice = f"the id {row_id!r} is row {seen[row_id]}'s already"
                raise ManifestError(f"{job.manifest}: row {row}: {twice}")
            seen[row_id] = row
        number += len(batch)


def _checked(job: Job) -> Iterator[pa.Table]:
    """Yield a table's rows, checked; raises ManifestError with the row's number."""
    base, number = base_of(job.manifest), 0
    with _complaining(job.manifest):
        for batch in _batches(job.manifest, _fetched(job.manifest, job.storage.source)):
            plain = plain_rows(job, base, batch) if isinstance(batch, pa.Table) else None
            if plain is None:
                records = batch.to_pylist() if isinstance(batch, pa.Table) else batch
                plain = to_table(ManifestRow, _checked_rows(job, base, records, number))
            number += len(plain)
            yield plain


def _batches(manifest: str, table: Any) -> Iterator[pa.Table | list[dict[str, Any]]]:
    if _ending(manifest) == ".parquet":
        yield from _parquet_batches(table)
        return
    records = _READERS[_ending(manifest)](table)
    while few := list(islice(records, BATCH)):
        yield few


def _checked_rows(
    job: Job, base: str, records: list[dict[str, Any]], number: int
) -> Iterator[ManifestRow]:
    for row, record in enumerate(records, number + 1):
        try:
            yield row_of(job, base, record)
        except ManifestError as error:
            raise ManifestError(f"{job.manifest}: row {row}: {error}") from None
