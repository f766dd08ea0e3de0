"""Real colour photographs, as scikit-image ships them, and a small album of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]
NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def photograph(name: str, side: int = 200) -> Rgb:
    """Return a colour photograph, (h, w, 3)."""
    image = Image.fromarray(getattr(skimage.data, name)())
    image.thumbnail((side, side))
    return np.asarray(image)


def album(folder: Path, *, mode: str = "RGB", ending: str = "png", side: int = 200) -> Path:
    """Write the photographs into a folder, in colour or as mode says."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        Image.fromarray(photograph(name, side)).convert(mode).save(folder / f"{name}.{ending}")
    return folder
