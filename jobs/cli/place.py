"""status, audit, verify, print: what lies in an output place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import (
    MISMATCH,
    SOME_FAILED,
    Changes,
    Json,
    Out,
    console,
    duration,
    open_place,
    show,
    show_json,
    shown,
    size,
)

if TYPE_CHECKING:
    from photochrom.jobs.audit.verify import Finding

_THREADS = os.cpu_count() or 1


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom status s3://colour/negatives")(status)
    app.command(
        epilog="Example: photochrom print s3://colour/negatives --format tiff", name="print"
    )(print_)
    app.command(
        epilog='Example: photochrom audit OUT "SELECT row_id, outcome, reason FROM current"'
    )(audit)
    app.command(epilog="Example: photochrom verify s3://colour/negatives")(verify)


def status(out: Out, set_: Changes = None, json: Json = False) -> None:
    """Show how far a job is, how fast it went and what failed."""
    from photochrom.jobs.status import status_of

    place = open_place(out, set_)
    found = status_of(place.store)
    if json:
        show_json(found.as_dict())
        return
    show("", ["outcome", "reason", "photographs"], [(*key, n) for key, n in found.counts.items()])
    console.print(
        f"{found.committed} of {found.planned} planned photographs have their row, "
        f"in {found.plans} plans; {found.shards_left} shards are left"
    )
    if found.low_chroma:
        console.print(f"{found.low_chroma} of the colorized show next to no colour (`low_chroma`)")
    if found.rate:
        console.print(
            f"{found.rate:.1f} photographs a second, {found.cpu_seconds_each:.2f} CPU-seconds each"
            + (f"; {duration(found.left / found.rate)} to go" if found.left else "")
        )
    for digest, count, bytes_ in found.prints:
        console.print(f"{count} prints of recipe {digest}, {size(bytes_)}")


def audit(
    out: Out,
    sql: Annotated[str | None, typer.Argument(metavar="[SQL]", help="A SELECT.")] = None,
    duplicates: Annotated[bool, typer.Option(help="Inputs with the same bytes.")] = False,
    orphans: Annotated[bool, typer.Option(help="Objects that no row knows.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet (JPEG).")] = None,
    set_: Changes = None,
    json: Json = False,
) -> None:
    """Ask the ledger (views current, ledger, prints, printed, plans, events), or what is ready."""
    from photochrom.jobs.audit import ready
    from photochrom.jobs.audit.questions import questions

    place = open_place(out, set_)
    if sheet is not None:
        from photochrom.jobs.audit.sheet import write_sheet

        write_sheet(place.store, place.pinned, sheet)
        console.print(f"contact sheet: {sheet}", soft_wrap=True)
        return
    if orphans:
        rows = [{"object": key} for key in ready.orphans(place.store)]
    else:
        with questions(place.store) as tables:
            rows = tables.ask(ready.DUPLICATES if duplicates else sql or ready.OVERVIEW)
    if json:
        show_json(rows)
    else:
        show("", list(rows[0]) if rows else ["nothing found"], [list(row.values()) for row in rows])


def verify(
    targets: Annotated[list[str], typer.Argument(metavar="OUT|FILE...", help="Places or files.")],
    out: Annotated[str | None, typer.Option(help="The place that the files came from.")] = None,
    set_: Changes = None,
    json: Json = False,
) -> None:
    """Prove places from scratch, or say all that stray files can prove; exit 4 if it fails."""
    from photochrom.jobs.audit.stray import verify_file
    from photochrom.jobs.audit.verify import Verifier

    findings: list[Finding] = []
    for target in targets:
        if Path(target).is_file():
            origin = open_place(out, set_) if out else None
            known = (origin.store, origin.pinned) if origin else (None, None)
            stray = verify_file(Path(target), *known)
            findings += stray.findings
            if not json:
                _show_stray(stray.path, stray.marks, stray.row)
            continue
        place = open_place(target, set_)
        report = Verifier(place.store, place.pinned, _THREADS).place()
        findings += report.findings
        if not json:
            console.print(f"{target}: {report.rows} rows and {report.prints} prints looked at")
    if json:
        show_json([{"row_id": f.row_id, "subject": f.subject, "what": f.what} for f in findings])
    elif findings:
        show("", ["input", "object", "finding"], [(f.row_id, f.subject, f.what) for f in findings])
    else:
        console.print("everything is as it must be")
    if findings:
        raise typer.Exit(MISMATCH)


def _show_stray(path: Path, marks: object, row: dict[str, object] | None) -> None:
    from photochrom.colorize.picture.marks import FoundMarks

    assert isinstance(marks, FoundMarks)
    lines: list[tuple[str, object]] = [("digital source type", marks.digital_source_type or "none")]
    if marks.marks:
        own = {name: getattr(marks.marks, name) for name in type(marks.marks).__slots__}
        lines += [(name, value) for name, value in own.items() if value]
    if row:
        names = ("row_id", "source_uri", "outcome", "operator", "finished_at")
        lines += [(name, row[name]) for name in names]
    show(str(path), ["mark", "value"], lines)


def print_(
    out: Out,
    format: Annotated[str | None, typer.Option(help="tiff, png, jpeg or webp.")] = None,
    long_side: Annotated[int | None, typer.Option(help="Pixels; full size if left out.")] = None,
    quality: Annotated[int | None, typer.Option(help="1 to 100, of jpeg and webp.")] = None,
    compression: Annotated[str | None, typer.Option(help="none, deflate or lzw, of tiff.")] = None,
    tiled: Annotated[bool, typer.Option("--tiled", help="Tiff in tiles, not strips.")] = False,
    lossless: Annotated[bool, typer.Option("--lossless", help="Webp, exact at 8 bit.")] = False,
    where: Annotated[str, typer.Option(help="Which: an SQL condition on `current`.")] = "TRUE",
    set_: Changes = None,
) -> None:
    """Print from plates, without a generator or a GPU: another format, size or selection."""
    from photochrom.jobs.reprint import Reprint, print_recipe

    place = open_place(out, set_)
    recipe = print_recipe(
        format=format,
        long_side=long_side,
        quality=quality,
        compression=compression,
        tiled=tiled,
        lossless=lossless,
    )
    work = Reprint(place.store, place.pinned, recipe, _THREADS)
    rows = work.missing(where)
    failures = work.run(rows, lambda _: None)
    console.print(
        f"{len(rows) - len(failures)} prints made, under {shown(place.store.root)}/prints"
    )
    if failures:
        show("", ["input", "not printed"], [(f.row_id, f.error) for f in failures])
        raise typer.Exit(SOME_FAILED)
