"""colorize: a few photos or a folder, in this process; the first thing a newcomer tries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photochrom.jobs.cli.common import SOME_FAILED, Json, console, endings, show, show_json


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom colorize grandma.tif album/ --out coloured")(colorize)


def colorize(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Photos and folders.")],
    out: Annotated[Path, typer.Option(help="Where the colour prints go.")],
    format: Annotated[str, typer.Option(help="jpeg, png, webp or tiff.")] = "jpeg",
    long_side: Annotated[int | None, typer.Option(help="Pixels; full size if left out.")] = None,
    model: Annotated[str, typer.Option(help="Which generator.")] = "pocket",
    weights: Annotated[Path | None, typer.Option(help="Its file, if it is not embedded.")] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16; auto is the model's own.")
    ] = "auto",
    render_size: Annotated[
        str, typer.Option(help="What it sees, a multiple of 16; auto is the model's own.")
    ] = "auto",
    negative: Annotated[bool, typer.Option(help="The photos are negatives.")] = False,
    json: Json = False,
) -> None:
    """Colorize a few photos here and now; every print is marked as AI-colorized."""
    from photochrom.jobs.few import Few, settings

    asked = settings(
        format, long_side, model, render_size, negative, weights=weights, precision=precision
    )
    few = Few(asked, out)
    results = [few.colorize(path, target) for path, target in few.targets(paths)]
    if json:
        show_json([result.as_dict() for result in results])
    else:
        show("", ["photo", "outcome", "print"], [result.line for result in results])
        if few.left_out:
            console.print(f"not photographs by their ending, and left out: {endings(few.left_out)}")
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(SOME_FAILED)
