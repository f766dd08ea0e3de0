"""status, audit, print: what lies in an output place."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import (
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
from photochrom.jobs.cli.metering import MetricsPort, metered

if TYPE_CHECKING:
    from photochrom.jobs.status import Status
    from photochrom.jobs.storage.store import Store


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom status s3://colour/negatives")(status)
    app.command(
        epilog="Example: photochrom print s3://colour/negatives --format tiff", name="print"
    )(print_)
    app.command(
        epilog='Example: photochrom audit OUT "SELECT row_id, outcome, reason FROM current"'
    )(audit)


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
    if found.reckoned:
        console.print(f"one replica was reckoned to take {duration(found.reckoned)}{_took(found)}")
    for digest, count, bytes_ in found.prints:
        console.print(f"{count} prints of recipe {digest}, {size(bytes_)}")


def _took(found: Status) -> str:
    """Say how far off the estimate was, by what is done."""
    if found.took is None:
        return ""
    off = abs(found.took - 1)
    word = "more" if found.took > 1 else "less"
    times = f"{found.took:.2g} times that" if off >= 1 or found.took < 0.5 else f"{off:.0%} {word}"
    return f"; it took {times}" + ("" if not found.left else ", as far as it is done")


def audit(
    out: Out,
    sql: Annotated[str | None, typer.Argument(metavar="[SQL]", help="A SELECT.")] = None,
    duplicates: Annotated[bool, typer.Option(help="Inputs with the same bytes.")] = False,
    orphans: Annotated[bool, typer.Option(help="Objects that no row knows.")] = False,
    prune: Annotated[bool, typer.Option(help="Remove orphans, after showing them.")] = False,
    older_than: Annotated[
        float, typer.Option(min=1, help="Hours: how old an orphan must be to be removed.")
    ] = 24,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Copy commits into few files, which answer sooner.")
    ] = False,
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
    if prune:
        _prune(place.store, older_than, yes, json)
        return
    if compact:
        from photochrom.jobs import compaction

        console.print(
            f"{compaction.compact(place.store, rest=True)} files made of many commits each"
        )
        return
    if orphans:
        from photochrom.jobs.audit.orphans import orphans as found

        rows = [
            {"object": orphan.key, "what": "unfinished" if orphan.unfinished else "not counted"}
            for orphan in found(place.store)
        ]
    else:
        with questions(place.store) as tables:
            rows = tables.ask(ready.DUPLICATES if duplicates else sql or ready.OVERVIEW)
    if json:
        show_json(rows)
    else:
        show("", list(rows[0]) if rows else ["nothing found"], [list(row.values()) for row in rows])


def _prune(store: Store, hours: float, yes: bool, json: bool) -> None:
    """Show all orphans, and remove those that may go, if somebody says so."""
    from photochrom.jobs.audit.orphans import orphans, prune

    grace = timedelta(hours=hours)
    found = orphans(store, grace)
    going = [orphan for orphan in found if not orphan.kept]
    if not json:
        lines = [
            (o.key, o.size, f"{o.modified:%Y-%m-%d %H:%M}", o.kept, "yes" if o.unfinished else "")
            for o in found
        ]
        show("", ["object", "bytes", "written (UTC)", "kept, as", "unfinished"], lines)
        total = size(sum(orphan.size for orphan in going))
        console.print(f"{len(going)} of {len(found)} orphans may be removed, {total}")
    if going and not yes and not json and sys.stdin.isatty():
        yes = typer.confirm("Remove them?")
    gone = set(prune(store, going, grace)) if yes else set()
    if json:
        show_json([asdict(orphan) | {"removed": orphan in gone} for orphan in found])
    elif yes:
        console.print(f"{len(gone)} removed")
    elif going:
        console.print("nothing was removed; --yes removes them")


def print_(
    out: Out,
    format: Annotated[str | None, typer.Option(help="tiff, png, jpeg or webp.")] = None,
    long_side: Annotated[int | None, typer.Option(help="Pixels; full size if left out.")] = None,
    quality: Annotated[int | None, typer.Option(help="1 to 100, of jpeg and webp.")] = None,
    compression: Annotated[str | None, typer.Option(help="none, deflate or lzw, of tiff.")] = None,
    tiled: Annotated[bool, typer.Option("--tiled", help="Tiff in tiles, not strips.")] = False,
    lossless: Annotated[bool, typer.Option("--lossless", help="Webp, exact at 8 bit.")] = False,
    visible_mark: Annotated[
        str | None,
        typer.Option(help="sign or strip, on jpeg and webp with a long side."),
    ] = None,
    where: Annotated[str, typer.Option(help="Which: an SQL condition on `current`.")] = "TRUE",
    follow: Annotated[
        bool, typer.Option("--follow", help="Print what is committed until the job is done.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            help="Print on Ray: `local` for a Ray of this machine, `auto` or HOST:PORT for a "
            "cluster. If left out, in this process."
        ),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Presses on Ray; as many as fit if left out.")
    ] = None,
    metrics_port: MetricsPort = None,
    set_: Changes = None,
) -> None:
    """Print from plates, without a generator or a GPU: another format, size or selection.

    It may run beside the job itself. The same command goes on where an earlier one was stopped.
    Exit codes are those of `run`.
    """
    from photochrom.jobs.cli.progress import Ticker
    from photochrom.jobs.driving import presses
    from photochrom.jobs.driving.reprint import Reprint, print_recipe

    place = open_place(out, set_)
    recipe = print_recipe(
        format=format,
        long_side=long_side,
        quality=quality,
        compression=compression,
        tiled=tiled,
        lossless=lossless,
        visible_mark=visible_mark,
    )
    opened = presses.on_ray(address, replicas or "auto") if address else presses.here
    ticker = Ticker("printing")
    with metered(address or "local", metrics_port, ticker.note) as meters:
        work = Reprint(place.store, place.pinned, recipe, opened, ticker, meters)
        work.run(where, follow=follow)
    console.print(f"{work.made} prints made, under {shown(place.store.root)}/prints")
    if work.failures:
        show("", ["input", "not printed"], [(f.row_id, f.error) for f in work.failures])
        raise typer.Exit(SOME_FAILED)
