"""Made-up checkpoints that look like published ones: every real name and shape, yet small files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.colorize.generator.reference import blank

GRAIN = 1 << 16


def made_up(layout: str, seed: int = 0) -> dict[str, Tensor]:
    """Return tensors of a layout in half precision; all but counters lie in the same memory."""
    state = blank(layout).state_dict()
    most = max(tensor.numel() for tensor in state.values())
    dice = torch.Generator().manual_seed(seed)
    numbers = torch.randn(GRAIN, generator=dice).half().repeat(-(-most // GRAIN))
    return {
        name: numbers[: tensor.numel()].view(tensor.shape)
        if tensor.is_floating_point()
        else torch.tensor(1000)
        for name, tensor in state.items()
    }


def publish(layout: str, file: Path, *, zipped: bool = True, seed: int = 0) -> Path:
    """Write a made-up checkpoint as DeOldify's trainer did."""
    value = {"model": made_up(layout, seed), "opt": {"state": {}, "param_groups": []}}
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file
