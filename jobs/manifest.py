"""Manifests: which photographs a job is about, read from a table or from a folder, and validated.

A table (.parquet, .csv, .jsonl) has a row per photograph; only its URI is needed, relative to the
table or in full. A folder or prefix stands for the picture files below it; their sub-folder is
their collection. Every complaint names the row's number, counted from 1.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from photochrom.jobs.errors import BadAddress, ManifestError
from photochrom.jobs.settings import Job
from photochrom.jobs.storage_access import Access
from photochrom.jobs.store import Store, split_uri

TONES = ("", "auto", "positive", "negative")
PICTURE_ENDINGS = frozenset(
    [
        *("jpg", "jpeg", "jpe", "jfif", "png", "tif", "tiff", "webp", "gif", "bmp", "jp2", "j2k"),
        *("jpx", "jxl", "heic", "heif", "avif", "dng", "nef", "cr2", "arw"),
    ]
)
_SCHEMES = ("file://", "s3://", "memory://")
_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One photograph as the manifest names it; `bytes` is -1 where it does not say."""

    row_id: str
    uri: str
    version: str = ""
    bytes: int = -1
    collection: str = ""
    tone: str = ""
    rights: str = ""
    restriction: str = ""
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows, and how many files of a folder were left out, by their ending."""

    rows: tuple[ManifestRow, ...]
    left_out: Mapping[str, int]


def read_manifest(job: Job) -> Manifest:
    """Read and validate a job's manifest; raises ManifestError, NotFound, AccessDenied."""
    if is_table(job.manifest):
        base = base_of(job.manifest)
        records = read_table(job.manifest, job.storage.source)
        manifest = Manifest(tuple(_table_rows(job, base, records)), {})
    else:
        manifest = _folder(job)
    if not manifest.rows:
        raise ManifestError(
            f"{job.manifest}: no photographs there; a manifest is a .parquet, .csv or .jsonl "
            "table, or a folder (for a few photos: photochrom colorize)"
        )
    return manifest


# --- folders and prefixes --------------------------------------------------------------------


def _folder(job: Job) -> Manifest:
    """List the pictures below a folder; hidden files are passed over like other endings."""
    root = job.manifest.rstrip("/")
    check_outside(job.output, root)
    rows, left_out = [], Counter[str]()
    for entry in Store(root, job.storage.source).list():
        path = PurePosixPath(entry.key)
        if not is_picture(entry.key):
            left_out[kind_of(entry.key)] += 1
            continue
        rows.append(
            ManifestRow(
                row_id=entry.key,
                uri=f"{root}/{entry.key}",
                version=entry.version,
                bytes=entry.size,
                collection="" if str(path.parent) == "." else str(path.parent),
                storage_class=entry.storage_class,
            )
        )
    return Manifest(tuple(rows), dict(left_out))


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


def _parquet(data: bytes) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(pa.BufferReader(data)).iter_batches():
        yield from batch.to_pylist()


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


_READERS: dict[str, Callable[[bytes], Iterator[dict[str, Any]]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
}


def is_table(manifest: str) -> bool:
    """Tell whether a manifest is a table, and not a folder."""
    return PurePosixPath(manifest).suffix.lower() in _READERS and not manifest.endswith("/")


def base_of(manifest: str) -> str:
    """Return the folder that a table's URIs are relative to."""
    return manifest.rpartition("/")[0]


def read_table(manifest: str, access: Access) -> Iterator[dict[str, Any]]:
    """Yield a table's records as they are; raises ManifestError where it is no readable table."""
    ending = PurePosixPath(manifest).suffix.lower()
    root, name = split_uri(manifest)
    data = Store(root, access).read(name)
    try:
        yield from _READERS[ending](data)
    except (ValueError, csv.Error) as error:
        raise ManifestError(f"{manifest}: not a readable {ending} table: {error}") from None


def _table_rows(job: Job, base: str, records: Iterable[dict[str, Any]]) -> Iterator[ManifestRow]:
    seen: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        try:
            row = _row(job, base, record)
        except ManifestError as error:
            raise ManifestError(f"{job.manifest}: row {number}: {error}") from None
        if row.row_id in seen:
            twice = f"the id {row.row_id!r} is row {seen[row.row_id]}'s already"
            raise ManifestError(f"{job.manifest}: row {number}: {twice}")
        seen[row.row_id] = number
        yield row


def _row(job: Job, base: str, record: dict[str, Any]) -> ManifestRow:
    columns = job.columns
    if columns.uri not in record:
        raise no_uri(columns.uri, record)
    values = {
        name: text_of(record.get(column), column)
        for name, column in columns.model_dump().items()
        if name != "bytes"
    }
    uri = values["uri"]
    values["row_id"] = values["row_id"] or uri
    values["tone"] = values["tone"].lower()
    if values["tone"] not in TONES:
        raise ManifestError(f"tone {values['tone']!r} is none of {', '.join(TONES[1:])}")
    values["uri"] = resolved(uri, base, job.allow)
    return ManifestRow(bytes=size_of(record.get(columns.bytes), columns.bytes), **values)


def no_uri(column: str, record: Mapping[str, Any]) -> ManifestError:
    """Say that the one column is missing that must be there."""
    return ManifestError(
        f"no column {column!r}, only {', '.join(map(repr, record))}; "
        "name yours in [columns], as in uri = 'path'"
    )


def text_of(value: Any, column: str) -> str:
    """Return a cell's text; raises ManifestError for what no row may hold."""
    text = "" if value is None else str(value)
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ManifestError(f"{column} has control characters: {text!r}")
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise ManifestError(f"{column} is not valid Unicode: {text!r}")
    return text


def size_of(value: Any, column: str) -> int:
    """Return a cell's number of bytes, -1 where it is empty; raises ManifestError."""
    if value in (None, ""):
        return -1
    try:
        size = int(value)
    except (OverflowError, TypeError, ValueError):
        size = -1
    if not 0 <= size < 1 << 63:
        raise ManifestError(f"{column} is {value!r}, not a number of bytes")
    return size


def resolved(uri: str, base: str, allow: tuple[str, ...]) -> str:
    """Return the full URI of a source; raises ManifestError where it may not lie."""
    if not uri:
        raise ManifestError("the URI is empty")
    whole = "://" in uri
    path = uri.partition("://")[2] if whole else uri
    if ".." in path.replace("\\", "/").split("/"):
        raise ManifestError(f"{uri!r} has '..' in it")
    if not whole and (path.startswith(("/", "\\")) or path[1:3] in (":/", ":\\")):
        raise ManifestError(f"{uri!r} is an absolute path; write it relative, or as file://")
    if len(path.encode()) > _KEY_BYTES:
        raise ManifestError(f"{uri[:60]!r}... is longer than {_KEY_BYTES} bytes")
    if not whole:
        return f"{base}/{uri}"
    if not uri.startswith(_SCHEMES):
        raise ManifestError(f"{uri!r}: no such storage; there are {', '.join(_SCHEMES)}")
    home = "/".join(base.split("/")[:3]) if base.startswith("s3://") else base
    if not uri.startswith(tuple(f"{prefix.rstrip('/')}/" for prefix in (home, *allow))):
        folder = uri.rpartition("/")[0]
        raise ManifestError(f'{uri!r} lies outside {home}; allow it: allow = ["{folder}/"]')
    try:
        split_uri(uri)
    except BadAddress as error:
        raise ManifestError(str(error)) from None
    return uri
