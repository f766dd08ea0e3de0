"""Weights files: their digests, and filling a network from one without forgiving a single name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photochrom.colorize.errors import ModelError, WrongWeights

if TYPE_CHECKING:  # digests are asked for where torch must not be imported
    from torch import Tensor, nn

METADATA_KEY = "photochrom"
SHOWN = 5  # names listed in an error


@dataclass(frozen=True)
class Weights:
    """Tensors by name, with what the file says of itself."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def digest(file: Path) -> str:
    """Return the sha256 of a weights file, in hex."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the weights {file}: {error.strerror}") from error


def check_digest(name: str, found: str, wanted: str | None) -> None:
    """Raise WrongWeights, naming both, unless the digest found is the one wanted."""
    if wanted is not None and found != wanted.lower():
        raise WrongWeights(f"{name}: these weights are sha256 {found}, not {wanted.lower()}")


def read_weights(file: Path) -> Weights:
    """Return a safetensors file's tensors and the facts written with them."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            names = opened.keys()
            tensors = {name: opened.get_tensor(name) for name in names}
            facts = json.loads((opened.metadata() or {}).get(METADATA_KEY, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{file} is not a safetensors file of weights: {error}") from error
    return Weights(tensors, facts)


def fill(network: nn.Module, weights: Weights, file: Path) -> None:
    """Put the weights into the network in float32; names and shapes must all match."""
    ours = network.state_dict()
    counters = {name for name in ours if name.endswith("num_batches_tracked")}
    missing = ours.keys() - weights.tensors.keys() - counters
    extra = weights.tensors.keys() - ours.keys()
    if missing or extra:
        raise WrongWeights(f"{file} fits another network: {_told(missing, extra)}")
    for name, tensor in weights.tensors.items():
        if tensor.shape != ours[name].shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(ours[name].shape)}"
            raise WrongWeights(f"{file} fits another network: {name} is {shapes}")
    network.load_state_dict({k: v.float() for k, v in weights.tensors.items()}, strict=False)


def _told(missing: Collection[str], extra: Collection[str]) -> str:
    """Return what is missing and extra, a few names of each."""
    told = []
    for word, names in (("missing", missing), ("extra", extra)):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            told.append(f"{word} {', '.join(sorted(names)[:SHOWN])}{more}")
    return "; ".join(told)
