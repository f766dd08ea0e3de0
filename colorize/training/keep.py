"""Where a training keeps what must outlive it: checkpoints, curves, sheets, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Keep(Protocol):
    """A place of named objects, each written whole or not at all."""

    def put(self, key: str, file: Path) -> None:
        """Keep a file's bytes under a key, over any that are there."""

    def get(self, key: str, file: Path) -> bool:
        """Copy what is kept to a file; return whether there was anything."""

    def keys(self, folder: str) -> list[str]:
        """Return the keys below a folder, sorted."""

    def drop(self, key: str) -> None:
        """Keep it no longer; one that is not there is fine."""
