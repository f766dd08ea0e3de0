"""How a generator does on photographs that it never learns from: figures, and sheets to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from photochrom.colorize.generator.colour import colourfulness, rgb_to_lab
from photochrom.colorize.generator.deoldify import REACH, denormalise
from photochrom.colorize.picture.printing.sheet import save_sheet
from photochrom.colorize.training.degrade import luma
from photochrom.colorize.training.recipe import Validation
from photochrom.colorize.training.squares import stretch
from photochrom.colorize.training.trainable import Batch, Trainable

if TYPE_CHECKING:
    from photochrom.colorize.training.networks import Networks

BATCH = 8


class HeldOut:
    """Whole held-out photographs as squares; the grey is their plain luma, not aged."""

    def __init__(
        self, photos: Sequence[Tensor], validation: Validation, device: torch.device
    ) -> None:
        """Keep photographs (h, w, 3) uint8 as squares of the recipe's size."""
        squares = [stretch(photo, validation.size) for photo in photos]
        self.rgb = torch.stack(squares) if squares else torch.empty(0, 3, 1, 1)  # (n, 3, s, s)
        self.validation = validation
        self.device = device

    def __len__(self) -> int:
        return len(self.rgb)

    @torch.no_grad()
    def measure(self, generator: Trainable, networks: Networks) -> dict[str, float]:
        """Return means over the photographs; less is better but for colourfulness.

        `mae` is over CIELAB a and b, `mae_grey` that of always predicting grey, `colourfulness` a
        share of the truth's, `content` the recipe's own loss; where that has an encoder,
        `kernel_distance` is KID on its deepest features, so not one to boast of.
        """
        rows, contents, looks = [], [], []
        for rgb in torch.split(self.rgb, BATCH):
            batch = self._batch(rgb)
            with networks.arithmetic():
                answer = generator(batch.grey, batch.rgb)
                terms = networks.content(answer, batch)
            contents.append(torch.stack(list(terms.values())).sum().expand(len(rgb)))
            if networks.content.encoder is not None:
                pair = (batch.picture, answer.picture.clamp(-REACH, REACH))
                looks.append([_pooled(networks.content.encoder.look(picture)) for picture in pair])
            painted = denormalise(answer.picture.float())
            true, seen = rgb_to_lab(batch.rgb)[:, 1:], rgb_to_lab(painted)[:, 1:]
            means = [(seen - true).abs().mean((1, 2, 3)), true.abs().mean((1, 2, 3))]
            rows.append(torch.stack([*means, colourfulness(painted), colourfulness(batch.rgb)], 1))
        mae, mae_grey, colours, colours_true = torch.cat(rows).mean(0).tolist()
        return _distances(looks) | {
            "mae": mae,
            "mae_grey": mae_grey,
            "colourfulness": colours / max(colours_true, 1e-6),
            "content": torch.cat(contents).mean().item(),
        }

    @torch.no_grad()
    def sheet(self, generator: Trainable, file: Path) -> None:
        """Write a JPEG of the first photographs: grey, painted, true, one below the other."""
        batch = self._batch(self.rgb[: self.validation.shown])
        painted = denormalise(generator(batch.grey, batch.rgb).picture.float())
        rows = [batch.grey.expand(-1, 3, -1, -1), painted, batch.rgb]
        sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)  # (3, 3 s, n s)
        samples = (sheet.permute(1, 2, 0).cpu() * 255).round().byte().numpy()
        save_sheet(Image.fromarray(samples), file)

    def _batch(self, rgb: Tensor) -> Batch:
        rgb = rgb.to(self.device)
        return Batch(rgb, luma(rgb))


def _pooled(features: list[Tensor]) -> Tensor:
    """Return the deepest features' means (n, c)."""
    return features[-1].float().mean((2, 3)).cpu()


def _distances(looks: list[list[Tensor]]) -> dict[str, float]:
    """Return the kernel distance of what was painted from what is true, if both were looked at."""
    if not looks:
        return {}
    from photochrom.colorize.scoring.distance import distance

    true, seen = (torch.cat(side) for side in zip(*looks, strict=True))
    found = distance(true, seen).kid
    return {} if found is None else {"kernel_distance": found}
