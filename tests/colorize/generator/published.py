"""Made-up checkpoints that look like published ones: few real shapes, every name, small."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from photochrom.colorize.generator.conversion import NAMES
from photochrom.colorize.generator.known import LAYOUTS


def made_up(layout: str, seed: int = 0) -> dict[str, Tensor]:
    """Return tensors that are taken for a layout's; for a critic its signs alone."""
    generator = torch.Generator().manual_seed(seed)
    signs = LAYOUTS[layout].items()
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in signs}
    for number in range(len(tensors), NAMES.get(layout, 0)):
        tensors[f"filler.{number}"] = torch.randn(3, generator=generator)
    return tensors


def publish(layout: str, file: Path, *, zipped: bool = True, seed: int = 0) -> Path:
    """Write a made-up checkpoint as DeOldify's trainer did."""
    value = {"model": made_up(layout, seed), "opt": {"state": {}, "param_groups": []}}
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file
