"""Training photographs: tar shards of JPEGs and the manifest that names and weighs them."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.errors import SettingsError


@dataclass(frozen=True)
class Row:
    """One photograph of the manifest."""

    file: str
    split: str
    source: str
    licence: str
    group: str
    weight: float
    shard: str


@dataclass(frozen=True)
class Selection:
    """Which rows are trained on, and how much each group and source counts."""

    refused_files: frozenset[str] = frozenset()
    refused_groups: frozenset[str] = frozenset({"debian", "stamp", "wallpaper"})
    refused_licences: str = r"BY-SA|GPL|SA-BY"  # share-alike and copyleft stay out of the weights
    at_most: tuple[tuple[str, int], ...] = (("portrait", 150),)
    group_factor: tuple[tuple[str, float], ...] = (("fsac", 1.2),)
    source_factor: tuple[tuple[str, float], ...] = (
        # books with many maps, paintings, micrographs or space pictures among their photographs
        *(("astronomy", 0.3), ("microbiology", 0.3), ("contemporary-mathematics", 0.4)),
        *(("world-history", 0.4), ("life-liberty", 0.4), ("us-history", 0.4)),
        *(("philosophy", 0.5), ("statistics", 0.5)),
    )

    def choose(self, rows: list[Row]) -> list[tuple[Row, float]]:
        """Return the rows to train on with their sampling weights, in manifest order."""
        room = defaultdict(lambda: len(rows), self.at_most)
        chosen = []
        for row in rows:
            if row.file in self.refused_files or row.group in self.refused_groups:
                continue
            if re.search(self.refused_licences, row.licence):
                continue
            room[row.group] -= 1
            if room[row.group] >= 0:
                chosen.append((row, self._weight(row)))
        return chosen

    def _weight(self, row: Row) -> float:
        weight = row.weight * dict(self.group_factor).get(row.group, 1.0)
        for name, factor in self.source_factor:
            if name in row.source:
                return weight * factor
        return weight


@dataclass(frozen=True)
class Crop:
    """How a training square is cut from a photograph; whole photos are stretched, as in use."""

    whole: float = 0.45
    whole_side: tuple[float, float] = (0.8, 1.0)
    part_side: tuple[float, float] = (0.55, 1.0)
    ratio: float = 0.2  # spread of the log of the aspect ratio
    flip: float = 0.5


@dataclass
class Photos:
    """Decoded photographs (h, w, 3) uint8 with their rows and sampling weights."""

    rows: list[Row]
    weights: NDArray[np.float64]
    images: list[Tensor] = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)


def read_manifest(folder: Path, split: str) -> list[Row]:
    """Return the manifest's rows of one split."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise SettingsError(f"{folder} holds no manifest.csv: name the folder of the tar shards")
    names = Row.__dataclass_fields__
    with manifest.open(newline="") as lines:
        found = [{name: line[name] for name in names} for line in csv.DictReader(lines)]
    return [
        Row(**{**line, "weight": float(line["weight"])})  # type: ignore[arg-type]
        for line in found
        if line["split"] == split
    ]


def read_refused(judged: Path) -> frozenset[str]:
    """Return the files that a table of `file, verdict, reason` drops.

    `judged.csv` beside this module is such a table: photographs judged by eye, for what is no
    photograph of coloured things (maps, paintings, micrographs, tinted film).
    """
    try:
        with judged.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
            return frozenset(row["file"] for row in rows if row["verdict"] == "drop")
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise SettingsError(f"{judged} is no table of file, verdict, reason: {error}") from error


def read_photos(folder: Path, chosen: list[tuple[Row, float]]) -> Photos:
    """Decode the chosen photographs from their shards; a missing one is an error."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for row, _ in chosen:
        wanted[row.shard].add(row.file)
    images: dict[str, Tensor] = {}
    for shard, files in sorted(wanted.items()):
        with tarfile.open(folder / shard) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.name in files else None
                if stream is not None:
                    image = Image.open(io.BytesIO(stream.read())).convert("RGB")
                    images[member.name] = torch.from_numpy(np.array(image))
    missing = [row.file for row, _ in chosen if row.file not in images]
    if missing or not chosen:
        raise SettingsError(f"{len(missing)} of {len(chosen)} photographs are not in the shards")
    weights = np.array([weight for _, weight in chosen], np.float64)
    rows = [row for row, _ in chosen]
    return Photos(rows, weights / weights.sum(), [images[row.file] for row in rows])


def stretch(photo: Tensor, size: int) -> Tensor:
    """Return a photo (h, w, 3) uint8 stretched to a square (3, size, size) in 0..1."""
    planes = photo.permute(2, 0, 1)[None].float()
    square = F.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return (square[0] / 255).clamp(0, 1)


def cut(photo: Tensor, crop: Crop, size: int, random: np.random.Generator) -> Tensor:
    """Return a random square (3, size, size) of a photo (h, w, 3)."""
    height, width = photo.shape[:2]
    if random.random() < crop.whole:
        high = round(height * random.uniform(*crop.whole_side))
        wide = round(width * random.uniform(*crop.whole_side))
    else:
        side = min(height, width) * random.uniform(*crop.part_side)
        ratio = np.exp(random.normal() * crop.ratio / 2)
        high, wide = min(height, round(side / ratio)), min(width, round(side * ratio))
    top = random.integers(height - high + 1)
    left = random.integers(width - wide + 1)
    square = stretch(photo[top : top + high, left : left + wide], size)
    return square.flip(2) if random.random() < crop.flip else square


def batch(photos: Photos, crop: Crop, count: int, size: int, random: np.random.Generator) -> Tensor:
    """Return a random batch (count, 3, size, size) in 0..1, drawn by weight."""
    drawn = random.choice(len(photos), count, p=photos.weights)
    return torch.stack([cut(photos.images[i], crop, size, random) for i in drawn])
