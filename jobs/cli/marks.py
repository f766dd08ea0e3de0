"""marks: what signs prints, for trying it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photochrom.jobs.cli.common import console

family = typer.Typer(
    name="marks",
    help="Make a key and certificates, for trying out signed prints.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    family.command(epilog="Example: photochrom marks test-chain --out keys", name="test-chain")(
        make_chain
    )
    app.add_typer(family)


def make_chain(
    out: Annotated[Path, typer.Option(help="The folder to write them to.")],
    organization: Annotated[
        str, typer.Option(help="Whose name the certificates bear.")
    ] = "Photochrom test",
    days: Annotated[int, typer.Option(min=1, help="How long they are valid.")] = 365,
) -> None:
    """Make a key, its chain, and the authority to trust; nobody else trusts what it signs."""
    from photochrom.colorize.picture.marking.chain import ANCHOR, CHAIN, KEY, make_test_chain

    make_test_chain(out, organization, days)
    console.print(f"{out / KEY}: the key; keep it from others", soft_wrap=True)
    console.print(f"{out / CHAIN}: its certificates", soft_wrap=True)
    console.print(f"{out / ANCHOR}: for verify --trust-anchors", soft_wrap=True)
    console.print("\nIn a job:\n", soft_wrap=True)
    print(f'[marks]\nc2pa_key = "{out.absolute() / KEY}"\nc2pa_chain = "{out.absolute() / CHAIN}"')
