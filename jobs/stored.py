"""A photograph wherever it lies, by its name: what `score` needs of one, and one in a storage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photochrom.jobs.sources import Sources


class Photograph(Protocol):
    """A file that can be fetched, wherever it lies."""

    @property
    def name(self) -> str:
        """What reports call it; no two have the same."""

    def fetch(self, path: Path) -> None:
        """Write its bytes to a file; raises StorageError."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A photograph that is an object of its own, pinned to its version where one is known."""

    name: str
    uri: str
    sources: Sources
    version: str = ""

    def fetch(self, path: Path) -> None:
        """Copy the object to a file."""
        self.sources.fetch(self.uri, self.version, path)
