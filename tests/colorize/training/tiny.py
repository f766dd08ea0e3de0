"""Trainings of seconds: a handful of coloured pictures, a tiny recipe, a folder that keeps."""

from __future__ import annotations

import csv
import io
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from photochrom.colorize.training.held_out import HeldOut
from photochrom.colorize.training.loader import Loader
from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.record import Record
from photochrom.colorize.training.shelf import Shelf, develop
from photochrom.colorize.training.squares import stretch
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.trainable import Batch
from photochrom.colorize.training.trainer import Trainer

CPU = torch.device("cpu")
SIDE = 32


def jpeg(index: int) -> bytes:
    """Return a picture whose colour follows its grey: a blue top, a green middle, a brown foot."""
    random = np.random.default_rng(index)
    bands = np.array([[120, 160, 220], [70, 120, 50], [110, 80, 50]], np.float64)
    rows = np.sort(random.integers(20, 80, 2))
    picture = bands[np.searchsorted(rows, np.arange(96))][:, None, :].repeat(120, 1)
    picture += random.normal(0, 8, (96, 120, 1))
    stream = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def write_tar(file: Path, photographs: int) -> Path:
    """Write pictures into a tar shard."""
    with tarfile.open(file, "w") as tar:
        for index in range(photographs):
            content = jpeg(index)
            member = tarfile.TarInfo(f"{index:02d}.jpg")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def write_candidates(folder: Path, rows: Mapping[str, Mapping[str, str]]) -> Path:
    """Write a manifest of candidates as a folder of shards has it; return the folder."""
    usual = {"source": "made here", "licence": "CC0-1.0", "group": "street", "shard": "a.tar"}
    lines = [{"file": file, **usual, **row} for file, row in rows.items()]
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    return folder


def photo(index: int, side: int = 64) -> Tensor:
    """Return a picture as the shelf gives it."""
    return develop(jpeg(index), side)


def batch(count: int = 2, side: int = SIDE) -> Batch:
    """Return whole pictures as a batch, with their plain grey."""
    from photochrom.colorize.training.degrade import luma

    rgb = torch.stack([stretch(photo(index), side) for index in range(count)])
    return Batch(rgb, luma(rgb))


def recipe(**changes: Any) -> Recipe:
    """Return pocket's recipe at its smallest: a phase of each kind, two checks in the GAN."""
    usual: dict[str, Any] = {
        "family": "pocket",
        "side": 64,
        "average": 0.5,
        "content": {"chroma": 1.0, "classes": 0.1},
        "critic": {"kind": "features", "width": 8},
        "validation": {"size": SIDE, "photographs": 2, "minutes": 1e-9, "shown": 1},
        "generator_phases": [{**PHASE, "epochs": 1, "first_rate": 1e-4}],
        "critic_phases": [{**PHASE, "epochs": 0.5, "betas": (0.5, 0.99)}],
        "gan_phases": [{**GAN, "epochs": 1}],
    }
    return Recipe.model_validate(usual | changes)


PHASE: dict[str, Any] = {"size": SIDE, "batch": 2, "rate": 1e-3}
GAN: dict[str, Any] = {**PHASE, "schedule": "constant", "critic_threshold": 9.0, "check_steps": 2}


def networks(of: Recipe, photographs: int = 2) -> Networks:
    """Return the networks of a recipe."""
    return Networks(of, [photo(index) for index in range(photographs)], CPU)


class FolderKeep:
    """Keeps objects as files; `before` and `after` hear of each that is put."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    def put(self, key: str, file: Path) -> None:
        self.before(key)
        place = self.folder / key
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        self.after(key)

    def get(self, key: str, file: Path) -> bool:
        if not (self.folder / key).exists():
            return False
        shutil.copyfile(self.folder / key, file)
        return True

    def keys(self, folder: str) -> list[str]:
        found = (self.folder / folder).glob("*")
        return sorted(str(one.relative_to(self.folder)) for one in found)

    def drop(self, key: str) -> None:
        (self.folder / key).unlink(missing_ok=True)


def train(
    of: Recipe,
    keep: FolderKeep,
    *,
    photographs: int = 8,
    held_out: int = 2,
    report: Callable[[Mapping[str, Any]], None] = lambda _: None,
    team: Team | None = None,
    checkpoint_minutes: float = 1e-9,
) -> Trainer:
    """Go through a recipe to its end, from wherever the folder stands."""
    team = team or Team()
    with shelf(photographs) as photos:
        loader = Loader(photos, np.ones(photographs), of, team, CPU)
        shown = HeldOut([photo(100 + n) for n in range(held_out)], of.validation, CPU)
        record = Record(keep, team)
        trainer = Trainer(networks(of), loader, shown, record, report, checkpoint_minutes)
        trainer.run()
    return trainer


def shelf(photographs: int = 8) -> Shelf:
    """Return a shelf of pictures."""
    return Shelf(jpeg, photographs, side=64, room=1 << 20, threads=1)
