"""Scorer: pairs of painted pictures and truths in, one report out; no picture is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.scoring.distance import Distance, distance
from photochrom.colorize.scoring.figures import PSNR_PEAK, Figures, Truth, mean_of, rounded
from photochrom.colorize.scoring.lite import Encoder
from photochrom.colorize.scoring.pictures import Pair, saturated

ENCODED = 5000
"""Photographs whose features are taken, at most: KID compares each with every other."""

_STRONGEST = 10.0
_TRUTH, _GREY = "truth", "grey"


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one set: `grey` or painted, its chroma scaled by `saturation`."""

    saturation: float
    figures: Figures
    distance: Distance


@dataclass(frozen=True, slots=True)
class Report:
    """Means over photographs: of the truth, of predicting grey, and of each saturation.

    `ranked` are the names, the nearest to the truth first, by CIEDE2000 at `ranked_at`.
    """

    photographs: int
    encoded: int
    encoder: str
    encoder_sha256: str
    truth: Figures
    grey: Line
    painted: tuple[Line, ...]
    ranked: tuple[tuple[str, float], ...]
    ranked_at: float

    def kid_ratio(self, line: Line) -> float | None:
        """Return a line's KID as a share of grey's; None where it says nothing."""
        ours, grey = line.distance.kid, self.grey.distance.kid
        return None if ours is None or grey is None or grey <= 0 else ours / grey

    def colourfulness_ratio(self, line: Line, name: str) -> float | None:
        """Return how colourful a line is as a share of the truth: `hs` or `ddcolor`."""
        true = getattr(self.truth, f"colourfulness_{name}")
        return getattr(line.figures, f"colourfulness_{name}") / true if true else None

    def as_dict(self) -> dict[str, Any]:
        """Return everything by name."""
        own = rounded(self.truth)
        names = ("colourfulness_hs", "colourfulness_ddcolor")
        return {
            "photographs": self.photographs,
            "psnr_peak": PSNR_PEAK,
            "encoder": {
                "name": self.encoder,
                "weights_sha256": self.encoder_sha256,
                "images": self.encoded,
            },
            "truth": {name: own[name] for name in names},
            "grey": self._line(self.grey),
            "painted": [{"saturation": one.saturation} | self._line(one) for one in self.painted],
            "worst": [{"name": n, "ciede2000": round(d, 4)} for n, d in self.ranked[::-1][:10]],
        }

    def _line(self, line: Line) -> dict[str, Any]:
        return {
            **rounded(line.figures),
            "colourfulness_hs_ratio": _short(self.colourfulness_ratio(line, "hs")),
            "colourfulness_ddcolor_ratio": _short(self.colourfulness_ratio(line, "ddcolor")),
            **{name: _short(value, 6) for name, value in asdict(line.distance).items()},
            "kid_ratio": _short(self.kid_ratio(line)),
        }


class Scorer:
    """Takes pairs one by one; keeps their figures, and the features of `ENCODED` at most.

    `expected` is about how many will come: of more than that, those to encode are chosen by the
    digest of their names.
    """

    def __init__(
        self, encoder: Encoder, saturations: Sequence[float] = (1.0,), expected: int = 0
    ) -> None:
        self._encoder, self._saturations = encoder, saturations
        self._share = min(1.0, ENCODED / max(expected, 1))
        self._names: list[str] = []
        self._truth: list[Figures] = []
        self._figures: dict[float | str, list[Figures]] = {}
        self._features: dict[float | str, list[Tensor]] = {}

    def add(self, pair: Pair) -> None:
        """Measure a pair."""
        truth = Truth(pair.truth)
        shown: dict[float | str, Any] = {_GREY: truth.grey}
        shown |= {factor: saturated(pair.painted, factor) for factor in self._saturations}
        for key, picture in shown.items():
            self._figures.setdefault(key, []).append(truth.figures(picture))
        self._truth.append(truth.figures(truth.rgb))
        self._names.append(pair.name)
        if _place(pair.name) < self._share:
            features = self._encoder.features([truth.rgb, *shown.values()])
            for key, found in zip((_TRUTH, *shown), features, strict=True):
                self._features.setdefault(key, []).append(found)

    def report(self) -> Report:
        """Add everything up; raises SettingsError if nothing came."""
        if not self._names:
            raise SettingsError("no photograph could be scored")
        at = 1.0 if 1.0 in self._saturations else self._saturations[0]
        by = zip(self._names, (one.ciede2000 for one in self._figures[at]), strict=True)
        return Report(
            photographs=len(self._names),
            encoded=len(self._features.get(_TRUTH, ())),
            encoder=self._encoder.name,
            encoder_sha256=self._encoder.weights_sha256,
            truth=mean_of(self._truth),
            grey=self._line(_GREY, 0.0),
            painted=tuple(self._line(factor, factor) for factor in self._saturations),
            ranked=tuple(sorted(by, key=lambda each: (each[1], each[0]))),
            ranked_at=at,
        )

    def _line(self, key: float | str, saturation: float) -> Line:
        if not self._features:
            return Line(saturation, mean_of(self._figures[key]), Distance())
        apart = distance(*(torch.stack(self._features[one]) for one in (_TRUTH, key)))
        return Line(saturation, mean_of(self._figures[key]), apart)


def check_saturations(saturations: Sequence[float]) -> tuple[float, ...]:
    """Return the factors, each once; raises SettingsError for one that is none."""
    for factor in saturations:
        if not 0 <= factor <= _STRONGEST:
            raise SettingsError(f"--saturation {factor}: must be between 0 and {_STRONGEST:.0f}")
    return tuple(dict.fromkeys(saturations)) or (1.0,)


def _place(name: str) -> float:
    """Return a place in 0..1 that follows from a name alone."""
    return int(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16) / 16**12


def _short(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
