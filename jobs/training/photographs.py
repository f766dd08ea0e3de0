"""Which colour photographs a training is about: a manifest like a job's, with more columns.

Rows name plain objects or tars; a tar stands for every picture in it, or for the one that the
column `member` names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from photochrom.jobs.errors import ManifestError
from photochrom.jobs.planning.manifest import (
    base_of,
    check_outside,
    is_picture,
    is_table,
    kind_of,
    read_table,
)
from photochrom.jobs.planning.manifest_rows import no_uri, resolved, size_of, text_of
from photochrom.jobs.settings import Columns
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.tars import plain

SPLITS = ("train", "val")
_COMPRESSED = (".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4")


class TrainingColumns(Columns):
    """What the manifest of a training calls our columns: a job's, and what only trainings read."""

    member: str = "member"
    weight: str = "weight"
    split: str = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A photograph or a tar as the manifest names it; `row` is counted from 1, 0 in folders."""

    id: str
    uri: str
    row: int = 0
    version: str = ""
    bytes: int = -1
    member: str = ""
    weight: float = 1.0
    split: str = ""
    restricted: bool = False

    @property
    def is_tar(self) -> bool:
        """Tell a tar from a plain object."""
        return is_tar(self.uri)

    @property
    def key(self) -> tuple[str, str]:
        """Return what it is compared by with what an index holds."""
        return self.uri, self.member


@dataclass(frozen=True, slots=True)
class Naming:
    """The rows that take part, whether they say who is held out, and how many were left out."""

    manifest: str
    rows: tuple[Named, ...]
    says_split: bool
    left_out: Mapping[str, int]


def is_tar(name: str) -> bool:
    """Tell a tar shard by its name."""
    return name.lower().endswith(".tar")


def read_naming(
    manifest: str, output: str, source: Access, allow: tuple[str, ...], columns: TrainingColumns
) -> Naming:
    """Read and validate a training's manifest; raises ManifestError, NotFound, AccessDenied."""
    left_out = Counter[str]()
    if is_table(manifest):
        records = read_table(manifest, source)
        rows = list(_table_rows(manifest, records, allow, columns))
    else:
        check_outside(output, manifest.rstrip("/"))
        rows = list(_folder_rows(manifest.rstrip("/"), source, left_out))
    says_split = any(row.split for row in rows)
    kept = []
    for row in rows:
        if row.restricted:
            left_out["restricted"] += 1
        elif row.weight == 0:
            left_out["weight 0"] += 1
        elif says_split and row.split not in SPLITS:
            left_out[f"split {row.split!r}"] += 1
        else:
            kept.append(row)
    _check_once(manifest, kept)
    if not kept:
        said = ", ".join(f"{count} with {what}" for what, count in left_out.items())
        raise ManifestError(
            f"{manifest}: no photographs there{f' but {said}' if said else ''}; a manifest is a "
            ".parquet, .csv or .jsonl table, or a folder of pictures or tars"
        )
    return Naming(manifest, tuple(kept), says_split, dict(left_out))


def _check_once(manifest: str, rows: list[Named]) -> None:
    """Raise ManifestError where a photograph is named twice: how often it comes is its weight."""
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        other = seen.get(row.key) or (seen.get((row.uri, "")) if row.member else None)
        if other is not None:
            raise ManifestError(
                f"{manifest}: row {row.row}: {'/'.join(filter(None, row.key))} is row {other}'s "
                "already; to see it more often, give it a weight"
            )
        seen[row.key] = row.row
    for row in rows:
        if row.member and (row.uri, "") in seen:
            whole = seen[row.uri, ""]
            raise ManifestError(
                f"{manifest}: row {whole} names all of {row.uri}, row {row.row} one of it"
            )


def _folder_rows(root: str, source: Access, left_out: Counter[str]) -> Iterator[Named]:
    for entry in Store(root, source).list():
        row = Named(
            id=entry.key, uri=f"{root}/{entry.key}", version=entry.version, bytes=entry.size
        )
        if is_picture(entry.key) or (row.is_tar and not _is_hidden(entry.key)):
            yield row
        else:
            left_out[kind_of(entry.key)] += 1


def _is_hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))


def _table_rows(
    manifest: str,
    records: Iterator[dict[str, Any]],
    allow: tuple[str, ...],
    columns: TrainingColumns,
) -> Iterator[Named]:
    seen: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        try:
            row = replace(_row(base_of(manifest), record, allow, columns), row=number)
        except ManifestError as error:
            raise ManifestError(f"{manifest}: row {number}: {error}") from None
        if row.id in seen:
            twice = f"the id {row.id!r} is row {seen[row.id]}'s already"
            raise ManifestError(f"{manifest}: row {number}: {twice}")
        seen[row.id] = number
        yield row


def _row(
    base: str, record: dict[str, Any], allow: tuple[str, ...], columns: TrainingColumns
) -> Named:
    if columns.uri not in record:
        raise no_uri(columns.uri, record)
    texts = {
        name: text_of(record.get(column), column)
        for name, column in columns.model_dump().items()
        if name not in ("bytes", "weight")
    }
    member = plain(texts["member"])
    row = Named(
        id=texts["row_id"] or "/".join(filter(None, (texts["uri"], member))),
        uri=resolved(texts["uri"], base, allow),
        version=texts["version"],
        bytes=size_of(record.get(columns.bytes), columns.bytes),
        member=member,
        weight=_weight(record.get(columns.weight), columns.weight),
        split=texts["split"].strip().lower(),
        restricted=bool(texts["restriction"]),
    )
    if member and not row.is_tar:
        raise ManifestError(f"{columns.member} is {member!r}, but {row.uri} is no .tar")
    if row.uri.lower().endswith(_COMPRESSED):
        raise ManifestError(f"{row.uri} is compressed, so no part of it can be read alone; unpack")
    return row


def _weight(value: Any, column: str) -> float:
    if value in (None, ""):
        return 1.0
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ManifestError(f"{column} is {value!r}, not a number that is 0 or more")
    return weight
