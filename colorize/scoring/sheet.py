"""A sheet of a few scored photographs, each grey, as painted and as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from photochrom.colorize.picture.printing.sheet import INK, PAPER, save_sheet
from photochrom.colorize.scoring.figures import Truth
from photochrom.colorize.scoring.pictures import Pair, saturated
from photochrom.colorize.scoring.scorer import Report

EACH = 4

_SIDE, _GAP, _CAPTION, _ACROSS = 200, 8, 32, 2
_LETTERS = 96  # of a caption's line, so that it stays under its pictures


@dataclass(frozen=True, slots=True)
class Pick:
    """A photograph to show, and why."""

    name: str
    place: str


def picks(report: Report, each: int = EACH) -> list[Pick]:
    """Choose the best, the middle and the worst by CIEDE2000, none twice."""
    names = [name for name, _ in report.ranked]
    middle = max(0, (len(names) - each) // 2)
    places = {name: "worst" for name in names[-each:]}
    places |= {name: "median" for name in names[middle : middle + each]}
    places |= {name: "best" for name in names[:each]}
    return [Pick(name, places[name]) for name in names if name in places]


def write_sheet(pairs: Iterable[Pair], chosen: Sequence[Pick], report: Report, path: Path) -> None:
    """Write a JPEG of the chosen photographs, in the order in which they were chosen."""
    at, place = report.ranked_at, {one.name: one.place for one in chosen}
    order = {one.name: number for number, one in enumerate(chosen)}
    cells = {pair.name: _cell(pair, place[pair.name], at) for pair in pairs if pair.name in place}
    drawn = [cells[name] for name in sorted(cells, key=order.__getitem__)]
    rows = [drawn[first : first + _ACROSS] for first in range(0, len(drawn), _ACROSS)]
    heights = [max(cell.height for cell in row) + _GAP for row in rows]
    width = 3 * _SIDE + 4 * _GAP
    sheet = Image.new("RGB", (_ACROSS * width, sum(heights) + _CAPTION), PAPER)
    ImageDraw.Draw(sheet).text((_GAP, _GAP), _heading(report), fill=INK)
    top = _CAPTION
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (_GAP + column * width, top))
        top += height
    save_sheet(sheet, path)


def _heading(report: Report) -> str:
    scaled = "" if report.ranked_at == 1 else f", its chroma times {report.ranked_at:g}"
    return (
        f"Grey | painted by AI{scaled} | truth. {report.photographs} photographs by their mean "
        "CIEDE2000: the nearest to the truth, the middle and the furthest."
    )


def _cell(pair: Pair, place: str, saturation: float) -> Image.Image:
    """Return the three pictures of a photograph, with its name and figures under them."""
    truth, painted = Truth(pair.truth), saturated(pair.painted, saturation)
    pictures = [_fitted(rgb) for rgb in (truth.grey, painted, truth.rgb)]
    bottom = pictures[0].height
    cell = Image.new("RGB", (3 * _SIDE + 2 * _GAP, bottom + _CAPTION), PAPER)
    for column, picture in enumerate(pictures):
        cell.paste(picture, (column * (_SIDE + _GAP) + (_SIDE - picture.width) // 2, 0))
    found, grey = truth.figures(painted), truth.figures(truth.grey)
    text = (
        f"{place}: CIEDE2000 {found.ciede2000:.1f} (grey {grey.ciede2000:.1f}), "
        f"MAE ab {found.mae_ab:.1f} ({grey.mae_ab:.1f}), colourfulness {found.colourfulness_hs:.0f}"
        f" of {truth.figures(truth.rgb).colourfulness_hs:.0f}"
    )
    draw = ImageDraw.Draw(cell)
    for line, words in enumerate((pair.name[-_LETTERS:], text)):
        plain = words.encode("latin-1", "replace").decode("latin-1")
        draw.text((2, bottom + 2 + 14 * line), plain, fill=INK)
    return cell


def _fitted(rgb: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(rgb)
    scale = _SIDE / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)
