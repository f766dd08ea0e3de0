"""Positive or negative, by what a scan shows and what its file says of it; or honestly unknown.

`score` weighs the picture within its borders. Most scans are positives: without any sign of film
only a picture that looks like a negative is doubted. A border at least as bright as the picture is
such a sign, though white paper looks much like clear film: both verdicts are bounded otherwise;
perforated, it is film. A file that says it was made from a print or a slide is a positive. One that
says it was made from a negative does not say whether the scan was turned over: a sign, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from photochrom.colorize.picture.luma import Rows
from photochrom.colorize.picture.toning.rebate import coarse, find_frame
from photochrom.colorize.picture.toning.score import tone_score

Kind = Literal["positive", "negative", "unknown"]

_SOURCE_TYPE = re.compile(rb"digitalsourcetype/(negativeFilm|positiveFilm|print)\b")


class _Bounds(NamedTuple):
    """Scores, 1 for a positive and 0 for a negative: between the two nothing is decided."""

    negative: float
    positive: float


_USUAL = _Bounds(0.05, 0.3)
_FILM = _Bounds(0.1, 0.6)
_PERFORATED = _Bounds(0.6, 0.98)


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
    score = tone_score(frame.picture)
    told = [f"file: {said}"] if said else []
    bounds = _FILM if said else _USUAL
    if frame.base is not None:
        bounds = _PERFORATED if frame.perforated else _FILM
        told.append(f"bright border {frame.told}")
    side = f"{score:.3f} for positive" if score >= 0.5 else f"{1 - score:.3f} for negative"
    return Verdict(_kind(score, bounds), "; ".join((*told, f"score {side}")))


def source_type(xmp: bytes | None) -> str:
    """Return what IPTC's digital source type says was digitised, "" if nothing or several."""
    found = set(_SOURCE_TYPE.findall(xmp or b""))
    return found.pop().decode() if len(found) == 1 else ""


def _kind(score: float, bounds: _Bounds) -> Kind:
    if score >= bounds.positive:
        return "positive"
    return "negative" if score <= bounds.negative else "unknown"
