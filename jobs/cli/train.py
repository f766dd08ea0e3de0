"""train: teach a generator from an archive's own colour photographs."""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from typing import Annotated

import typer

from photochrom.jobs.cli.common import Changes, Json, console, show_json, shown, size

Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A TOML file, or a shipped recipe: pocket, artistic, stable, video.",
    ),
]
Manifest = Annotated[
    str | None,
    typer.Argument(
        metavar="MANIFEST",
        help="Colour photographs: a table (.parquet, .csv, .jsonl), a folder or an s3:// prefix, "
        "tar shards included. The file may name it.",
    ),
]
Output = Annotated[
    str | None,
    typer.Argument(
        metavar="OUTPUT",
        help="Where checkpoints, curves, sheets and weights go: a folder or an s3:// prefix.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom train pocket s3://scans/colour/ s3://models/ours")(
        train
    )


def train(
    recipe: Recipe,
    manifest: Manifest = None,
    output: Output = None,
    set_: Changes = None,
    address: Annotated[
        str,
        typer.Option(help="`local` for a Ray of this machine, `auto` or HOST:PORT for a cluster."),
    ] = "local",
    json: Json = False,
) -> None:
    """Teach a generator from colour photographs, on Ray; the same command resumes.

    Exit codes: 0 trained, 1 not done, 2 usage or settings, 130 interrupted and resumable.
    """
    from photochrom.jobs.cli.progress import TrainingTicker
    from photochrom.jobs.training import load_training
    from photochrom.jobs.training.run import Told, run_training

    training = load_training(recipe, manifest, output, set_ or ())
    ticker = TrainingTicker()
    try:
        trained = run_training(training, address, Told(ticker.advance, ticker.note))
    finally:
        ticker.end()
    if json:
        show_json(asdict(trained))
        return
    console.print(f"{shown(trained.uri)}: {size(trained.bytes)}, {training.family}", soft_wrap=True)
    console.print(f"sha256 {trained.sha256}", soft_wrap=True)
    console.print("\nIn a job:\n", soft_wrap=True)
    weights = json_.dumps(shown(trained.uri), ensure_ascii=False)
    print(f'[paint]\nmodel = "{training.family}"\nweights = {weights}\nsha256 = "{trained.sha256}"')
