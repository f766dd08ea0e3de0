"""The CSV of a training: one line at every checkpoint."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from photochrom.colorize.training.state import TrainingState
from photochrom.colorize.training.validate import Figures

LOSSES = ("chroma", "classes", "unrest")
COLUMNS = ("seconds", "step", "photos", *LOSSES, "mae", "mae_grey", "colourfulness_ratio")


class Curve:
    """Gathers each step's losses and writes their means since the line before."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._losses: list[tuple[float, ...]] = []

    def add(self, losses: tuple[float, ...]) -> None:
        """Remember one step's losses."""
        self._losses.append(losses)

    def write(self, state: TrainingState, batch: int, figures: Figures | None) -> None:
        """Append a line; validation figures only where some were taken."""
        means = np.mean(self._losses, 0).round(4).tolist()
        seen = (figures.mae, figures.mae_grey, round(figures.ratio, 3)) if figures else ("",) * 3
        line = (round(state.seconds), state.step, state.step * batch, *means, *seen)
        new = not self.file.exists()
        with self.file.open("a", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, line] if new else [line])
        self._losses.clear()
