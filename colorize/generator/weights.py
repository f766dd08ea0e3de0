"""Weights files: their digests, and filling a network from one without forgiving a single name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photochrom.colorize.errors import ModelError, WrongWeights
from photochrom.colorize.generator.known import known_models, layout_of

if TYPE_CHECKING:  # digests are asked for where torch must not be imported
    from torch import Tensor, nn

METADATA_KEY = "photochrom"
ZIP_HEAD, PICKLE_HEAD = b"PK\x03\x04", b"\x80"
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
    """Return the weights in a file, safetensors or a torch checkpoint: its content decides.

    Only safetensors tell facts. Raises ModelError for anything else, and for damaged files.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise ModelError(f"cannot read the weights {file}: {error.strerror}") from error
    if head[8:] == b"{":
        return _read_safetensors(file)
    if head.startswith((ZIP_HEAD, PICKLE_HEAD)):
        from photochrom.colorize.generator.checkpoint import read_checkpoint

        return read_checkpoint(file)
    what = f"it begins with {head[:8]!r}" if head else "it is empty"
    raise ModelError(f"{file} is neither safetensors nor a torch checkpoint: {what}")


def _read_safetensors(file: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            names = opened.keys()
            tensors = {name: opened.get_tensor(name) for name in names}
            facts = json.loads((opened.metadata() or {}).get(METADATA_KEY, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{file} is not a safetensors file of weights: {error}") from error
    if not isinstance(facts, dict):
        raise ModelError(f"{file} tells its facts in another form: {facts!r}")
    return Weights(tensors, facts)


def write_weights(tensors: dict[str, Tensor], facts: Mapping[str, Any], file: Path) -> None:
    """Write safetensors and facts; one JSON text under one key keeps the bytes the same each time.

    Raises OSError, SafetensorError.
    """
    from safetensors.torch import save_file

    save_file(tensors, file, metadata={METADATA_KEY: json.dumps(facts, sort_keys=True)})
    file.chmod(0o644)  # safetensors writes files for their owner alone


def fill(network: nn.Module, weights: Weights, file: Path) -> None:
    """Put the weights into the network in float32; names and shapes must all match.

    The network takes the tensors themselves, without a copy where they are in float32 already.
    """
    check_fit(network, weights, file)
    floats = {name: tensor.float() for name, tensor in weights.tensors.items()}
    network.load_state_dict(floats, strict=False, assign=True)


def check_fit(network: nn.Module, weights: Weights, file: Path) -> None:
    """Raise WrongWeights unless names and shapes are the network's, which may be a meta one.

    Old files may lack `num_batches_tracked`, which counts training steps and colours nothing.
    """
    ours = network.state_dict()
    counters = {name for name in ours if name.endswith("num_batches_tracked")}
    missing = ours.keys() - weights.tensors.keys() - counters
    extra = weights.tensors.keys() - ours.keys()
    if missing or extra:
        told = _told(missing, extra)
        raise WrongWeights(f"{file} fits another network{_whose(weights)}: {told}")
    for name, tensor in weights.tensors.items():
        if tensor.shape != ours[name].shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(ours[name].shape)}"
            raise WrongWeights(f"{file} fits another network{_whose(weights)}: {name} is {shapes}")


def _whose(weights: Weights) -> str:
    """Return whose the weights look like, to stand behind "another network"."""
    layout = layout_of(weights.tensors)
    names = [model.name for model in known_models() if model.layout == layout]
    return f" ({' or '.join(names or [layout])} by the looks of it)" if layout else ""


def _told(missing: Collection[str], extra: Collection[str]) -> str:
    """Return what is missing and extra, a few names of each."""
    told = []
    for word, names in (("missing", missing), ("extra", extra)):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            told.append(f"{word} {', '.join(sorted(names)[:SHOWN])}{more}")
    return "; ".join(told)
