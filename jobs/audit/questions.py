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

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from photochrom.jobs.audit.ranges import Ranges
from photochrom.jobs.compaction import TOGETHER, Copy, copies_of
from photochrom.jobs.errors import JobError
from photochrom.jobs.planning.plan import Plan, read_plans
from photochrom.jobs.records import EventRow, LedgerRow, PlanRow, PrintedRow, schema_of
from photochrom.jobs.storage.copies import Copies
from photochrom.jobs.storage.store import Entry, Store

if TYPE_CHECKING:
    import duckdb

_FOLDERS = {"ledger": LedgerRow, "plan": PlanRow, "printed": PrintedRow, "events": EventRow}
_MEMORY = "1GB"  # DuckDB's, before it uses the disk
_PLANS = """
SELECT CAST(regexp_extract(filename, '([0-9]+)\\.parquet$', 1) AS BIGINT) AS plan,
       * EXCLUDE (filename)
FROM plan_files
"""
_SUPERSEDED = """
ANTI JOIN (SELECT row_id, plan FROM ledger WHERE plan IN ({again})) AS later
ON later.row_id = ledger.row_id AND later.plan > ledger.plan
"""
_TAKEN_DOWN = "WHERE ledger.row_id NOT IN (SELECT row_id FROM events WHERE event = 'takedown')"
_PRINTS = """
SELECT printed.*
FROM printed
SEMI JOIN (SELECT * FROM current WHERE ai_colorized)
USING (row_key, plate_sha256, tone_table_sha256)
QUALIFY row_number() OVER (PARTITION BY row_key, print_digest ORDER BY output_uri) = 1
"""


class Questions:
    """A place's tables; `ask` answers SQL. Each view is opened when it is first asked about."""

    def __init__(self, store: Store, copies: bool, scratch: str) -> None:
        self._store, self._use_copies, self._scratch = store, copies, scratch
        self._here = Copies(store)
        self._open: dict[str, bool] = {}
        self._ranges: Ranges | None = None
        self._listed: dict[str, list[Entry]] = {}
        self._copied: dict[str, list[Copy]] = {}

    def entries(self, folder: str) -> list[Entry]:
        """Return what stood in a folder when it was first asked about: what answers are made of."""
        if folder not in self._listed:
            self._listed[folder] = list(self._store.list(folder))
        return self._listed[folder]

    def copies(self, folder: str) -> list[Copy]:
        """Return a folder's copies, as they were when first asked about."""
        if folder not in self._copied:
            self._copied[folder] = copies_of(self._store, folder)
        return self._copied[folder]

    @cached_property
    def plans(self) -> list[Plan]:
        """The log of plans, read after the ledger: it knows every plan whose rows are there."""
        self.entries("ledger")
        return read_plans(self._store)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """Start DuckDB when something is asked: what copies say themselves needs none."""
        import duckdb

        connection = duckdb.connect(":memory:")
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET parquet_metadata_cache = true")  # files never change
        connection.execute("SET temp_directory = '" + self._scratch.replace("'", "''") + "'")
        return connection

    def close(self) -> None:
        """Let go of DuckDB, if it was needed."""
        if "_connection" in self.__dict__:
            self._connection.close()

    def ask(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of one SELECT by column name; raises JobError for SQL that fails."""
        return self.table(sql, *parameters).to_pylist()

    def table(self, sql: str, *parameters: object) -> pa.Table:
        """Return the answer to one SELECT as an Arrow table; raises JobError for SQL that fails."""
        import duckdb

        for view in _VIEWS:
            if re.search(rf"\b{view}\b", sql, re.IGNORECASE):
                self._need(view)
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

    def _need(self, view: str) -> bool:
        """Open a view, and those it is made of; say whether there is anything in it."""
        if view not in self._open:
            self._open[view] = getattr(self, f"_open_{view}")()
        return self._open[view]

    def _open_ledger(self) -> bool:
        return self._define("ledger")

    def _open_printed(self) -> bool:
        return self._define("printed")

    def _open_events(self) -> bool:
        return self._define("events")

    def _open_plans(self) -> bool:
        found = self._define("plan")
        self._view("plans", _PLANS)
        return found

    def _open_current(self) -> bool:
        """Look for superseded rows in those plans alone that hold inputs again."""
        found = self._need("ledger")
        again = [str(plan.number) for plan in self.plans if plan.again]
        superseded = _SUPERSEDED.format(again=", ".join(again)) if again else ""
        taken_down = _TAKEN_DOWN if self._need("events") else ""
        self._view("current", f"SELECT ledger.* FROM ledger {superseded} {taken_down}")
        return found

    def _open_prints(self) -> bool:
        found = self._need("printed")
        self._need("current")
        self._view("prints", _PRINTS)
        return found

    def _view(self, name: str, sql: str) -> None:
        self._connection.execute(f"CREATE VIEW {name} AS {sql}")

    def _define(self, folder: str) -> bool:
        """Make a folder's view; columns that no file has, and all of no file's, are empty."""
        import duckdb

        name, extra = ("plan_files", ", '' AS filename") if folder == "plan" else (folder, "")
        files = self._files(folder)
        self._connection.register(f"no_{name}", schema_of(_FOLDERS[folder]).empty_table())
        source = f"SELECT *{extra} FROM no_{name}"
        if files:
            listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
            source += (
                f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true, "
                f"hive_partitioning = false, filename = {folder == 'plan'})"
            )
        try:
            self._view(name, source)
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise JobError(f"{self._store.root}/{folder}/ has a damaged table: {what}") from error
        return bool(files)

    def _files(self, folder: str) -> list[str]:
        """Return local paths of a folder's Parquet files, copies standing for what they hold."""
        keys = [entry.key for entry in self.entries(folder) if entry.key.endswith(".parquet")]
        if self._use_copies and len(keys) >= TOGETHER:
            copies = [copy for part in _parts(folder, keys) for copy in self.copies(part)]
            held = {key for copy in copies for key in copy.holds}
            loose = self._here.paths([key for key in keys if key not in held])
            return [*(self._large(copy.entry) for copy in copies), *loose]
        return self._here.paths(keys)

    def _large(self, entry: Entry) -> str:
        """Return what DuckDB opens a large file by; elsewhere it reads parts of it, as it needs."""
        if self._here.is_here:
            return self._here.path(entry.key)
        if self._ranges is None:
            self._ranges = Ranges(self._store)
            self._connection.register_filesystem(self._ranges)
        return self._ranges.add(entry)


_VIEWS = ("ledger", "current", "plans", "printed", "prints", "events")


def _parts(folder: str, keys: Iterable[str]) -> list[str]:
    """Return which folders' copies to look for: prints lie by recipe."""
    return sorted({key.rpartition("/")[0] for key in keys}) if folder == "printed" else [folder]


@contextmanager
def questions(store: Store, copies: bool = True) -> Iterator[Questions]:
    """Open a place's tables as they stand now; without `copies`, from the commits alone."""
    with (
        tempfile.TemporaryDirectory(prefix="photochrom-") as scratch,
        closing(Questions(store, copies, scratch)) as tables,
    ):
        yield tables
