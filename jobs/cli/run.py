"""plan, run, retry: the main job."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from photochrom.jobs.cli.common import (
    SOME_FAILED,
    Changes,
    Json,
    Out,
    console,
    duration,
    endings,
    open_place,
    show,
    show_json,
    shown,
    size,
)
from photochrom.jobs.cli.metering import MetricsPort, metered

if TYPE_CHECKING:
    from photochrom.jobs.driving.driver import Driver
    from photochrom.jobs.planning.order import Order
    from photochrom.jobs.summary import Summary

JobArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="A job file (.toml); or what to colorize: a manifest (.parquet, .csv, .jsonl), a "
        "folder or an s3:// prefix.",
    ),
]
OutputArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="OUTPUT", help="Where to write: a folder or an s3:// prefix. A job file names it."
    ),
]
Address = Annotated[
    str, typer.Option(help="`local` for a Ray of this machine, `auto` or HOST:PORT for a cluster.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, however large the output.")]


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom plan job.toml --set paint.render_size=384")(plan)
    app.command(epilog="Example: photochrom run s3://scans/negatives/ s3://colour/negatives")(run)
    app.command(epilog="Example: photochrom retry s3://colour/negatives --reason corrupt")(retry)


def plan(
    job: JobArgument,
    output: OutputArgument = None,
    set_: Changes = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Colorize a few photos here first, to know the pace."),
    ] = False,
    json: Json = False,
) -> None:
    """Show what a run would do: counts, bytes, skips, time, price. Writes nothing.

    The price is that of nodes, if `run.price_per_hour` says what one is.
    """
    from photochrom.jobs.planning.estimate import estimate
    from photochrom.jobs.planning.order import Order
    from photochrom.jobs.settings import load_job

    order = Order.of(load_job(job, output, set_ or ()))
    forecast = estimate(order, _pace(order) if calibrate else None)
    if json:
        show_json(forecast.as_dict())
        return
    rows: list[tuple[str, object]] = [
        ("photographs in the manifest", forecast.rows),
        ("planned before", forecast.known),
        ("to colorize now", forecast.work),
        *((f"to skip: {reason}", count) for reason, count in forecast.skips.items()),
        *((f"left out, by ending: {end}", count) for end, count in forecast.left_out.items()),
        ("bytes in", size(forecast.bytes_in)),
        ("bytes out, about", size(forecast.bytes_out)),
        ("shards, about", forecast.shards),
        ("time on one replica, about", duration(forecast.seconds)),
    ]
    if forecast.price is not None:
        rows.append(("price of nodes, about", f"{forecast.price:.2f}"))
    show("", ["what a run would do", ""], rows)
    if forecast.pace is None:
        console.print("the time is a guess, good to a factor of ten: --calibrate measures a pace")
    elif calibrate:
        console.print(f"measured here; for the run to know it: --set run.pace={forecast.pace:.3g}")


def _pace(order: Order) -> float:
    from photochrom.jobs.driving.calibrate import calibrate

    return calibrate(order)


def run(
    job: JobArgument,
    output: OutputArgument = None,
    set_: Changes = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Colorize only so many photos for now.")
    ] = None,
    address: Address = "local",
    yes: Yes = False,
    rows_may_fail: Annotated[
        bool, typer.Option("--rows-may-fail", help="Exit with 0 where it would be 3.")
    ] = False,
    metrics_port: MetricsPort = None,
    json: Json = False,
) -> None:
    """Colorize an archive on Ray; the same command resumes, and does what is new in the manifest.

    Exit codes: 0 all well, 1 not done, 2 usage or settings, 3 finished but some rows failed,
    130 interrupted and resumable.
    """
    from photochrom.jobs.planning.order import Order
    from photochrom.jobs.settings import load_job

    settings = load_job(job, output, set_ or ())
    order = Order.of(settings)
    _confirm(order, yes, sample)
    with _driver(order, address, metrics_port) as driver:
        summary = driver.run(sample)
    _conclude(order, summary, json)
    if summary.failed and not rows_may_fail:
        raise typer.Exit(SOME_FAILED)


def retry(
    out: Out,
    reason: Annotated[list[str] | None, typer.Option(help="Only rows that failed so.")] = None,
    tone: Annotated[
        str, typer.Option(help="positive or negative: do rows of unknown tone, as this.")
    ] = "",
    where: Annotated[str, typer.Option(help="Which: an SQL condition on `current`.")] = "TRUE",
    set_: Changes = None,
    address: Address = "local",
    metrics_port: MetricsPort = None,
    json: Json = False,
) -> None:
    """Do rows again that failed, or whose tone was unknown; what succeeds replaces them."""
    from photochrom.jobs.planning.order import Order
    from photochrom.jobs.planning.retry import Again

    again = Again(tuple(reason or ()), tone, where)
    place = open_place(out, set_)
    order = Order.of(place.pinned.job)
    with _driver(order, address, metrics_port) as driver:
        summary = driver.retry(again)
    _conclude(order, summary, json)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _driver(order: Order, address: str, metrics_port: int | None) -> Iterator[Driver]:
    """Make a driver with its pool and its meters."""
    from photochrom.jobs.cli.progress import Ticker
    from photochrom.jobs.driving.driver import Driver
    from photochrom.jobs.driving.launch import ray_pool

    ticker = Ticker()
    with metered(address, metrics_port, ticker.note) as meters:
        yield Driver(order, ray_pool(address), ticker, meters)


def _confirm(order: Order, yes: bool, sample: int | None) -> None:
    """Ask on a terminal before a run whose output would pass the job's stated size."""
    from photochrom.jobs.planning.estimate import estimate

    if yes or sample is not None or not sys.stdin.isatty():
        return
    forecast = estimate(order)
    if forecast.bytes_out > order.job.limits.confirm_bytes:
        typer.confirm(
            f"This will write about {size(forecast.bytes_out)}. Go on (--yes does not ask)?",
            abort=True,
        )


def _conclude(order: Order, summary: Summary, json: bool) -> None:
    """Print the summary, whose rows add up to the manifest's count."""
    from photochrom.jobs.reasons import Outcome, Reason

    left_out = dict(order.left_out)
    if json:
        counts = [
            {"outcome": outcome, "reason": reason, "rows": count}
            for (outcome, reason), count in summary.counts.items()
        ]
        total, done = summary.total, summary.done_now
        show_json({"total": total, "done_now": done, "counts": counts, "left_out": left_out})
    else:
        rows: list[tuple[object, ...]] = [(*key, n) for key, n in summary.counts.items()]
        rows.append(("all", "", summary.total))
        show("", ["outcome", "reason", "photographs"], rows)
        console.print(f"{summary.done_now} done now; everything is under {shown(order.job.output)}")
        if left_out:
            console.print(f"not photographs by their ending, and left out: {endings(left_out)}")
        if unknown := summary.counts.get((Outcome.SKIPPED, Reason.TONE_UNKNOWN)):
            console.print(
                f"{unknown} may be positives or negatives: say which by the manifest's `tone` and "
                f"run again, or photochrom retry {shown(order.job.output)} --tone negative"
            )
