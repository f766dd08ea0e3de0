"""Write a trained network as the safetensors that a generator is loaded from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.weights import METADATA_KEY

if TYPE_CHECKING:
    from photochrom.colorize.training.networks import Networks


def export_network(networks: Networks, file: Path) -> None:
    """Write a training's averaged generator, with what a generator must know of it.

    Pocket's matrices are halved to float16; DeOldify's stay as they are, named as in its files. The
    facts are one JSON text under one key, so that the file's bytes follow from its content.
    """
    recipe, state = networks.recipe, networks.average.state
    facts: dict[str, str | float] = {"model": recipe.family}
    if recipe.family == "pocket":
        facts = {"family": "pocket", "saturation": recipe.saturation}
    tensors = half(state) if recipe.family == "pocket" else plain(state)
    told = json.dumps(facts, sort_keys=True)
    save_file(tensors, file, metadata={METADATA_KEY: told})
    file.chmod(0o644)  # safetensors writes files for their owner alone


def plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state in host memory; raises ModelError for weights that are no numbers."""
    out = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    broken = [name for name, tensor in out.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"the weights are not finite: {', '.join(broken[:5])}")
    return out


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with its matrices in float16; vectors are few and stay float32."""
    out = {}
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            out[name] = tensor.to(torch.float16 if tensor.ndim > 1 else torch.float32)
    return plain(out)
