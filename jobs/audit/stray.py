"""A stray file: what it proves by itself, and what the place it came from says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from photochrom.colorize.picture.marks import DIGITAL_SOURCE_TYPE, FoundMarks, read_marks
from photochrom.colorize.picture.photo import file_sha256
from photochrom.jobs.audit.questions import Questions, questions
from photochrom.jobs.audit.verify import Finding, Row, Verifier
from photochrom.jobs.pinned import JOB_FILE, Pinned, read_pinned
from photochrom.jobs.store import Store


@dataclass(frozen=True, slots=True)
class Stray:
    """What was found out about one file."""

    path: Path
    sha256: str
    marks: FoundMarks
    row: Row | None
    findings: tuple[Finding, ...]


def verify_file(path: Path, store: Store | None = None, pinned: Pinned | None = None) -> Stray:
    """Verify one file, against `store` or the place that it lies in, if any.

    `pinned` is what job.json says, if it has been read already.
    """
    store = store or _place_around(path)
    marks, sha256 = read_marks(path), file_sha256(path)
    if store is None:
        return Stray(path, sha256, marks, None, tuple(_own_findings(path, marks)))
    with questions(store) as tables:
        printed = _printed_row(tables, sha256, path, marks)
        rows = tables.ask(
            "SELECT * FROM current WHERE row_key = ?", printed["row_key"] if printed else ""
        )
    if printed is None or not rows:
        missing = Finding("", str(path), f"no current row of {store.root} knows this file")
        return Stray(path, sha256, marks, None, (*_own_findings(path, marks), missing))
    found = Verifier(store, pinned or read_pinned(store)).row(rows[0], [printed], file=path)
    return Stray(path, sha256, marks, rows[0], tuple(found))


def _printed_row(tables: Questions, sha256: str, path: Path, marks: FoundMarks) -> Row | None:
    """Find the print by its bytes, else by its name, else by the plate it says it has."""
    plate = marks.marks.PlateSHA256 if marks.marks else ""
    for condition, value in (
        ("output_sha256 = ?", sha256),
        ("ends_with(output_uri, ?)", f"/{path.name}"),
        ("plate_sha256 = ?", plate),
    ):
        if rows := tables.ask(f"SELECT * FROM prints WHERE {condition} LIMIT 1", value):
            return rows[0]
    return None


def _own_findings(path: Path, marks: FoundMarks) -> list[Finding]:
    if marks.digital_source_type != DIGITAL_SOURCE_TYPE:
        return [Finding("", str(path), "the mark that says `made with AI` is missing")]
    if marks.marks is None:
        return [Finding("", str(path), "the marks of its making are missing")]
    return []


def _place_around(path: Path) -> Store | None:
    """Return the output place that a file lies in."""
    for folder in path.resolve().parents:
        if (folder / JOB_FILE).is_file() and (folder / "ledger").is_dir():
            return Store(str(folder))
    return None
