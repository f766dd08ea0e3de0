"""verify: places proven from scratch, and all that stray files can prove."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import (
    MISMATCH,
    Changes,
    Json,
    console,
    open_place,
    show,
    show_json,
)

if TYPE_CHECKING:
    from photochrom.jobs.audit.luma import LumaProof
    from photochrom.jobs.audit.stray import Stray
    from photochrom.jobs.audit.verify import Report

_OF_THE_ROW = ("row_id", "source_uri", "outcome", "operator", "finished_at")


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(
        epilog="Example: photochrom verify harbour.ai-colorized.tif --original harbour.tif"
    )(verify)


def verify(
    targets: Annotated[list[str], typer.Argument(metavar="OUT|FILE...", help="Places or files.")],
    out: Annotated[str | None, typer.Option(help="The place that the files came from.")] = None,
    original: Annotated[
        Path | None, typer.Option(help="The file's original, to prove its luma.")
    ] = None,
    tone_table: Annotated[
        Path | None, typer.Option(help="A negative's table, if no place has it at hand.")
    ] = None,
    trust_anchors: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) of those whose signatures count.")
    ] = None,
    set_: Changes = None,
    json: Json = False,
) -> None:
    """Prove places from scratch, or say all that stray files can prove; exit 4 if it fails."""
    from photochrom.colorize.errors import SettingsError
    from photochrom.jobs.audit.stray import Evidence, verify_file
    from photochrom.jobs.audit.verify import Verifier

    if original and (len(targets) > 1 or not Path(targets[0]).is_file()):
        raise SettingsError("--original: it is that of one file; name that file alone")
    evidence = Evidence.read(original, tone_table, trust_anchors)
    files: list[Stray] = []
    places: dict[str, Report] = {}
    for target in targets:
        if Path(target).is_file():
            origin = open_place(out, set_) if out else None
            store, pinned = (origin.store, origin.pinned) if origin else (None, None)
            files.append(verify_file(Path(target), store, pinned, evidence))
            if not json:
                _show_file(files[-1])
            continue
        place = open_place(target, set_)
        threads = os.cpu_count() or 1
        verifier = Verifier(place.store, place.pinned, threads, evidence.anchors)
        places[target] = verifier.place()
        if not json:
            _show_place(target, places[target])
    findings = [finding for stray in files for finding in stray.findings]
    findings += [finding for report in places.values() for finding in report.findings]
    if json:
        show_json(
            {
                "files": [stray.as_dict() for stray in files],
                "places": [{"place": name, **asdict(made)} for name, made in places.items()],
                "findings": [asdict(finding) for finding in findings],
            }
        )
    elif findings:
        show("", ["input", "object", "finding"], [(f.row_id, f.subject, f.what) for f in findings])
    else:
        console.print("everything is as it must be")
    if findings:
        raise typer.Exit(MISMATCH)


def _show_place(target: str, report: Report) -> None:
    console.print(f"{target}: {report.rows} rows and {report.prints} prints looked at")
    if report.unchecked:
        from photochrom.colorize.picture.marking.c2pa import HOW_TO_INSTALL

        console.print(f"{report.unchecked} C2PA signatures were not checked: {HOW_TO_INSTALL}")


def _show_file(stray: Stray) -> None:
    source_type = stray.marks.digital_source_type or "none"
    lines: list[tuple[str, object]] = [("digital source type", source_type)]
    if stray.marks.marks:
        lines += [(name, value) for name, value in asdict(stray.marks.marks).items() if value]
    lines.append(("C2PA", _signature(stray)))
    if stray.luma:
        lines.append(("luma", _luma(stray.luma)))
    if stray.row:
        lines += [(name, stray.row[name]) for name in _OF_THE_ROW]
    elif stray.luma and stray.luma.proof != "not proven":
        lines.append(("colour", "not proven: only its plate or its row can"))
    show(str(stray.path), ["mark", "value"], lines)


def _signature(stray: Stray) -> str:
    found = stray.manifest
    if found.state == "not checked":
        from photochrom.colorize.picture.marking.c2pa import HOW_TO_INSTALL

        return f"not checked: {HOW_TO_INSTALL}"
    codes = f" ({', '.join(found.codes)})" if found.codes else ""
    return f"{found.state}{f', signed by {found.signer}' if found.signer else ''}{codes}"


def _luma(found: LumaProof) -> str:
    if found.max_error is None:
        return f"not proven: {found.why}"
    if found.proof == "exact":
        return "exact: the original's, sample for sample"
    return f"measured: off by up to {found.max_error}, {found.mean_error:.2f} on average"
