"""Rows of a plan, ten million of them if need be: in a scratch file, and in a plan's own file.

Nothing here holds them all in memory: tables go by in batches, and a shard's rows are read when it
is handed out.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from photochrom.jobs.records import PlanRow, schema_of, to_table

BATCH = 1 << 16
Positions = NDArray[np.int64]


class Rows:
    """Inputs as a plan would order them, in their manifest's order, in a file that goes with this.

    The file can be asked by DuckDB; its rows have no shard yet.
    """

    def __init__(self, batches: Iterable[pa.Table]) -> None:
        descriptor, self.path = tempfile.mkstemp(prefix="photochrom-rows-", suffix=".parquet")
        os.close(descriptor)
        weakref.finalize(self, _remove, self.path)
        self._count = 0
        schema = schema_of(PlanRow)
        with pq.ParquetWriter(self.path, schema, compression="lz4", use_dictionary=False) as writer:
            for batch in batches:
                writer.write_table(batch.cast(schema))
                self._count += len(batch)

    @classmethod
    def of(cls, rows: Iterable[PlanRow]) -> Rows:
        """Keep a few rows."""
        return cls([to_table(PlanRow, rows)])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[PlanRow]:
        for batch in self.batches():
            yield from plan_rows(batch)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield all rows, or some of their columns, in order."""
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)

    def take(self, positions: Positions, columns: list[str] | None = None) -> pa.Table:
        """Return the rows at these positions, which ascend, or some of their columns."""
        found, first = [schema_of(PlanRow).empty_table()], 0
        if columns:
            found = [found[0].select(columns)]
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                after = first + file.metadata.row_group(group).num_rows
                low, high = np.searchsorted(positions, (first, after))
                if low < high:
                    chosen = pa.array(positions[low:high] - first)
                    found.append(file.read_row_group(group, columns=columns).take(chosen))
                first = after
        return pa.concat_tables(found)

    def mapped(self, change: Callable[[pa.Table], pa.Table]) -> Rows:
        """Return what a change makes of each batch."""
        return Rows(map(change, self.batches()))


class PlanFile:
    """The rows of one plan, in its file; `path` brings the file here when rows are first wanted."""

    def __init__(self, path: Callable[[], str]) -> None:
        self._path = path
        self._held: tuple[int, pa.Table] | None = None

    @cached_property
    def path(self) -> str:
        """Where the file lies on this machine."""
        return self._path()

    def bring(self) -> None:
        """See that the file is here."""
        _ = self.path

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path)

    def table(self, first: int, count: int) -> pa.Table:
        """Return `count` rows from `first` on."""
        parts, start = [], 0
        for group in range(self._file.num_row_groups):
            after = start + self._file.metadata.row_group(group).num_rows
            low, high = max(first, start), min(first + count, after)
            if low < high:
                parts.append(self._group(group).slice(low - start, high - low))
            start = after
        return pa.concat_tables(parts) if parts else schema_of(PlanRow).empty_table()

    def column(self, *names: str) -> pa.Table:
        """Return some columns of all rows."""
        return self._file.read(columns=list(names))

    def _group(self, number: int) -> pa.Table:
        """Read a group of rows; neighbouring shards share it, so the last one is kept."""
        if self._held is None or self._held[0] != number:
            self._held = (number, self._file.read_row_group(number))
        return self._held[1]


class PlannedRows(Sequence[PlanRow]):
    """Some consecutive rows of a plan, read when they are looked at; they travel as a tuple."""

    def __init__(
        self, file: PlanFile, first: int, count: int, without: frozenset[int] = frozenset()
    ) -> None:
        self._file, self._first, self._count, self._without = file, first, count, without

    def __len__(self) -> int:
        return self._count - len(self._without)

    def __iter__(self) -> Iterator[PlanRow]:
        for position, row in enumerate(
            plan_rows(self._file.table(self._first, self._count)), self._first
        ):
            if position not in self._without:
                yield row

    @overload
    def __getitem__(self, index: int) -> PlanRow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PlanRow, ...]: ...
    def __getitem__(self, index: int | slice) -> PlanRow | tuple[PlanRow, ...]:
        return tuple(self)[index]

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)


def plan_rows(table: pa.Table) -> list[PlanRow]:
    """Return a table's rows; columns added by later versions are left out."""
    names = [name for name in schema_of(PlanRow).names if name in table.schema.names]
    return [PlanRow(**record) for record in table.select(names).to_pylist()]


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
