"""Names made from content, so that the same thing has the same name wherever it is made."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

KEY_DIGITS = 32
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def digest(*parts: object) -> str:
    """Return 64 hex digits over parts, unambiguous: they are hashed as one JSON list."""
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def row_key(row_id: str, uri: str, version: str) -> str:
    """Name one version of one input."""
    return digest(row_id, uri, version)[:KEY_DIGITS]


def shard_key(plan: int, ordinal: int, row_keys: Sequence[str]) -> str:
    """Name a shard by its plan, its place in it and its rows."""
    return digest(plan, ordinal, list(row_keys))[:KEY_DIGITS]


def commit_name(shard_key: str) -> str:
    """Return the key of a shard's commit."""
    return f"ledger/shard-{shard_key}.parquet"


def plate_name(row_key: str, plate_sha256: str) -> str:
    """Return the key of a plate."""
    return f"plates/{row_key[:2]}/{row_key[:16]}.{plate_sha256[:16]}.png"


def tone_table_name(row_key: str, table_sha256: str) -> str:
    """Return the key of a plate's tone table."""
    return f"plates/{row_key[:2]}/{row_key[:16]}.{table_sha256[:16]}.tone"


def print_name(collection: str, uri: str, row_key: str, sha256: str, suffix: str) -> str:
    """Return the key of a print: readable, and unique by its row and its bytes."""
    stem = print_stem(collection, uri)
    return f"{stem}.{digest(row_key, sha256)[:16]}.ai-colorized.{suffix}"


def print_stem(collection: str, uri: str) -> str:
    """Return what the keys of a photo's prints begin with; other photos may share it."""
    stem = _readable(PurePosixPath(uri.rpartition("/")[2]).stem) or "photo"
    folder = "/".join(filter(None, map(_readable, collection.split("/")))) or "unsorted"
    return f"prints/{folder}/{stem}"


def _readable(text: str) -> str:
    """Reduce text to what every storage and shell takes, at most 80 characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", plain).strip("-.")[:80]
