"""Rows of a manifest, checked: one by one with a complaint each, or a batch at once without any.

`row_of` knows the rules and says what is wrong. `plain_rows` only knows batches in which nothing is
unusual; what it does not take goes to `row_of`, so the rules have one voice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from photochrom.jobs.errors import BadAddress, ManifestError
from photochrom.jobs.records import schema_of
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.store import split_uri

TONES = ("", "auto", "positive", "negative")
_SCHEMES = ("file://", "s3://", "memory://")
_KEY_BYTES = 1024
# what `resolved` looks at twice: no control characters, no "..", no absolute path, no drive
_ODD_TEXT = r"[\x00-\x1f\x7f]"
_ODD_URI = r"^$|(^|[/\\])\.\.([/\\]|$)|^[/\\]|^.:[/\\]"
_ODD_WHOLE = r"://.*//|/$|://[^/]*@|^file://[^/]"


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


def row_of(job: Job, base: str, record: Mapping[str, Any]) -> ManifestRow:
    """Check one record of a table; raises ManifestError with what is wrong."""
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
    if not uri.startswith(_homes(base, allow)):
        folder = uri.rpartition("/")[0]
        raise ManifestError(f'{uri!r} lies outside {_home(base)}; allow it: allow = ["{folder}/"]')
    try:
        split_uri(uri)
    except BadAddress as error:
        raise ManifestError(str(error)) from None
    return uri


def _home(base: str) -> str:
    return "/".join(base.split("/")[:3]) if base.startswith("s3://") else base


def _homes(base: str, allow: tuple[str, ...]) -> tuple[str, ...]:
    """Return the prefixes that a whole URI may have, each with its slash."""
    return tuple(f"{prefix.rstrip('/')}/" for prefix in (_home(base), *allow))


# --- many at once ----------------------------------------------------------------------------


def plain_rows(job: Job, base: str, batch: pa.Table) -> pa.Table | None:
    """Return a batch as ManifestRows' columns; None where `row_of` must look at each."""
    names = job.columns.model_dump()
    if names["uri"] not in batch.schema.names:
        return None
    found: dict[str, pa.Array[Any]] = {}
    for field in schema_of(ManifestRow):
        column = _plain(batch, names[field.name], field.type)
        if column is None:
            return None
        found[field.name] = column
    found["tone"] = pc.utf8_lower(found["tone"])
    uri = found["uri"]
    found["row_id"] = pc.if_else(pc.equal(found["row_id"], ""), uri, found["row_id"])
    if _any(pc.invert(pc.is_in(found["tone"], pa.array(TONES)))) or _odd(uri, base, job.allow):
        return None
    whole = pc.match_substring(uri, "://")
    found["uri"] = pc.if_else(whole, uri, pc.binary_join_element_wise(f"{base}/", uri, ""))
    return pa.table(found, schema=schema_of(ManifestRow))


def _plain(batch: pa.Table, name: str, kind: pa.DataType) -> pa.Array[Any] | None:
    """Return a column as texts or sizes, if nothing in it needs a second look."""
    if name not in batch.schema.names:
        nothing: Any = -1 if kind == pa.int64() else ""
        return pa.array([nothing] * len(batch), kind)
    if batch.schema.names.count(name) > 1:
        return None
    column = batch[name].combine_chunks()
    if kind == pa.int64():
        if not pa.types.is_integer(column.type) or column.type == pa.uint64():
            return None
        sizes = column.cast(kind)
        return None if _any(pc.less(sizes, 0)) else pc.fill_null(sizes, -1)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    texts = pc.fill_null(column.cast(pa.string()), "")
    return None if _any(pc.match_substring_regex(texts, _ODD_TEXT)) else texts


def _odd(uri: pa.Array[Any], base: str, allow: tuple[str, ...]) -> bool:
    """Tell whether some URI may be one that is refused."""
    if _any(pc.match_substring_regex(uri, _ODD_URI)):
        return True
    if _any(pc.greater(pc.binary_length(uri), _KEY_BYTES)):
        return True
    whole = pc.filter(uri, pc.match_substring(uri, "://"))
    if not len(whole):
        return False
    allowed = pc.starts_with(whole, _homes(base, allow)[0])
    for prefix in _homes(base, allow)[1:]:
        allowed = pc.or_(allowed, pc.starts_with(whole, prefix))
    known = pc.starts_with(whole, _SCHEMES[0])
    for scheme in _SCHEMES[1:]:
        known = pc.or_(known, pc.starts_with(whole, scheme))
    odd = pc.match_substring_regex(whole, f"{_ODD_WHOLE}|{_ODD_URI}")
    return _any(odd) or not pc.all(pc.and_(allowed, known)).as_py()


def _any(mask: pa.Array[Any]) -> bool:
    return bool(pc.any(mask).as_py())
