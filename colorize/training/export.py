"""Write a trained network as half-precision safetensors that a generator loads.

`python -m photochrom.colorize.training.export --run DIR --out FILE --saturation 0.9` exports the
averaged network of a training's checkpoint, finished or not.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.weights import METADATA_KEY, digest
from photochrom.colorize.training.state import CHECKPOINT


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with its matrices in float16; vectors are few and stay float32."""
    out = {}
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            kind = torch.float16 if tensor.ndim > 1 else torch.float32
            out[name] = tensor.detach().to(kind).contiguous()
    broken = [name for name, tensor in out.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"the weights are not finite in half precision: {', '.join(broken)}")
    return out


def export(state: Mapping[str, Tensor], file: Path, *, family: str, saturation: float) -> None:
    """Write weights with what a generator must know of them: family and shipped saturation.

    The facts are one JSON text under one key, so that the file's bytes follow from its content.
    """
    facts = json.dumps({"family": family, "saturation": saturation}, sort_keys=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    save_file(half(state), partial, metadata={METADATA_KEY: facts})
    partial.chmod(0o644)  # safetensors writes files for their owner alone
    partial.replace(file)


def main() -> None:
    """Export a checkpoint and print its digest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the training's --out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--saturation", type=float, default=1.0)
    given = parser.parse_args()
    saved = torch.load(given.run / CHECKPOINT, map_location="cpu", weights_only=True)
    export(saved["average"], given.out, family="pocket", saturation=given.saturation)
    print(digest(given.out), given.out.stat().st_size)


if __name__ == "__main__":
    main()
