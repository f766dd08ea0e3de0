"""A photograph wherever it lies, by its name: an object of its own, or a file in a tar shard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photochrom.jobs.settings import Job
from photochrom.jobs.sources import Sources
from photochrom.jobs.training.gallery import Gallery, TrainingColumns, gallery_of
from photochrom.jobs.training.photographs import read_naming


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


@dataclass(frozen=True, slots=True)
class InShard:
    """A photograph of a gallery, which may lie in a tar."""

    name: str
    gallery: Gallery
    index: int

    def fetch(self, path: Path) -> None:
        """Copy its bytes to a file."""
        path.write_bytes(self.gallery.fetch(self.index))


def in_shards(job: Job) -> list[InShard] | None:
    """Return the photographs of a manifest that names tar shards; None if it names none."""
    ours = job.columns
    columns = TrainingColumns(
        row_id=ours.row_id, uri=ours.uri, version=ours.version, bytes=ours.bytes
    )
    naming = read_naming(job.manifest, job.output, job.storage.source, job.allow, columns)
    if not any(row.is_tar for row in naming.rows):
        return None
    gallery = gallery_of(naming, job.storage.source)
    return [InShard(gallery.id(index), gallery, index) for index in range(len(gallery))]
