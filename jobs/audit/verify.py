"""Verify: prove every row, plate and print of a place against the originals, from scratch.

A finding is something that is not as it must be; none means that the three promises hold for
everything that was looked at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photochrom.colorize.errors import PhotochromError, ProofError
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.marking.c2pa import is_installed, read_manifest
from photochrom.colorize.picture.marking.marks import DIGITAL_SOURCE_TYPE, FoundMarks, read_marks
from photochrom.colorize.picture.photo import file_sha256
from photochrom.colorize.picture.printing.proof import read_back
from photochrom.colorize.picture.printing.recipe import PrintRecipe
from photochrom.colorize.picture.printing.rendering import Rendering
from photochrom.colorize.picture.printing.visible import visible_mark
from photochrom.jobs.audit.questions import Questions, questions
from photochrom.jobs.compaction import faults
from photochrom.jobs.errors import AccessDenied
from photochrom.jobs.ledger import read_recipe
from photochrom.jobs.pinned import Pinned, check_pixels
from photochrom.jobs.planning.plan import read_plans
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.budget import Budget
from photochrom.jobs.working.originals import key_of, luma_bytes, read_original, read_plate

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be."""

    row_id: str
    subject: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """How much was looked at, and what was found.

    `unchecked` counts the signatures that could not be checked for want of the extra.
    """

    rows: int
    prints: int
    findings: tuple[Finding, ...]
    unchecked: int = 0


class Verifier:
    """Proves what lies in one place; many rows at a time, in threads."""

    def __init__(
        self, store: Store, pinned: Pinned, threads: int = 2, anchors: str | None = None
    ) -> None:
        """Take a place, and as PEM the certificates of those whose signatures count, if not all."""
        check_pixels(pinned)
        self._anchors = anchors
        self._store, self._pinned, self._threads = store, pinned, threads
        self._sources = Sources(pinned.job.storage.source)
        self._budget = Budget(pinned.job.run.bytes_in_flight)
        self._recipes: dict[str, PrintRecipe] = {}

    def place(self) -> Report:
        """Verify the rows among themselves, and every coloured one down to its samples."""
        read_plans(self._store)  # raises if a plan is missing from the log
        with questions(self._store, copies=False) as tables:
            findings = list(row_findings(tables, self._main_print()))
            findings += [Finding("", key, what) for key, what in faults(self._store)]
            rows = tables.ask("SELECT * FROM current WHERE ai_colorized ORDER BY row_id")
            prints = _by_row_key(tables.ask("SELECT * FROM prints ORDER BY print_digest"))
            total = tables.ask("SELECT count(*) AS n FROM current")[0]["n"]

        def verify(row: Row) -> list[Finding]:
            with self._budget.holding(luma_bytes(row)):
                return self.row(row, prints.get(row["row_key"], []))

        with ThreadPoolExecutor(self._threads) as threads:
            for found in threads.map(verify, rows):
                findings += found
        every = [print_ for made in prints.values() for print_ in made]
        signed = sum("c2pa" in print_["marks"] for print_ in every)
        return Report(total, len(every), tuple(findings), 0 if is_installed() else signed)

    def row(
        self,
        row: Row,
        prints: list[Row],
        file: Path | None = None,
        original: Photo | None = None,
    ) -> list[Finding]:
        """Verify one coloured row and its prints.

        `file` stands for the prints' objects, `original` for the one in storage.
        """
        findings: list[Finding] = []
        with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            scratch = Path(folder)
            with _noting(findings, row, row["source_uri"]):
                filed = not self._budget.fits(luma_bytes(row))
                photo = _same(original, row) or read_original(
                    self._sources, row, scratch, filed=filed
                )
            with _noting(findings, row, row["plate_uri"]):
                plate = read_plate(self._store, row)
            pair = None if findings else (photo, plate)
            for print_ in prints:
                with _noting(findings, row, print_["output_uri"]):
                    path = file or self._fetched(print_, scratch)
                    self._print(row, print_, path, pair)
        return findings

    def _print(self, row: Row, print_: Row, path: Path, pair: tuple[Photo, Plate] | None) -> None:
        """Verify one print's file; raises ProofError with the first thing that is wrong."""
        _check_marks(read_marks(path), row)
        if pair is not None:
            recipe = self._recipe(print_["print_digest"])
            _check_samples(path, Rendering(*pair, recipe), recipe, print_)
        if "c2pa" in print_["marks"]:
            _check_manifest(path, self._anchors)
        if file_sha256(path) != print_["output_sha256"]:
            raise ProofError("the file's bytes are not those of the row")

    def _fetched(self, print_: Row, scratch: Path) -> Path:
        path = scratch / f"{print_['print_digest']}.print"
        self._store.fetch(key_of(self._store, print_["output_uri"]), path)
        return path

    def _recipe(self, digest: str) -> PrintRecipe:
        if digest not in self._recipes:
            self._recipes[digest] = read_recipe(self._store, digest)
        return self._recipes[digest]

    def _main_print(self) -> str:
        return "" if self._pinned.job.print.format == "none" else self._pinned.print_digest


def row_findings(tables: Questions, main_print: str) -> Iterator[Finding]:
    """Verify the rows among themselves: one per input, each ordered by a plan, none half done."""
    for sql, what in _ROW_QUESTIONS:
        for row in tables.ask(sql):
            yield Finding(row["row_id"], "ledger", what)
    lost = tables.ask(_WITHOUT_ROW)[0]["n"]
    if lost:
        yield Finding("", "ledger", f"{lost} planned inputs have no row: unfinished, or lost")
    if main_print:
        missing = tables.ask(
            "SELECT row_id FROM current WHERE ai_colorized AND row_key NOT IN "
            "(SELECT row_key FROM prints WHERE print_digest = ?)",
            main_print,
        )
        for row in missing:
            yield Finding(row["row_id"], "printed", "a colorized row without its print")


_WITHOUT_ROW = """
SELECT count(*) AS n FROM plans
JOIN (SELECT row_id, max(plan) AS plan FROM plans GROUP BY row_id) USING (row_id, plan)
ANTI JOIN ledger USING (plan, row_key)
"""
_ROW_QUESTIONS = (
    (
        "SELECT row_id FROM current GROUP BY row_id HAVING count(*) > 1",
        "more than one current row for this input",
    ),
    (
        "SELECT row_id FROM ledger ANTI JOIN plans USING (plan, row_key, shard_key)",
        "a row that no plan ordered",
    ),
    (
        "SELECT row_id FROM ledger WHERE ai_colorized <> (outcome = 'colorized') "
        "OR (outcome = 'colorized') <> (reason = '')",
        "outcome, reason and ai_colorized contradict each other",
    ),
)


@contextmanager
def _noting(findings: list[Finding], row: Row, subject: str) -> Iterator[None]:
    """Note what is wrong; a storage that fails this time proves nothing and is raised."""
    try:
        yield
    except PhotochromError as error:
        if error.retriable or isinstance(error, AccessDenied):
            raise
        findings.append(Finding(row["row_id"], subject, str(error)))


def _check_marks(found: FoundMarks, row: Row) -> None:
    if found.digital_source_type != DIGITAL_SOURCE_TYPE:
        raise ProofError("the mark that says `made with AI` is missing")
    if found.marks is None:
        raise ProofError("the marks of its making are missing")
    expected = {
        "WeightsSHA256": row["weights_sha256"],
        "OriginalSHA256": row["source_sha256"],
        "PlateSHA256": row["plate_sha256"],
    }
    for name, value in expected.items():
        if getattr(found.marks, name) != value:
            raise ProofError(f"the mark {name} is not the row's")


def _same(original: Photo | None, row: Row) -> Photo | None:
    """Return the original at hand if it is the one that was colorized."""
    return original if original and original.sha256 == row["source_sha256"] else None


def _check_manifest(path: Path, anchors: str | None) -> None:
    """Hold a signed print's manifest against its bytes, if the extra is there to do so."""
    found = read_manifest(path, anchors)
    if found.state == "none":
        raise ProofError("its C2PA manifest is missing")
    if fault := found.fault(anchors):
        raise ProofError(fault)


def _check_samples(path: Path, wanted: Rendering, recipe: PrintRecipe, print_: Row) -> None:
    """Hold a print's luma and colour against original and plate."""
    mark = visible_mark(recipe.visible_mark, wanted.width, wanted.height)
    reading = read_back(path, wanted, mark)
    if not recipe.exact:
        if reading.max_error > print_["luma_max_error"]:
            raise ProofError(
                f"its luma is off by {reading.max_error}, the row says {print_['luma_max_error']}"
            )
        return
    if reading.max_error:
        raise ProofError(f"its luma is not the original's: off by up to {reading.max_error}")
    if reading.samples_sha256 != wanted.samples_sha256():
        raise ProofError("its colour is not the plate's")
    if reading.luma_sha256 != print_["luma_sha256"]:
        raise ProofError("its luma is not the one in the row")


def _by_row_key(prints: list[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in prints:
        grouped.setdefault(row["row_key"], []).append(row)
    return grouped
