"""The index of a training's photographs: made once, read by every worker, compared when it goes on.

Tars are found out by their headers; the split is by the sha256 of a photograph's id where the
manifest does not say it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from photochrom.jobs.errors import JobError, ManifestError
from photochrom.jobs.planning.manifest import is_picture, kind_of
from photochrom.jobs.records import table_of, to_parquet
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.photographs import SPLITS, Named, Naming
from photochrom.jobs.training.tars import Member, walk

INDEX = "photographs.parquet"
_LEFT_OUT, _EMPTY = "left_out", "without_pictures"
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One row of the index; in a tar it is `bytes` from `offset` on, else all of the object."""

    id: str
    uri: str
    version: str
    member: str
    offset: int
    bytes: int
    weight: float
    split: str


COLUMNS = tuple(Photograph.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Index:
    """The photographs, what was left out, counted, and the tars that hold no pictures."""

    table: pa.Table
    left_out: Mapping[str, int]
    empty: frozenset[str]


def read_index(place: Store) -> Index:
    """Read the index of a place; raises NotFound, JobError if it is damaged."""
    try:
        return index_of(place.read(INDEX))
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise JobError(f"{place.uri(INDEX)} is damaged: {error}") from error


def index_of(data: bytes) -> Index:
    """Read an index from its Parquet."""
    table = table_of(data).select(COLUMNS)
    said = {k.decode(): json.loads(v) for k, v in (table.schema.metadata or {}).items()}
    return Index(table, said[_LEFT_OUT], frozenset(said[_EMPTY]))


def make_index(naming: Naming, access: Access, held_out: float) -> bytes:
    """Find every photograph and return the index as Parquet."""
    left_out = Counter(naming.left_out)
    contents = _walk_all({row.uri: row.version for row in naming.rows if row.is_tar}, access)
    found: list[Photograph] = []
    empty = []
    seen: dict[str, str] = {}
    for row in naming.rows:
        photographs = list(_photographs(row, contents, left_out, naming, held_out))
        if not photographs:
            empty.append(row.uri)
        for one in photographs:
            if one.id in seen:
                where = f"{one.uri} and {seen[one.id]}"
                raise ManifestError(f"{naming.manifest}: two photographs are {one.id!r}: {where}")
            seen[one.id] = one.uri
        found += photographs
    if not found:
        raise ManifestError(f"{naming.manifest}: no pictures in any of its tars")
    said = {_LEFT_OUT: json.dumps(left_out), _EMPTY: json.dumps(empty)}
    return to_parquet(Photograph, found, said)


def _walk_all(tars: Mapping[str, str], access: Access) -> dict[str, tuple[str, dict[str, Member]]]:
    """Return each tar's version and files by name; of two with one name the later counts."""
    sources = Sources(access)

    def look(uri: str) -> tuple[str, dict[str, Member]]:
        store, key = sources.at(uri)
        version = tars[uri] or store.stat(key).version
        return version, {member.name: member for member in walk(store, key, version)}

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(tars, threads.map(look, tars), strict=True))


def _photographs(
    row: Named,
    contents: Mapping[str, tuple[str, dict[str, Member]]],
    left_out: Counter[str],
    naming: Naming,
    held_out: float,
) -> Iterator[Photograph]:
    """Yield what a row of the manifest stands for."""

    def one(photograph: str, version: str, member: str, offset: int, size: int) -> Photograph:
        return Photograph(
            id=photograph,
            uri=row.uri,
            version=version,
            member=member,
            offset=offset,
            bytes=size,
            weight=row.weight,
            split=row.split if naming.says_split else _split(photograph, held_out),
        )

    if not row.is_tar:
        yield one(row.id, row.version, "", 0, row.bytes)
        return
    version, members = contents[row.uri]
    if row.member:
        if row.member not in members:
            where = f"{naming.manifest}: row {row.row}"
            raise ManifestError(f"{where}: {row.uri} has no file {row.member!r} in it")
        it = members[row.member]
        yield one(row.id, version, it.name, it.offset, it.bytes)
        return
    for it in members.values():
        if is_picture(it.name):
            yield one(f"{row.id}/{it.name}", version, it.name, it.offset, it.bytes)
        else:
            left_out[kind_of(it.name)] += 1


def _split(photograph: str, share: float) -> str:
    """Return which split a photograph is of by chance, that is by its id alone."""
    digest = hashlib.sha256(photograph.encode()).digest()
    return SPLITS[int.from_bytes(digest[:8], "big") < share * 2**64]


# --- is it still the same ----------------------------------------------------------------------


def differences(index: Index, naming: Naming, access: Access, held_out: float) -> list[str]:
    """Say what differs between an index and what the manifest names now."""
    table = index.table
    now = {row.key: row for row in naming.rows}
    whole = {row.uri for row in naming.rows if row.is_tar and not row.member}
    columns = ("id", "uri", "member", "version", "weight", "split")
    stood = {
        (uri, "" if uri in whole else member): (photograph, version, weight, split)
        for photograph, uri, member, version, weight, split in zip(
            *(table[name].to_pylist() for name in columns), strict=True
        )
    }
    versions = _versions([row for row in naming.rows if row.is_tar and not row.version], access)
    moved = 0
    if not naming.says_split:
        pairs = zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True)
        moved = sum(_split(str(photograph), held_out) != split for photograph, split in pairs)

    def same(key: tuple[str, str]) -> bool:
        row, (photograph, version, weight, split) = now[key], stood[key]
        return (
            (photograph == row.id or (row.uri in whole and photograph.startswith(f"{row.id}/")))
            and version == (row.version or versions.get(row.uri) or version)
            and weight == row.weight
            and (not naming.says_split or split == row.split)
        )

    told = [
        _told([key for key in now.keys() - stood.keys() if key[0] not in index.empty], "new"),
        _told(stood.keys() - now.keys(), "gone"),
        _told(
            [k for k in now.keys() & stood.keys() if not same(k)],
            "changed in id, version, weight or split",
        ),
        f"{moved} would be learned from instead of held out, or the other way" if moved else "",
    ]
    return [text for text in told if text]


def _versions(tars: list[Named], access: Access) -> dict[str, str]:
    """Return which version of each tar stands."""
    sources = Sources(access)

    def look(uri: str) -> str:
        store, key = sources.at(uri)
        return store.stat(key).version

    uris = sorted({row.uri for row in tars})
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(uris, threads.map(look, uris), strict=True))


def _told(keys: Iterable[tuple[str, str]], what: str) -> str:
    names = sorted("/".join(filter(None, key)) for key in keys)
    some = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
    return f"{len(names)} {what}: {some}" if names else ""
