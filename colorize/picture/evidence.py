"""Positive or negative, by what a scan shows and what its file says of it; or honestly unknown.

`score` weighs the picture within its borders. A bright border counts where the score alone does not
decide, for it may be clear film or white paper; perforated, it is film. A file that says it was made
from a print or a slide is a positive. One that says it was made from a negative does not say whether
the scan was turned over: like a border, it only lowers what a negative needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from photochrom.colorize.picture.luma import Rows
from photochrom.colorize.picture.rebate import Frame, coarse, find_frame
from photochrom.colorize.picture.score import tone_score

Kind = Literal["positive", "negative", "unknown"]

_SOURCE_TYPE = re.compile(rb"digitalsourcetype/(negativeFilm|positiveFilm|print)\b")
_SURE = 0.95  # of a positive, and of a negative without any sign of film
_SURE_OF_FILM = 0.8  # of a negative, where something else speaks for film


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan is taken for, and why, in the words of its row."""

    kind: Kind
    evidence: str


def judge(luma: Rows, xmp: bytes | None = None) -> Verdict:
    """Weigh what the file says of its making, then the picture and its border."""
    said = source_type(xmp)
    if said in ("print", "positiveFilm"):
        return Verdict("positive", f"file: {said}")
    frame = find_frame(coarse(luma))
    positive = tone_score(frame.picture)
    film = frame.base is not None or said == "negativeFilm"
    told = [f"file: {said}"] if said else []
    if frame.base is not None:
        told.append(frame.told)
    side, sure = ("positive", positive) if positive >= 0.5 else ("negative", 1 - positive)
    told.append(f"score {sure:.3f} for {side}")
    return Verdict(_kind(positive, film, frame), "; ".join(told))


def source_type(xmp: bytes | None) -> str:
    """Return what IPTC's digital source type says was digitised, "" if nothing or several things."""
    found = set(_SOURCE_TYPE.findall(xmp or b""))
    return found.pop().decode() if len(found) == 1 else ""


def _kind(positive: float, film: bool, frame: Frame) -> Kind:
    if positive >= _SURE:
        return "positive"
    if 1 - positive >= (_SURE_OF_FILM if film else _SURE):
        return "negative"
    return "unknown"
