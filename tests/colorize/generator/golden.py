"""What the original programme made of pictures, with weights from a seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from photochrom.colorize.generator.deoldify import denormalise

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "deoldify"
MORE = ROOT.parent / "shared" / "reference"  # all that was recorded; not part of the repository
GOLDEN: dict[str, Any] = json.loads((DATA / "golden.json").read_text())
WEIGHTS_SHA256: dict[str, str] = GOLDEN["weights_sha256"]
CLOSE = 1e-4  # of raw answers in [-3, 3], beyond what the stored float16 has lost


@dataclass(frozen=True)
class Case:
    """A picture, the model that painted it, and what came of it."""

    name: str
    model: str
    picture: Path
    side: int
    model_input_sha256: str
    raw_file: Path
    raw_colour_file: Path
    raw_colour_sha256: str

    @property
    def image(self) -> Image.Image:
        with Image.open(self.picture) as image:
            image.load()
            return image

    @property
    def raw(self) -> Tensor:
        """The network's answer (1, 3, s, s), float16."""
        with np.load(self.raw_file) as file:
            return torch.from_numpy(file["raw"])[None]

    @property
    def raw_colour(self) -> NDArray[np.uint8]:
        """The answer as the original stretched it to the picture (h, w, 3)."""
        with Image.open(self.raw_colour_file) as square:
            picture = np.array(square.resize(self.image.size, Image.Resampling.BILINEAR))
        assert hashlib.sha256(picture.tobytes()).hexdigest() == self.raw_colour_sha256
        return picture


def stored_cases() -> list[Case]:
    """Return the cases in this repository."""
    return [
        Case(
            name=f"{case['model']} {Path(case['picture']).stem}",
            model=case["model"],
            picture=DATA / case["picture"],
            side=case["side"],
            model_input_sha256=case["model_input_sha256"],
            raw_file=DATA / case["raw"],
            raw_colour_file=DATA / case["raw_colour_square"],
            raw_colour_sha256=case["raw_colour_sha256"],
        )
        for case in GOLDEN["cases"]
    ]


def more_cases() -> list[Case]:
    """Return all that were recorded, where they are at hand."""
    listing = MORE / "golden.json"
    if not listing.is_file():
        return []
    return [
        Case(
            name=case["id"],
            model=case["arch"],
            picture=MORE / case["input"],
            side=case["model_size"],
            model_input_sha256=case["model_input_f32_sha256"],
            raw_file=MORE / case["raw"],
            raw_colour_file=MORE / case["raw_color"],
            raw_colour_sha256=case["raw_color_pixels_sha256"],
        )
        for case in json.loads(listing.read_text())["cases"]
    ]


def excess(raw: Tensor, stored: Tensor) -> float:
    """Return by how much an answer differs from a stored one, beyond rounding to float16."""
    step = torch.from_numpy(np.spacing(stored.abs().numpy())).float()
    return float(((raw - stored.float()).abs() - step / 2).max())


def likeness(raw: Tensor, stored: Tensor) -> float:
    """Return the peak signal-to-noise ratio of two answers as pictures, in decibels."""
    error = (denormalise(raw.float()) - denormalise(stored.float())).double()
    return float(-10 * torch.log10(error.square().mean()))
