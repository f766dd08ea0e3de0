"""Write a trained network as the safetensors that a generator is loaded from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.weights import write_weights

if TYPE_CHECKING:
    from photochrom.colorize.training.networks import Networks


def export_network(networks: Networks, file: Path) -> None:
    """Write a training's averaged generator, with what a generator must know of it."""
    recipe, state = networks.recipe, networks.average.state
    if recipe.family == "pocket":
        export_pocket(state, file, saturation=recipe.saturation)
    else:
        write_weights(plain(state), {"model": recipe.family}, file)


def export_pocket(state: Mapping[str, Tensor], file: Path, *, saturation: float) -> None:
    """Write pocket's weights, its matrices halved to float16; chroma is scaled by `saturation`."""
    write_weights(half(state), {"family": "pocket", "saturation": saturation}, file)


def plain(state: Mapping[str, Tensor], where: str = "") -> dict[str, Tensor]:
    """Return the state in host memory; raises ModelError for weights that are no numbers."""
    out = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    broken = [name for name, tensor in out.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"the weights are not finite{where}: {', '.join(broken[:5])}")
    return out


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with its matrices in float16; vectors are few and stay float32."""
    out = {}
    for name, tensor in plain(state).items():
        if not name.endswith("num_batches_tracked"):
            out[name] = tensor.to(torch.float16 if tensor.ndim > 1 else torch.float32)
    return plain(out, " in half precision")
