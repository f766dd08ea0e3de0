"""A stray file: what it proves by itself, by its original, and by the place it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photochrom.colorize.errors import ProofError, SettingsError
from photochrom.colorize.picture import Photo, ToneTable
from photochrom.colorize.picture.marking.c2pa import (
    HOW_TO_INSTALL,
    Manifest,
    check_anchors,
    is_installed,
    read_manifest,
)
from photochrom.colorize.picture.marking.marks import DIGITAL_SOURCE_TYPE, FoundMarks, read_marks
from photochrom.colorize.picture.photo import file_sha256
from photochrom.jobs.audit.luma import LumaProof, open_original, prove_luma, read_table
from photochrom.jobs.audit.questions import Questions, questions
from photochrom.jobs.audit.verify import Finding, Row, Verifier
from photochrom.jobs.errors import NotFound
from photochrom.jobs.pinned import JOB_FILE, Pinned, read_pinned
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.originals import read_tone_table

_NAME = ".ai-colorized."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is at hand beside a stray file: its original, its tone table, whom to trust."""

    original: Photo | None = None
    table: ToneTable | None = None
    anchors: str | None = None

    @classmethod
    def read(cls, original: Path | None, table: Path | None, anchors: Path | None) -> Evidence:
        """Read what a user named; raises SettingsError."""
        if table and not original:
            raise SettingsError("--tone-table: it leads from the original to the print; give both")
        return cls(
            open_original(original) if original else None,
            read_table(table) if table else None,
            _anchors(anchors) if anchors else None,
        )


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Stray:
    """What was found out about one file; `row` and `printed` are the ledger's, if it knows it."""

    path: Path
    sha256: str
    marks: FoundMarks
    manifest: Manifest
    luma: LumaProof | None
    row: Row | None
    printed: Row | None
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "name_says_ai": _NAME in self.path.name,
            "digital_source_type": self.marks.digital_source_type,
            "marks": asdict(self.marks.marks) if self.marks.marks else None,
            "c2pa": asdict(self.manifest),
            "luma": asdict(self.luma) if self.luma else None,
            "row": self.row,
            "printed": self.printed,
            "findings": [asdict(finding) for finding in self.findings],
        }


def verify_file(
    path: Path,
    store: Store | None = None,
    pinned: Pinned | None = None,
    evidence: Evidence = NO_EVIDENCE,
) -> Stray:
    """Verify one file, against `store` or the place that it lies in, if any.

    `pinned` is what job.json says, if it has been read already.
    """
    store = store or _place_around(path)
    marks, sha256 = read_marks(path), file_sha256(path)
    manifest = read_manifest(path, evidence.anchors)
    row, printed = _known(store, sha256, path, marks) if store else (None, None)
    said: list[Finding] = []
    luma = None
    if evidence.original:
        table = evidence.table or (_table_of(store, row) if store and row else None)
        luma = prove_luma(path, marks.marks, evidence.original, table)
        said += [Finding("", str(path), words) for words in luma.contradictions]
    said += [Finding("", str(path), words) for words in _of_manifest(manifest, marks, evidence)]
    if store is None or row is None or printed is None:
        said += _of_marks(path, marks)
        if store:
            said.append(Finding("", str(path), f"no current row of {store.root} knows this file"))
    else:
        pinned = pinned or read_pinned(store)
        verifier = Verifier(store, pinned, anchors=evidence.anchors)
        known = verifier.row(row, [printed], file=path, original=evidence.original)
        told = {finding.what for finding in known}
        said = known + [finding for finding in said if finding.what not in told]
    return Stray(path, sha256, marks, manifest, luma, row, printed, tuple(said))


def _known(
    store: Store, sha256: str, path: Path, marks: FoundMarks
) -> tuple[Row, Row] | tuple[None, None]:
    """Return the file's row, and the row of its print."""
    with questions(store) as tables:
        printed = _printed_row(tables, sha256, path, marks)
        rows = tables.ask(
            "SELECT * FROM current WHERE row_key = ?", printed["row_key"] if printed else ""
        )
    return (rows[0], printed) if printed and rows else (None, None)


def _table_of(store: Store, row: Row) -> ToneTable | None:
    """Return the tone table of a row; what is wrong with it is the row's own finding."""
    try:
        return read_tone_table(store, row)
    except (NotFound, ProofError):
        return None


def _printed_row(tables: Questions, sha256: str, path: Path, marks: FoundMarks) -> Row | None:
    """Find the print by its bytes, else by its name, else by the plate it says it has.

    By its bytes also one that was made twice, of which another file counts.
    """
    plate = marks.marks.PlateSHA256 if marks.marks else ""
    for view, condition, value in (
        ("printed", "output_sha256 = ?", sha256),
        ("prints", "ends_with(output_uri, ?)", f"/{path.name}"),
        ("prints", "plate_sha256 = ?", plate),
    ):
        if rows := tables.ask(f"SELECT * FROM {view} WHERE {condition} LIMIT 1", value):
            return rows[0]
    return None


def _of_marks(path: Path, marks: FoundMarks) -> list[Finding]:
    if marks.digital_source_type != DIGITAL_SOURCE_TYPE:
        named = ", though its name says so" if _NAME in path.name else ""
        return [Finding("", str(path), f"the mark that says `made with AI` is missing{named}")]
    if marks.marks is None:
        return [Finding("", str(path), "the marks of its making are missing")]
    return []


def _of_manifest(manifest: Manifest, marks: FoundMarks, evidence: Evidence) -> list[str]:
    if fault := manifest.fault(evidence.anchors):
        return [fault]
    own = marks.marks.OriginalSHA256 if marks.marks else ""
    if own and manifest.original_sha256 not in ("", own):
        return ["its C2PA manifest names another original than its marks do"]
    return []


def _anchors(path: Path) -> str:
    if not is_installed():
        raise SettingsError(f"--trust-anchors: checking C2PA needs its extra: {HOW_TO_INSTALL}")
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--trust-anchors: {path}: {error}") from None
    check_anchors(text)
    return text


def _place_around(path: Path) -> Store | None:
    """Return the output place that a file lies in."""
    for folder in path.resolve().parents:
        if (folder / JOB_FILE).is_file() and (folder / "ledger").is_dir():
            return Store(str(folder))
    return None
