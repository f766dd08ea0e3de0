"""Rows as frozen dataclasses, and their Parquet form: one definition for both."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from photochrom.jobs.storage.access import Entry
from photochrom.jobs.storage.store import Store

SCHEMA_VERSION = 1
_GROUP_ROWS = 1 << 17
_FOOTER = 1 << 16  # bytes: nearly always all of it
_ALL_DIFFERENT = frozenset({"row_id", "row_key", "source_uri", "source_version"})

_TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}

R = TypeVar("R")


def schema_of(row: type[Any]) -> pa.Schema:
    """Return the Arrow schema of a row class, field by field, in order."""
    hints = typing.get_type_hints(row)
    return pa.schema([_field(field.name, hints[field.name]) for field in fields(row)])


def _field(name: str, hint: Any) -> pa.Field[pa.DataType]:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    (kind,) = (option for option in options if option is not type(None))
    return pa.field(name, _TYPES[kind], nullable=len(options) > 1)


def to_table(row: type[R], rows: Iterable[R]) -> pa.Table:
    """Return the rows as an Arrow table."""
    names = [field.name for field in fields(row)]  # type: ignore[arg-type]
    records = [{name: getattr(one, name) for name in names} for one in rows]
    return pa.Table.from_pylist(records, schema=schema_of(row))


def to_parquet(row: type[R], rows: Iterable[R], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the rows as one Parquet file, compressed, with optional file metadata."""
    return table_bytes(to_table(row, rows), metadata)


def table_bytes(
    table: pa.Table, metadata: Mapping[str, str] | None = None, group_rows: int = _GROUP_ROWS
) -> bytes:
    """Return a table as one Parquet file; a group of rows can be read by itself.

    Columns in which nearly every value is another one get no dictionary: it would be built in vain.
    """
    sink = pa.BufferOutputStream()
    common = [name for name in table.schema.names if name not in _ALL_DIFFERENT]
    pq.write_table(
        table.replace_schema_metadata(dict(metadata or {})),
        sink,
        compression="zstd",
        use_dictionary=common,  # type: ignore[arg-type]
        row_group_size=group_rows,
    )
    return bytes(sink.getvalue())


def parquet_metadata(store: Store, entry: Entry) -> pq.FileMetaData:
    """Read the end of a Parquet file, which says what is in it."""
    size = min(entry.size, _FOOTER)
    while True:
        tail = store.read_range(entry.key, entry.size - size, size)
        needed = int.from_bytes(tail[-8:-4], "little") + 8
        if needed <= size or size == entry.size:
            return pq.read_metadata(pa.BufferReader(tail))
        size = min(entry.size, needed)


def table_of(data: bytes, columns: Iterable[str] | None = None) -> pa.Table:
    """Read a whole Parquet file, or some columns.

    Arrow's `read_table` would import its datasets for that, and pandas where there is one.
    """
    chosen = None if columns is None else list(columns)
    return pq.ParquetFile(pa.BufferReader(data)).read(chosen)


def from_parquet(row: type[R], data: bytes) -> tuple[list[R], dict[str, str]]:
    """Read rows and file metadata back; columns added by later versions are left out."""
    table = table_of(data)
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    names = [name for name in schema_of(row).names if name in table.schema.names]
    return [row(**record) for record in table.select(names).to_pylist()], metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One input as a plan orders it; a row with a `skip` reason has no shard (-1)."""

    row_id: str
    row_key: str
    source_uri: str
    source_version: str
    source_bytes: int
    shard: int
    shard_key: str
    skip: str
    tone: str
    tone_by: str = ""
    collection: str
    rights: str
    restriction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What became of one input."""

    row_id: str
    row_key: str
    plan: int
    shard_key: str
    attempt: int
    schema_version: int = SCHEMA_VERSION
    outcome: str
    reason: str = ""
    error: str = ""
    ai_colorized: bool
    digital_source_type: str = ""
    source_uri: str
    source_version: str
    source_bytes: int
    source_sha256: str | None = None
    source_luma_sha256: str | None = None
    source_format: str | None = None
    decoder: str | None = None
    source_note: str | None = None
    width: int | None = None
    height: int | None = None
    bits: int | None = None
    tone: str | None = None
    tone_evidence: str | None = None
    tone_table_sha256: str | None = None
    tone_table_uri: str | None = None
    plate_uri: str | None = None
    plate_sha256: str | None = None
    chroma_mean: float | None = None
    colourfulness: float | None = None
    low_chroma: bool = False
    confidence: float | None = None
    model: str
    weights_sha256: str
    recipe_digest: str
    recipe_json: str
    render_size: int | None = None
    precision: str
    fallback: str = ""
    code_version: str
    operator: str
    worker: str
    device: str
    started_at: datetime
    finished_at: datetime
    gpu_seconds: float = 0.0
    cpu_seconds: float = 0.0
    collection: str
    rights: str
    restriction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRow:
    """One print of one plate."""

    row_id: str
    row_key: str
    shard_key: str
    print_digest: str
    schema_version: int = SCHEMA_VERSION
    plate_sha256: str
    tone_table_sha256: str
    output_uri: str
    output_bytes: int
    output_sha256: str
    output_format: str
    width: int
    height: int
    bits: int
    luma_sha256: str
    luma_proof: str
    luma_max_error: int
    luma_mean_error: float
    chroma_scaled_fraction: float
    marks: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """What somebody decided later about a row or an object: review, takedown, recall, withdrawn."""

    event: str
    row_id: str
    row_key: str
    subject: str
    actor: str
    at: datetime
    note: str
