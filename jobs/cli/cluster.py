"""cluster render, cluster lint: files for the clusters that jobs run on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from photochrom.jobs.cli.common import Changes, Json, show, show_json

WRONG = 2
_KINDS = "rayjob, raycluster, ray-up, podmonitor or dockerfile"


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    family = typer.Typer(
        name="cluster", help="Files for clusters: write them, check them.", no_args_is_help=True
    )
    family.command(
        epilog="Example: photochrom cluster render job.toml --kind rayjob --set cluster.gpu.max=32"
    )(render)
    family.command(epilog="Example: photochrom cluster lint rayjob.yaml")(lint)
    app.add_typer(family)


def render(
    job: Annotated[
        str | None,
        typer.Argument(metavar="JOB", help="A job file (.toml), or a manifest. A rayjob needs it."),
    ] = None,
    output: Annotated[
        str | None, typer.Argument(metavar="OUTPUT", help="Where to write. A job file names it.")
    ] = None,
    kind: Annotated[str, typer.Option(help=f"What to print: {_KINDS}.")] = "rayjob",
    set_: Changes = None,
    shared_paths: Annotated[
        bool, typer.Option("--shared-paths", help="Paths are the same on all machines.")
    ] = False,
) -> None:
    """Print a cluster file, sized for a job, to be edited little and kept.

    Settings of the cluster are set as in --set cluster.image=NAME, all others are the job's.
    """
    from photochrom.cluster.render import KINDS, render
    from photochrom.colorize.errors import SettingsError
    from photochrom.jobs.blueprint import asked, blueprint_of, divided
    from photochrom.jobs.settings import load_job

    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise SettingsError(f"--kind {kind}: it is one of {', '.join(KINDS)}")
    own, theirs = divided(set_ or ())
    settings = load_job(job, output, own) if job else None
    if settings is None and own:
        raise SettingsError(f"--set {own[0]}: a setting of a job, and none is named")
    plan = blueprint_of(settings, theirs)
    print(render(known, plan, asked(settings, plan, shared_paths)), end="")


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files.")],
    json: Json = False,
) -> None:
    """Check cluster files before a cluster does: fields, and what would cost you the job.

    Exit codes: 0 nothing found, 2 something to mend.
    """
    from photochrom.cluster.lint import lint

    found = [finding for file in files for finding in lint(file)]
    if json:
        show_json([asdict(finding) for finding in found])
    elif found:
        show("", ["file", "path", "what", "mend"], [tuple(asdict(each).values()) for each in found])
    if found:
        raise typer.Exit(WRONG)
