"""How far a network's chroma is from the truth, and how colourful it dares to be.

`python -m photochrom.colorize.training.validate --photos DIR --weights FILE` prints the table that
the model card quotes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.generator.colour import colourfulness, lab_to_rgb, rgb_to_lab
from photochrom.colorize.generator.pocket import STRIDE, PocketNetwork
from photochrom.colorize.generator.weights import fill, read_weights
from photochrom.colorize.training.data import Row, read_manifest, read_photos, stretch
from photochrom.colorize.training.degrade import luma

Paint = Callable[[Tensor], Tensor]  # grey (n, 1, s, s) in 0..255 -> ab (n, 2, s/2, s/2)


@dataclass(frozen=True)
class Figures:
    """Means over photographs; MAE over a and b in Lab units, against always predicting grey."""

    photos: int
    mae: float
    mae_grey: float
    colourfulness: float
    colourfulness_true: float

    @property
    def ratio(self) -> float:
        """Return how colourful the paintings are, as a share of the truth."""
        return self.colourfulness / self.colourfulness_true


@torch.inference_mode()
def measure(paint: Paint, photos: Sequence[Tensor], size: int, saturation: float = 1.0) -> Figures:
    """Return the figures over whole photographs stretched to squares."""
    gathered = []
    for start in range(0, len(photos), 16):
        rgb = torch.stack([stretch(photo, size) for photo in photos[start : start + 16]])
        lab = rgb_to_lab(rgb)
        small = paint(luma(rgb) * 255)
        ab = F.interpolate(small, (size, size), mode="bilinear").float() * saturation
        painted = lab_to_rgb(torch.cat([lab[:, :1], ab], 1)).clamp(0, 1)
        off, grey_off = (ab - lab[:, 1:]).abs(), lab[:, 1:].abs()
        means = [off.mean((1, 2, 3)), grey_off.mean((1, 2, 3))]
        gathered.append(torch.stack([*means, colourfulness(painted), colourfulness(rgb)], 1))
    averages: list[float] = torch.cat(gathered).mean(0).tolist()
    return Figures(len(photos), *(round(average, 3) for average in averages))


def held_out(folder: Path) -> dict[str, list[Tensor]]:
    """Return the validation photographs by what they test; no source of theirs is trained on."""
    rows = read_manifest(folder, "val")
    sets = {"books": {"openstax"}, "documerica": {"documerica"}, "agencies": {"commons", "gov"}}

    def read(groups: set[str]) -> list[Tensor]:
        chosen: list[tuple[Row, float]] = [(row, 1.0) for row in rows if row.group in groups]
        return read_photos(folder, chosen).images if chosen else []

    found = {name: read(groups) for name, groups in sets.items()}
    return {name: photos for name, photos in found.items() if photos}


def main() -> None:
    """Print one line of figures for each set and saturation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--saturations", type=float, nargs="+", default=[0.6, 0.8, 1.0, 1.2])
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if given.size % STRIDE:
        parser.error(f"--size must be a multiple of {STRIDE}")
    torch.set_num_threads(given.threads)
    network = PocketNetwork()
    fill(network, read_weights(given.weights), given.weights)
    network.eval()
    for name, photos in held_out(given.photos).items():
        for saturation in given.saturations:
            figures = measure(network, photos, given.size, saturation)
            facts = {**asdict(figures), "ratio": round(figures.ratio, 3)}
            print(json.dumps({"set": name, "saturation": saturation, **facts}))


if __name__ == "__main__":
    main()
