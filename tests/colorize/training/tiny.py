"""A handful of coloured pictures in a tar shard with its manifest, for trainings of seconds."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = ("file", "split", "source", "licence", "group", "weight", "shard")
LICENCE = "CC0-1.0"


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


def shelf(folder: Path, train: int = 6, validation: int = 2) -> Path:
    """Write a shard of each split and the manifest; return the folder."""
    lines = []
    for split, count, group in (("train", train, "street"), ("val", validation, "openstax")):
        shard = f"{split}-000.tar"
        with tarfile.open(folder / shard, "w") as tar:
            for index in range(count):
                content = jpeg(index + 100 * (split == "val"))
                member = tarfile.TarInfo(f"{split}{index}.jpg")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
                lines.append((member.name, split, "made here", LICENCE, group, "1.0", shard))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *lines])
    return folder
