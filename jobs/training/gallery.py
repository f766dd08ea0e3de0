"""Galleries: the colour photographs of a training, found once and fetched one by one.

What a manifest names is indexed when a training first starts and kept in its output place: every
later start and every worker reads the same photographs under the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from photochrom.jobs.errors import JobError, ManifestError, OtherJob, SourceChanged
from photochrom.jobs.settings import Storage
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.index import (
    COLUMNS,
    INDEX,
    Photograph,
    differences,
    index_of,
    make_index,
    read_index,
)
from photochrom.jobs.training.photographs import Naming, TrainingColumns, read_naming

__all__ = ["INDEX", "Gallery", "TrainingColumns", "gallery_of", "open_gallery", "read_gallery"]


class Asked(Protocol):
    """What is asked for: a manifest, how to read it, and what share is held out."""

    @property
    def manifest(self) -> str:
        """A table, folder or prefix, as a URI."""

    @property
    def allow(self) -> tuple[str, ...]:
        """Further prefixes that photographs may lie under."""

    @property
    def columns(self) -> TrainingColumns:
        """What the manifest calls our columns."""

    @property
    def storage(self) -> Storage:
        """Who reads the photographs."""

    @property
    def held_out(self) -> float:
        """The share that is, where no row says so by its `split`."""


class Gallery:
    """Photographs by their numbers, from 0; travels to workers, and threads share it."""

    def __init__(self, table: pa.Table, access: Access, left_out: Mapping[str, int]) -> None:
        self.left_out = left_out
        self._table = table.combine_chunks()
        self._access = access
        self._sources = Sources(access)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def train(self) -> Gallery:
        """The photographs that are learned from, under numbers of their own."""
        return self._of("train")

    @cached_property
    def held_out(self) -> Gallery:
        """The photographs that nothing is learned from, under numbers of their own."""
        return self._of("val")

    def _of(self, split: str) -> Gallery:
        chosen = pc.equal(self._table["split"], pa.scalar(split))
        return Gallery(self._table.filter(chosen), self._access, self.left_out)

    @property
    def weights(self) -> NDArray[np.float64]:
        """How much each photograph counts."""
        return np.array(self._table["weight"].to_numpy(), np.float64)

    def id(self, index: int) -> str:
        """Return what the manifest calls a photograph."""
        return str(self._table["id"][index].as_py())

    def fetch(self, index: int) -> bytes:
        """Return a photograph's file; raises StorageError, JobError if it is another one now."""
        row = Photograph(**{name: self._table[name][index].as_py() for name in COLUMNS})
        store, key = self._sources.at(row.uri)
        try:
            if not row.member:
                return store.read(key, row.version)
            if not row.bytes:
                return b""
            return store.read_range(key, row.offset, row.bytes, row.version)
        except SourceChanged as error:
            raise JobError(f"{row.id}: changed since this training began: {error}") from error


def open_gallery(asked: Asked, place: Store) -> Gallery:
    """Open the photographs that a manifest names, indexing them in `place` if nobody has.

    Raises ManifestError, StorageError, and OtherJob if the index there is of other photographs.
    """
    access = asked.storage.source
    naming = read_naming(asked.manifest, place.root, access, asked.allow, asked.columns)
    if not place.exists(INDEX):
        place.put_if_absent(INDEX, make_index(naming, access, asked.held_out))
    if told := differences(read_index(place), naming, access, asked.held_out):
        raise OtherJob(
            f"{place.uri(INDEX)} is of other photographs than {asked.manifest} names now: "
            f"{'; '.join(told)}. A training keeps to its photographs: name those again, or begin "
            "another in a new output place"
        )
    gallery = read_gallery(asked, place)
    if not len(gallery.train):
        raise ManifestError(f"{asked.manifest}: every photograph is held out; none to learn from")
    return gallery


def gallery_of(naming: Naming, source: Access) -> Gallery:
    """Open the photographs that a manifest names, without keeping an index of them."""
    index = index_of(make_index(naming, source, 0.0))
    return Gallery(index.table, source, index.left_out)


def read_gallery(asked: Asked, place: Store) -> Gallery:
    """Open the photographs that are indexed in a place, without looking at the manifest again."""
    index = read_index(place)
    return Gallery(index.table, asked.storage.source, index.left_out)
