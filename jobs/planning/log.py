"""The log of plans as one table: what is new to it, and what in it a later plan has taken over.

An input's latest plan counts. Only plans that say that they hold inputs again are looked through
for that, so that a job which only grew is not sorted by its ids each time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from photochrom.jobs.planning.rows import Positions, Rows
from photochrom.jobs.records import PlanRow, schema_of

if TYPE_CHECKING:
    import duckdb

    from photochrom.jobs.planning.plan import Plan

MEMORY = "600MB"  # DuckDB's, before it uses the disk
_PLANS = """
CREATE VIEW plans AS
SELECT CAST(regexp_extract(filename, '([0-9]+)\\.parquet$', 1) AS BIGINT) AS plan,
       file_row_number AS position, * EXCLUDE (filename, file_row_number, tone_by),
       coalesce(tone_by, '') AS tone_by
FROM (SELECT *, '' AS filename, 0::BIGINT AS file_row_number FROM no_rows UNION ALL BY NAME
      SELECT * FROM read_parquet({files}, filename = true, file_row_number = true,
                                 union_by_name = true, hive_partitioning = false));
CREATE VIEW latest AS
SELECT plans.* FROM plans {superseded};
"""
_LATER = """
ANTI JOIN (SELECT row_id, plan FROM plans WHERE plan IN ({again})) AS later
ON later.row_id = plans.row_id AND later.plan > plans.plan
"""
_NEW = """
SELECT wanted.file_row_number AS position, latest.row_id IS NOT NULL AS again
FROM read_parquet({rows}, file_row_number = true) AS wanted LEFT JOIN latest USING (row_id)
WHERE latest.row_id IS NULL OR latest.source_uri <> wanted.source_uri
   OR (CASE latest.tone_by WHEN '' THEN latest.tone ELSE '' END) <> wanted.tone
   OR latest.restriction <> wanted.restriction OR latest.skip <> wanted.skip
   OR (wanted.source_version <> '' AND latest.source_version <> wanted.source_version)
ORDER BY position
"""
_SUPERSEDED = """
SELECT plan, list(position) AS positions FROM plans SEMI JOIN
(SELECT row_id, plan FROM plans WHERE plan IN ({again})) AS later
ON later.row_id = plans.row_id AND later.plan > plans.plan
WHERE plans.plan IN ({among}) GROUP BY plan
"""


@dataclass(frozen=True, slots=True)
class New:
    """Which rows are to be planned, by position, and which of them a plan held otherwise."""

    positions: Positions
    again: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.positions)

    def spread(self, count: int) -> New:
        """Return `count` of them, at even distances."""
        count = max(0, min(count, len(self)))
        chosen = np.arange(count) * len(self) // max(count, 1)
        return New(self.positions[chosen], self.again[chosen])

    def parts(self, size: int) -> Iterator[New]:
        """Yield them in order, so many at a time."""
        for first in range(0, len(self), size):
            part = slice(first, first + size)
            yield New(self.positions[part], self.again[part])


def unplanned(rows: Rows, plans: Sequence[Plan]) -> New:
    """Return the rows that the log does not hold as they are now.

    The latest plan of an input counts, so a source that returns to an old version is new again. One
    whose version nobody can tell at present is taken to be what it was.
    """
    if not plans:
        return New(np.arange(len(rows)), np.zeros(len(rows), np.bool_))
    with log_tables(plans) as connection:
        found = connection.sql(_NEW.format(rows=_quoted(rows.path))).fetchnumpy()
    return New(np.asarray(found["position"]), np.asarray(found["again"]))


def superseded(plans: Sequence[Plan], among: Sequence[int]) -> dict[int, frozenset[int]]:
    """Return, by plan, the positions of rows that a later plan has taken over."""
    again = [plan.number for plan in plans if plan.again and among and plan.number > min(among)]
    if not again:
        return {}
    with log_tables(plans) as connection:
        sql = _SUPERSEDED.format(again=_listed(again), among=_listed(among))
        return {plan: frozenset(positions) for plan, positions in connection.sql(sql).fetchall()}


@contextmanager
def log_tables(plans: Sequence[Plan]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a log that is not empty: `plans`, every row, and `latest`, one for each input."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="photochrom-") as scratch:
        connection = duckdb.connect(":memory:")
        try:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute(f"SET temp_directory = {_quoted(scratch)}")
            connection.register("no_rows", schema_of(PlanRow).empty_table())
            files = ", ".join(_quoted(plan.file.path) for plan in plans)
            again = [plan.number for plan in plans if plan.again]
            later = _LATER.format(again=_listed(again)) if again else ""
            connection.execute(_PLANS.format(files=f"[{files}]", superseded=later))
            yield connection
        finally:
            connection.close()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def rows_where(plans: Sequence[Plan], sql: str, **tables: pa.Table) -> Rows:
    """Return the latest rows that a condition picks; it may name tables that are given."""
    with log_tables(plans) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        names = ", ".join(schema_of(PlanRow).names)
        sql = f"SELECT {names} FROM latest WHERE {sql} ORDER BY plan, position"
        return Rows([connection.sql(sql).to_arrow_table().cast(schema_of(PlanRow))])
