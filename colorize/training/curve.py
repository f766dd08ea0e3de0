"""The curve of a training: a line of means at every checkpoint, as CSV."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

COLUMNS = (
    *("phase", "kind", "step", "steps", "seconds", "photographs"),
    *("pixels", "features", "chroma", "classes", "calm", "critic", "fooling"),
    *("mae", "mae_grey", "colourfulness", "content", "kernel_distance"),
)
Line = dict[str, str | float]


class Curve:
    """Gathers losses step by step, and figures as they are measured."""

    def __init__(self, lines: Sequence[Line] = ()) -> None:
        self.lines = list(lines)
        self._losses: dict[str, list[float]] = defaultdict(list)

    def add(self, losses: Mapping[str, float]) -> None:
        """Remember one step's losses."""
        for name, loss in losses.items():
            self._losses[name].append(loss)

    def means(self) -> dict[str, float]:
        """Return the mean of each loss since the last line."""
        return {name: float(np.mean(losses)) for name, losses in self._losses.items()}

    def close_line(self, place: Line, figures: Mapping[str, float]) -> None:
        """Make a line of where the training is, the losses since the last one, and figures."""
        told = {**self.means(), **figures}
        self.lines.append(place | {name: round(value, 5) for name, value in told.items()})
        self._losses.clear()

    def write(self, file: Path) -> None:
        """Write the whole curve."""
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(self.lines)
