"""A photograph wherever it lies, by its name: an object of its own, or a file in a tar shard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photochrom.jobs.planning.manifest import is_table, read_table
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.gallery import Gallery, TrainingColumns, gallery_of
from photochrom.jobs.training.photographs import is_tar, read_naming


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


def gallery_in_shards(job: Job) -> Gallery:
    """Return the photographs of a manifest that names tar shards, as a training reads it."""
    columns = TrainingColumns.model_validate(job.columns.model_dump())
    naming = read_naming(job.manifest, job.output, job.storage.source, job.allow, columns)
    return gallery_of(naming, job.storage.source)


def names_shards(job: Job) -> bool:
    """Tell whether a manifest names tar shards, by the endings alone."""
    source = job.storage.source
    if is_table(job.manifest):
        records = read_table(job.manifest, source)
        return any(is_tar(str(record.get(job.columns.uri))) for record in records)
    return any(is_tar(entry.key) for entry in Store(job.manifest, source).list())
