"""colorize: a few photos or a folder, in this process; the first thing a newcomer tries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import SOME_FAILED, Json, console, endings, show, show_json

if TYPE_CHECKING:
    from photochrom.jobs.working.few import Few, Result


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom colorize grandma.tif album/ --out coloured")(colorize)


def colorize(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Photos and folders.")],
    out: Annotated[Path, typer.Option(help="The folder that the colour prints go to.")],
    format: Annotated[str, typer.Option(help="Of the prints: jpeg, png, webp or tiff.")] = "jpeg",
    long_side: Annotated[
        int | None, typer.Option(help="Of the prints, in pixels; full size if left out.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="The generator; `photochrom models list` names them.")
    ] = "pocket",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Its weights, a file on this machine, if they do not ship with Photochrom.",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="What the generator computes in: float32, bfloat16, float16; auto is its own."
        ),
    ] = "auto",
    render_size: Annotated[
        str,
        typer.Option(
            help="Side of the square that the generator sees, a multiple of 16; auto is its own, "
            "less for small photos."
        ),
    ] = "auto",
    negative: Annotated[
        bool, typer.Option("--negative", help="The photos are scans of film negatives.")
    ] = False,
    c2pa_key: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Sign the prints by C2PA with this key, or env:NAME."),
    ] = None,
    c2pa_chain: Annotated[
        str | None, typer.Option(metavar="PATH", help="The key's certificates, or env:NAME.")
    ] = None,
    positive: Annotated[
        bool, typer.Option("--positive", help="They are not; left out, each photo is looked at.")
    ] = False,
    json: Json = False,
) -> None:
    """Colorize a few photos here and now; every print is marked as AI-colorized."""
    from photochrom.colorize.errors import SettingsError
    from photochrom.jobs.working.few import Few, settings

    if negative and positive:
        raise SettingsError("--negative and --positive: a photo is one or the other")
    tone = "negative" if negative else "positive" if positive else "auto"
    asked = settings(
        format,
        long_side,
        model,
        render_size,
        tone,
        weights=weights,
        precision=precision,
        c2pa_key=c2pa_key,
        c2pa_chain=c2pa_chain,
    )
    few = Few(asked, out)
    pairs = few.targets(paths)
    results: list[Result] = []
    try:
        for path, target in pairs:
            results.append(few.colorize(path, target))
    finally:  # a lost device or an interruption takes back no print that was made
        _tell(few, results, json)
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(SOME_FAILED)


def _tell(few: Few, results: list[Result], json: bool) -> None:
    """Print what became of the photos."""
    if json:
        show_json([result.as_dict() for result in results])
        return
    show("", ["photo", "outcome", "print"], [result.line for result in results])
    if few.left_out:
        console.print(f"not photographs by their ending, and left out: {endings(few.left_out)}")
