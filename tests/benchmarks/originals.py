"""Reads colour photographs from a folder: pictures, or tar shards beside their `manifest.csv`."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".webp")


def originals(folder: Path, split: str = "val") -> Iterator[NDArray[np.uint8]]:
    """Yield photographs (h, w, 3) in order of their names; of shards those of one split."""
    manifest = folder / "manifest.csv"
    shards = sorted(folder.glob("*.tar"))
    if not (shards and manifest.is_file()):
        for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS):
            yield _rgb(path.read_bytes())
        return
    with manifest.open(newline="") as lines:
        wanted = {row["file"] for row in csv.DictReader(lines) if row["split"] == split}
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                if Path(member.name).name in wanted and (data := tar.extractfile(member)):
                    yield _rgb(data.read())


def _rgb(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
