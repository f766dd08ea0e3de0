"""The press: a worker that prints a shard's plates on their originals; it needs CPUs alone.

Its orders name rows; what these say it reads from their commit. A shard's prints are filed when all
are stored, and the same order again makes the same bytes.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photochrom.colorize.errors import PhotochromError
from photochrom.colorize.picture import Origin, PrintRecipe
from photochrom.jobs import ledger
from photochrom.jobs.errors import RestrictionsUnread, StorageError
from photochrom.jobs.identity import commit_name
from photochrom.jobs.messages import (
    Attempt,
    Filed,
    Finished,
    Message,
    NotPrinted,
    WorkerFacts,
    Working,
)
from photochrom.jobs.pinned import Pinned
from photochrom.jobs.planning.restrictions import restrictions_of
from photochrom.jobs.reasons import Outcome, Reason, reason_of
from photochrom.jobs.records import LedgerRow, PrintedRow, from_parquet
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.budget import Budget
from photochrom.jobs.working.originals import luma_bytes, read_original, read_plate
from photochrom.jobs.working.printer import Printer

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PrintOrders:
    """All that a press is made with; it travels to it."""

    pinned: Pinned
    recipe: PrintRecipe
    threads: int


class Press:
    """Some threads that print; it knows no Ray."""

    def __init__(self, orders: PrintOrders) -> None:
        job = orders.pinned.job
        self._orders = orders
        self._store = Store(job.output, job.storage.output)
        self._sources = Sources(job.storage.source)
        self._signer = job.marks.signer()

    def ready(self) -> WorkerFacts:
        """Answer at once: there is nothing to load."""
        return WorkerFacts(f"{platform.node()}:{os.getpid()}", "cpu", None)

    def run(self, item: object) -> Iterator[Message]:
        """Do one attempt at a shard, and file its prints."""
        assert isinstance(item, Attempt)
        self._restrictions = restrictions_of(self._orders.pinned.job, self._store)
        made: list[PrintedRow | NotPrinted] = []
        for said in self._one_by_one(item) if item.careful else self._together(item):
            if isinstance(said, Working):
                yield said
            else:
                made.append(said)
                yield _finished(said)
        printed = tuple(one for one in made if isinstance(one, PrintedRow))
        ledger.file_prints(self._store, item.shard.key, printed)
        failures = tuple(one for one in made if isinstance(one, NotPrinted))
        yield Filed(item.shard.key, printed, failures)

    def _one_by_one(self, attempt: Attempt) -> Iterator[PrintedRow | NotPrinted | Working]:
        """Print in order, saying which photo begins; the condemned are not touched."""
        budget = Budget(self._orders.pinned.job.run.bytes_in_flight)
        for row in self._rows(attempt):
            if row["row_key"] in attempt.condemned:
                yield _not_printed(row, Reason.KILLED_WORKER, "a worker died while printing it")
                continue
            yield Working(row["row_key"])
            yield self._print(row, attempt, budget)
        yield Working(None)

    def _together(self, attempt: Attempt) -> Iterator[PrintedRow | NotPrinted]:
        """Print in threads, as many at once as there is room for."""
        budget = Budget(self._orders.pinned.job.run.bytes_in_flight)
        with ThreadPoolExecutor(self._orders.threads, "print") as threads:
            try:
                rows = self._rows(attempt)
                printing = [threads.submit(self._print, row, attempt, budget) for row in rows]
                for made in as_completed(printing):
                    yield made.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
                budget.close()

    def _rows(self, attempt: Attempt) -> list[Row]:
        data = self._store.read(commit_name(attempt.shard.key))
        committed = {row.row_key: row for row in from_parquet(LedgerRow, data)[0]}
        return [asdict(committed[row.row_key]) for row in attempt.shard.rows]

    def _print(self, row: Row, attempt: Attempt, budget: Budget) -> PrintedRow | NotPrinted:
        """Make one print, or say why there is none.

        What may pass by itself fails the attempt, unless it is the last; a storage that is away
        fails any.
        """
        try:
            return self._made(row, attempt, budget)
        except RestrictionsUnread:
            raise
        except Exception as error:
            passes = isinstance(error, OSError) or getattr(error, "retriable", True)
            if passes and not (attempt.careful and attempt.last):
                raise
            if isinstance(error, StorageError) and error.retriable and not self._answers(row):
                raise
            kind = "" if isinstance(error, PhotochromError) else f"{type(error).__name__}: "
            return _not_printed(row, reason_of(error), f"{kind}{error}")

    def _answers(self, row: Row) -> bool:
        return self._sources.answer(row["source_uri"], self._store)

    def _made(self, row: Row, attempt: Attempt, budget: Budget) -> PrintedRow:
        orders, size = self._orders, luma_bytes(row)
        held, filed = budget.holding(size), not budget.fits(size)
        with held, tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            scratch = Path(folder)
            origin = Origin(orders.pinned.recipe_digest, when=attempt.shard.ordered_at)
            self._restrictions.check(row["row_id"], row["source_uri"], row["source_sha256"])
            photo = read_original(self._sources, row, scratch, self._signer, filed=filed)
            plate = read_plate(self._store, row)
            printer = Printer(
                self._store, orders.recipe, origin, scratch, self._restrictions, self._signer
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


def _not_printed(row: Row, reason: Reason, error: str) -> NotPrinted:
    return NotPrinted(row["row_key"], row["row_id"], reason, " ".join(error.split()))


def _finished(made: PrintedRow | NotPrinted) -> Finished:
    if isinstance(made, NotPrinted):
        return Finished(made.row_key, Outcome.FAILED, made.reason)
    return Finished(made.row_key, "printed", "")
