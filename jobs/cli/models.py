"""models: the generators that this release knows, and bringing in published weights."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import Json, console, show, show_json, size

if TYPE_CHECKING:
    from photochrom.colorize.generator import KnownModel

family = typer.Typer(
    name="models",
    help="List the generators that this release knows, and import published weights.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    family.command(epilog="Example: photochrom models list --json", name="list")(list_)
    family.command(
        epilog="Example: photochrom models import ColorizeVideo_gen.pth --as video",
        name="import",
    )(import_)
    app.add_typer(family)


def list_(json: Json = False) -> None:
    """List every generator by name: its licence, where its weights are, how it is run."""
    from photochrom.colorize.generator import known_models

    if json:
        show_json([_facts(model) for model in known_models()])
        return
    columns = ["model", "family", "weights", "licence", "render size", "precision", "published"]
    show("", columns, [_line(model) for model in known_models()])
    pinned = [(model.name, model.sha256) for model in known_models() if model.sha256]
    show("", ["model", "pinned sha256"], pinned)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A published checkpoint, .pth.")],
    out: Annotated[
        Path | None, typer.Option(help="The safetensors to write; beside FILE if left out.")
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="MODEL", help="Whose weights, where the file leaves that open."
        ),
    ] = None,
) -> None:
    """Check a published checkpoint, running nothing in it, and write it as safetensors."""
    from photochrom.colorize.generator.conversion import convert

    made = convert(file, out, as_)
    word = "was there already" if made.was_there else "written"
    console.print(f"{made.file}: {word}, {size(made.bytes)}, {made.model.name}", soft_wrap=True)
    console.print(f"sha256 {made.sha256}", soft_wrap=True)
    console.print("\nIn a job:\n", soft_wrap=True)
    weights = json_.dumps(str(made.file.absolute()), ensure_ascii=False)
    print(f'[paint]\nmodel = "{made.model.name}"\nweights = {weights}\nsha256 = "{made.sha256}"')


def _facts(model: KnownModel) -> dict[str, object]:
    return {
        "name": model.name,
        "family": model.family,
        "bytes": model.bytes,
        "licence": model.licence,
        "publisher": model.publisher,
        "sha256": model.sha256,
        "render_size": model.render_size,
        "precision": model.precision,
    }


def _line(model: KnownModel) -> list[object]:
    weights = size(model.bytes) if model.bytes else "none"
    facts = [model.name, model.family, weights, model.licence]
    return [*facts, model.render_size, model.precision, model.publisher]
