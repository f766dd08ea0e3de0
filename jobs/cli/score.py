"""score: how near painted photographs come to their real colours."""

from __future__ import annotations

import json as json_
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photochrom.jobs.cli.common import (
    SOME_FAILED,
    Changes,
    Json,
    console,
    endings,
    show,
    show_json,
)

if TYPE_CHECKING:
    from photochrom.colorize.scoring import Report
    from photochrom.colorize.scoring.scorer import Line
    from photochrom.jobs.scoring.score import Unscored
    from photochrom.jobs.settings import Job

_NAMED = 10  # photographs of each kind, before the rest are only counted
_NOWHERE = "memory://score"  # nothing is written but a sheet


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom score colour-photos/ --model pocket --sheet sheet.jpg")(
        score
    )


def score(
    photographs: Annotated[
        str,
        typer.Argument(
            metavar="PAINTED|MANIFEST",
            help="Painted pictures, in a folder or s3:// prefix; or, without TRUTH, a manifest, "
            "folder or prefix of colour photographs for --model to paint.",
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Argument(
            metavar="[TRUTH]", help="The colour originals of PAINTED, matched by their names."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The generator that paints MANIFEST; pocket if left out.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="Its weights, a file or an s3:// URI.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Refuse any other weights.")] = None,
    render_size: Annotated[
        str | None, typer.Option(help="Side of the square that the generator sees.")
    ] = None,
    saturation: Annotated[
        list[float] | None,
        typer.Option(help="Score with the painted chroma times this; may be given several times."),
    ] = None,
    side: Annotated[
        int, typer.Option(min=32, help="Shrink pictures to a longer side of so many pixels.")
    ] = 256,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write the best, median and worst photographs as a sheet (JPEG)."),
    ] = None,
    set_: Changes = None,
    json: Json = False,
) -> None:
    """Measure painted colour against the truth, beside the figures of predicting grey.

    TRUTH is read as the section storage.source says, PAINTED as storage.output. Exit codes: 0 all
    well, 2 usage or settings, 3 finished but some photographs could not be scored.
    """
    from photochrom.colorize.scoring import Encoder, Scorer, check_saturations
    from photochrom.jobs.cli.progress import Ticker
    from photochrom.jobs.scoring.score import draw_sheet, load_painted, prints_beside
    from photochrom.jobs.scoring.score import score as score_all

    asked = {"model": model, "weights": weights, "sha256": sha256, "render_size": render_size}
    job = _job(photographs, truth, {key: value for key, value in asked.items() if value}, set_)
    saturations, encoder = check_saturations(saturation or (1.0,)), Encoder()
    source = load_painted(job, side) if truth is None else prints_beside(job, side)
    scorer = Scorer(encoder, saturations, len(source))
    report, unscored = score_all(source, scorer, Ticker("scoring"))
    if sheet is not None:
        draw_sheet(source, report, sheet)
    facts = source.facts()
    if json:
        reasons = [asdict(one) for one in unscored]
        show_json({"side": side, **facts, **report.as_dict(), "unscored": reasons})
    else:
        _show(report, side, facts["painter"])
        _show_left_out(unscored, facts)
        if sheet is not None:
            console.print(f"sheet: {sheet}", soft_wrap=True)
    if any(one.failed for one in unscored):
        raise typer.Exit(SOME_FAILED)


def _job(
    photographs: str, truth: str | None, paint: Mapping[str, str], changes: list[str] | None
) -> Job:
    """Make a job of what was asked for: its sources are the truth, its output what is painted."""
    from photochrom.colorize.errors import SettingsError
    from photochrom.jobs.settings import load_job

    if truth is None:
        given = [f"paint.{name}={_plain(name, value)}" for name, value in paint.items()]
        return load_job(photographs, _NOWHERE, [*(changes or ()), *given])
    if paint:
        option = next(iter(paint)).replace("_", "-")
        raise SettingsError(
            f"--{option}: {photographs} is painted already; leave {truth} out to paint photographs"
        )
    return load_job(truth, photographs, changes or ())


def _plain(name: str, value: str) -> str:
    """Write an option as `--set` takes it; all but a size are text, also one of digits alone."""
    return value if name == "render_size" else json_.dumps(value)


def _show(report: Report, side: int, painter: Mapping[str, Any] | None) -> None:
    """Print the figures: how far from the truth, how colourful, and what they rest on."""
    painted = [(f"painted, chroma x {one.saturation:g}", one) for one in report.painted]
    lines = [("grey", report.grey), *painted]
    columns = ["", "MAE ab", "PSNR ab", "CIEDE2000", "KID", "of grey's", "Frechet", "luma error"]
    show("", columns, [_apart(name, line, report) for name, line in lines])
    true = report.truth
    rows = [_colours(name, line, report) for name, line in lines]
    rows.append(["truth", f"{true.colourfulness_hs:.2f}", "", f"{true.colourfulness_ddcolor:.2f}"])
    columns = ["", "colourfulness_hs", "of truth's", "colourfulness_ddcolor", "of truth's"]
    show("", [*columns, "low chroma"], [[*row, *[""] * (6 - len(row))] for row in rows])
    made = f", painted by {painter['model']} {painter['weights_sha256'][:16]}" if painter else ""
    console.print(
        f"means over {report.photographs} photographs, {side} pixels at their longer side{made}; "
        "PSNR in dB with peak 255; luma error in levels of 255, mean and largest",
        soft_wrap=True,
    )
    console.print(
        f"KID and Frechet distance of {report.encoded} images each from the truth, by features of "
        f"{report.encoder}, weights {report.encoder_sha256}",
        soft_wrap=True,
    )


def _apart(name: str, line: Line, report: Report) -> list[str]:
    found = line.figures
    return [
        name,
        f"{found.mae_ab:.2f}",
        f"{found.psnr_ab:.2f}",
        f"{found.ciede2000:.2f}",
        _number(line.distance.kid, 5),
        _number(report.kid_ratio(line), 3),
        _number(line.distance.frechet, 2),
        f"{found.luma_error_mean:.2f}, {found.luma_error_max:.0f}",
    ]


def _colours(name: str, line: Line, report: Report) -> list[str]:
    found = line.figures
    return [
        name,
        f"{found.colourfulness_hs:.2f}",
        _number(report.colourfulness_ratio(line, "hs"), 3),
        f"{found.colourfulness_ddcolor:.2f}",
        _number(report.colourfulness_ratio(line, "ddcolor"), 3),
        f"{found.low_chroma:.1%}",
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _show_left_out(unscored: list[Unscored], facts: Mapping[str, Any]) -> None:
    """Print what is not in the figures: counted by reason, and named."""
    reasons = Counter(one.reason for one in unscored)
    if reasons:
        show("", ["not scored", "photographs"], reasons.items())
        _name([f"{one.name}: {one.error or one.reason}" for one in unscored])
    for kind, names in facts["unmatched"].items():
        if names:
            console.print(f"{len(names)} of {kind} without a counterpart:")
            _name(names)
    if facts["left_out"]:
        text = endings(facts["left_out"])
        console.print(f"not photographs by their ending, and left out: {text}")


def _name(names: Sequence[str]) -> None:
    """Print the first few of a list, and how many more there are: `--json` has them all."""
    for name in names[:_NAMED]:
        console.print(f"  {name}", soft_wrap=True)
    if len(names) > _NAMED:
        console.print(f"  and {len(names) - _NAMED} more; --json names them all")
