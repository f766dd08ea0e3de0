"""The ledger as tables: DuckDB views over an output place's Parquet files.

| view       | is                                                                          |
|------------|-----------------------------------------------------------------------------|
| `ledger`   | every committed row, all plans                                              |
| `current`  | per row_id the row of its highest committed plan, minus takedowns           |
| `plans`    | every planned row, with its plan's number                                   |
| `printed`  | every filed print                                                           |
| `prints`   | of current plates and tones, one per row and print recipe                     |
| `events`   | reviews, takedowns, recalls                                                 |
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from photochrom.jobs.errors import JobError
from photochrom.jobs.records import EventRow, LedgerRow, PlanRow, PrintedRow, schema_of
from photochrom.jobs.store import Store

_FOLDERS = {"ledger": LedgerRow, "plan": PlanRow, "printed": PrintedRow, "events": EventRow}
_VIEWS = """
CREATE VIEW plans AS
SELECT CAST(regexp_extract(filename, '([0-9]+)\\.parquet$', 1) AS BIGINT) AS plan,
       * EXCLUDE (filename)
FROM plan_files;

CREATE VIEW current AS
SELECT ledger.*
FROM ledger
JOIN (SELECT row_id, max(plan) AS plan FROM ledger GROUP BY row_id) USING (row_id, plan)
WHERE row_id NOT IN (SELECT row_id FROM events WHERE event = 'takedown');

CREATE VIEW prints AS
SELECT printed.*
FROM printed
SEMI JOIN (SELECT * FROM current WHERE ai_colorized)
USING (row_key, plate_sha256, tone_table_sha256)
QUALIFY row_number() OVER (PARTITION BY row_key, print_digest ORDER BY output_uri) = 1;
"""


class Questions:
    """An open set of tables; `ask` answers SQL."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def ask(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of one SELECT by column name; raises JobError for SQL that fails."""
        return self.table(sql, *parameters).to_pylist()

    def table(self, sql: str, *parameters: object) -> pa.Table:
        """Return the answer to one SELECT as an Arrow table; raises JobError for SQL that fails."""
        try:
            answer = self._connection.sql(sql, params=list(parameters))
            if answer is not None:
                table: pa.Table = answer.to_arrow_table()
                return table
        except duckdb.Error as error:
            raise JobError(f"the question failed: {str(error).splitlines()[0]}") from error
        raise JobError("the question has no answer: ask with SELECT")

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many current rows have each outcome and reason."""
        rows = self.ask(
            "SELECT outcome, reason, count(*) AS n FROM current GROUP BY ALL ORDER BY 1, 2"
        )
        return {(row["outcome"], row["reason"]): row["n"] for row in rows}


@contextmanager
def questions(store: Store) -> Iterator[Questions]:
    """Open a place's tables as they stand now."""
    with tempfile.TemporaryDirectory(prefix="photochrom-") as scratch:
        connection = duckdb.connect(":memory:")
        try:
            for folder, row in _FOLDERS.items():
                files = _files(store, folder, Path(scratch))
                try:
                    _define(connection, folder, row, files)
                except duckdb.Error as error:
                    what = str(error).splitlines()[0]
                    raise JobError(f"{store.root}/{folder}/ has a damaged table: {what}") from error
            connection.execute(_VIEWS)
            yield Questions(connection)
        finally:
            connection.close()


def _files(store: Store, folder: str, scratch: Path) -> list[str]:
    """Return local paths of a folder's Parquet files, fetched unless they lie here already.

    DuckDB would take a star or bracket in a path for a pattern, so those are fetched too.
    """
    keys = [entry.key for entry in store.list(folder) if entry.key.endswith(".parquet")]
    if store.root.startswith("file://") and not set(store.root) & set("*?["):
        return [f"{store.root.removeprefix('file://')}/{key}" for key in keys]

    def fetched(key: str) -> str:
        path = scratch / key
        path.parent.mkdir(parents=True, exist_ok=True)
        store.fetch(key, path)
        return str(path)

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(fetched, keys))


def _define(
    connection: duckdb.DuckDBPyConnection, folder: str, row: type[Any], files: list[str]
) -> None:
    """Make a folder's view; columns that no file has, and all of no file's, are empty."""
    name = "plan_files" if folder == "plan" else folder
    connection.register(f"no_{name}", schema_of(row).empty_table())
    extra = ", '' AS filename" if folder == "plan" else ""
    source = f"SELECT *{extra} FROM no_{name}"
    if files:
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        source += (
            f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true, "
            f"hive_partitioning = false, filename = {folder == 'plan'})"
        )
    connection.execute(f"CREATE VIEW {name} AS {source}")
