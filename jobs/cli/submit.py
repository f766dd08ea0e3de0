"""submit: the job as a Ray job on a cluster, with the Photochrom that it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import Changes, Json, console, show_json
from photochrom.jobs.cli.run import JobArgument, OutputArgument

if TYPE_CHECKING:
    from photochrom.cluster.submit import Errand, JobServer, State
    from photochrom.jobs.settings import Job

NOT_DONE, INTERRUPTED = 1, 130
PATIENCE_SECONDS = 60.0  # for an errand to arrive; it may wait for a machine much longer


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom submit job.toml --address http://head:8265 --follow")(
        submit
    )


def submit(
    job: JobArgument,
    output: OutputArgument = None,
    address: Annotated[
        str, typer.Option(help="The head's jobs server, as in http://head:8265.")
    ] = "",
    set_: Changes = None,
    wheel: Annotated[
        Path | None, typer.Option(help="Send this Photochrom, not the one that runs here.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Colorize only so many photos for now.")
    ] = None,
    shared_paths: Annotated[
        bool,
        typer.Option("--shared-paths", help="Paths are the same on all the cluster's machines."),
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show the job's log, and exit as the job does.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the job; the same submit goes on later.")
    ] = False,
    json: Json = False,
) -> None:
    """Send a job to a Ray cluster, where the same resumes; refused while it is there already.

    Exit codes, with --follow: those of run. Without: 0 sent, 1 not, 2 usage, settings, versions.
    """
    from photochrom.cluster.submit import JobServer, cargo
    from photochrom.colorize.errors import SettingsError
    from photochrom.jobs.errand import check_paths, errand_name, variables
    from photochrom.jobs.settings import load_job

    if not address:
        raise SettingsError("--address is missing: the head's jobs server, as in http://head:8265")
    settings = load_job(job, output, set_ or ())
    if stop:
        _stop(JobServer(address), errand_name(settings), json)
        return
    check_paths(settings, shared_paths)
    server = JobServer(address)
    with cargo(wheel) as load:
        submission = server.send(_errand(settings, sample), load)
    if names := [name for side in variables(settings).values() for name in side]:
        _note(f"{', '.join(names)} must be set on all of the cluster's machines")
    if follow:
        _follow(server, submission)
    _begin(server, submission, json)


def _errand(job: Job, sample: int | None) -> Errand:
    from photochrom.cluster.submit import Errand
    from photochrom.jobs.errand import JOB_NAME, errand_name, job_text, signed_for

    arguments = ["run", JOB_NAME, "--address", "auto"]
    if sample is not None:
        arguments += ["--sample", str(sample)]
    return Errand(errand_name(job), arguments, {JOB_NAME: job_text(signed_for(job))})


def _begin(server: JobServer, submission: str, json: bool) -> None:
    """Wait for the job's start, so that a cluster that cannot run it says so here and now."""
    state = server.begun(submission, PATIENCE_SECONDS)
    if json:
        show_json({"id": state.id, "status": state.status, "exit_code": state.exit_code})
    else:
        console.print(f"{submission} is {state.status.lower()} at {server.address}", soft_wrap=True)
    if state.failed:
        _note(state.message.strip())
    if state.over:
        raise typer.Exit(_code(state))


def _follow(server: JobServer, submission: str) -> None:
    """Show the log, and exit as the job does; an interrupt leaves it where it is."""
    _note(f"{submission} at {server.address}")
    try:
        state = server.follow(submission, lambda text: print(text, end="", flush=True))
    except KeyboardInterrupt:
        _note(f"{submission} goes on; submit --stop stops it")
        raise typer.Exit(INTERRUPTED) from None
    _note(f"{submission} {state.status.lower()}")
    if state.exit_code is None and state.failed:
        _note(state.message.strip())
    raise typer.Exit(_code(state))


def _stop(server: JobServer, name: str, json: bool) -> None:
    from photochrom.cluster.errors import SubmitError

    active = server.active(name)
    if active is None:
        raise SubmitError(f"{name} is neither pending nor running at {server.address}")
    state = server.stop(active.id)
    if json:
        show_json({"id": state.id, "status": state.status, "exit_code": state.exit_code})
    else:
        console.print(f"{state.id} is {state.status.lower()}", soft_wrap=True)


def _note(text: str) -> None:
    """Say something beside the results."""
    print(text, file=sys.stderr)


def _code(state: State) -> int:
    if state.stopped:
        return INTERRUPTED
    return NOT_DONE if state.exit_code is None and state.failed else state.exit_code or 0
