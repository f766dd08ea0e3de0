"""Reprint: further prints of a place's plates, without the generator: CPUs alone.

Shards are the ledger's. A shard's new prints are filed under the new recipe's digest when all are
stored; the same command again makes only those that are missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from photochrom.colorize.errors import PhotochromError, SettingsError
from photochrom.colorize.picture import Origin, PrintRecipe
from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.budget import Budget
from photochrom.jobs.errors import JobError, Restricted
from photochrom.jobs.originals import luma_bytes, read_original, read_plate
from photochrom.jobs.pinned import Pinned, check_pixels
from photochrom.jobs.plan import read_plans
from photochrom.jobs.printer import Printer
from photochrom.jobs.records import PrintedRow
from photochrom.jobs.restrictions import restrictions_of
from photochrom.jobs.settings import print_digest
from photochrom.jobs.sources import Sources
from photochrom.jobs.store import Store

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NotPrinted:
    """A row whose print could not be made, and why."""

    row_id: str
    error: str


class Reprint:
    """Prints of one recipe for the current colorized rows that lack one."""

    def __init__(self, store: Store, pinned: Pinned, recipe: PrintRecipe, threads: int) -> None:
        if recipe.format == "none":
            raise JobError("there is nothing to print: choose a format")
        check_pixels(pinned)
        self._signer = pinned.job.marks.signer()
        recipe = recipe.model_copy(update={"c2pa": self._signer is not None})
        self._store, self._pinned, self._recipe = store, pinned, recipe
        self._threads = threads
        self._budget = Budget(pinned.job.run.bytes_in_flight)
        self._sources = Sources(pinned.job.storage.source)
        self._restrictions = restrictions_of(pinned.job, store)
        self._ordered_at = {plan.number: plan.created_at for plan in read_plans(store)}

    def missing(self, where: str = "TRUE") -> list[Row]:
        """Return the rows to print, by shard; `where` is an SQL condition on `current`."""
        with questions(self._store) as tables:
            return tables.ask(
                f"SELECT * FROM current WHERE ai_colorized AND ({where}) AND row_key NOT IN "
                "(SELECT row_key FROM prints WHERE print_digest = ?) ORDER BY shard_key, row_id",
                print_digest(self._recipe),
            )

    def run(
        self, rows: list[Row], advance: Callable[[PrintedRow | NotPrinted], None]
    ) -> list[NotPrinted]:
        """Make and file the prints; what could not be printed is returned, never hidden."""
        failures: list[NotPrinted] = []
        if rows:
            ledger.file_recipe(self._store, self._recipe)
        with ThreadPoolExecutor(self._threads) as threads:
            for shard_key, shard in groupby(rows, itemgetter("shard_key")):
                printed: list[PrintedRow] = []
                for made in threads.map(self._one, list(shard)):
                    advance(made)
                    if isinstance(made, NotPrinted):
                        failures.append(made)
                    else:
                        printed.append(made)
                if printed:
                    ledger.file_prints(self._store, shard_key, printed)
        return failures

    def _one(self, row: Row) -> PrintedRow | NotPrinted:
        size = luma_bytes(row)
        held, filed = self._budget.holding(size), not self._budget.fits(size)
        with held, tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            scratch = Path(folder)
            origin = Origin(self._pinned.recipe_digest, when=self._ordered_at[row["plan"]])
            try:
                self._restrictions.check(row["row_id"], row["source_uri"], row["source_sha256"])
                photo = read_original(self._sources, row, scratch, self._signer, filed=filed)
                plate = read_plate(self._store, row)
                printer = Printer(
                    self._store, self._recipe, origin, scratch, self._restrictions, self._signer
                )
                return printer.make(
                    photo,
                    plate,
                    row_id=row["row_id"],
                    row_key=row["row_key"],
                    shard_key=row["shard_key"],
                    collection=row["collection"],
                    source_uri=row["source_uri"],
                )
            except Restricted as error:
                return NotPrinted(row["row_id"], f"restricted: {error}")
            except PhotochromError as error:
                if error.retriable:
                    raise
                return NotPrinted(row["row_id"], str(error))


def print_recipe(**asked: str | int | None) -> PrintRecipe:
    """Check the fields of a recipe that were asked for, not None; raises SettingsError."""
    try:
        return PrintRecipe.model_validate({k: v for k, v in asked.items() if v is not None})
    except ValidationError as error:
        fault = error.errors()[0]
        raise SettingsError(f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg']}") from None
