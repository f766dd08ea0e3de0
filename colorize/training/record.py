"""What a training writes down, and how it is read back after a death."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from photochrom.colorize.errors import ModelError
from photochrom.colorize.training.curve import Curve
from photochrom.colorize.training.keep import Keep
from photochrom.colorize.training.team import Team

CHECKPOINTS, CURVE = "checkpoints", "curve.csv"
KEPT = 2  # checkpoints: the newest, and the one before it
PARTS = {"position", "update", "best", "curve", "generator", "critic", "average", "average_steps"}


class Record:
    """The leading worker's pen; every worker reads."""

    def __init__(self, keep: Keep, team: Team) -> None:
        self.keep = keep
        self.team = team

    def put(self, key: str, write: Callable[[Path], object]) -> None:
        """Keep what `write` writes to a file."""
        with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            file = Path(folder) / Path(key).name
            write(file)
            self.keep.put(key, file)

    def save(self, phase: int, step: int, state: dict[str, Any], curve: Curve) -> None:
        """Keep a checkpoint and the curve so far; only the last few checkpoints stay."""
        key = f"{CHECKPOINTS}/{phase:03d}-{step:08d}.pt"
        self.put(CURVE, curve.write)
        self.put(key, lambda file: torch.save(state | {"curve": curve.lines}, file))
        for older in [k for k in self.keep.keys(CHECKPOINTS) if k < key][: -(KEPT - 1)]:
            self.keep.drop(older)

    def newest(self) -> dict[str, Any] | None:
        """Return the newest checkpoint, the same on every worker; raises ModelError if damaged."""
        key = self.team.told(max(self.keep.keys(CHECKPOINTS), default=""))
        if not key:
            return None
        with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            file = Path(folder) / "checkpoint.pt"
            if not self.keep.get(key, file):
                raise ModelError(f"{key} is gone: is another training writing here?")
            return _read(file, key)


def _read(file: Path, key: str) -> dict[str, Any]:
    """Return a checkpoint's state; torch itself does not look at the zip's checksums."""
    try:
        with ZipFile(file) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise BadZipFile(f"{damaged} does not match its checksum")
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, BadZipFile, UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{key} is damaged ({reason}); remove it to go on from the one before"
        ) from error
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise ModelError(f"{key} is no checkpoint of a training; remove it to go on")
    return state
