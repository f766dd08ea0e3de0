"""A published checkpoint made into safetensors: the same numbers, and nothing that could run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from photochrom.colorize.errors import ModelError, WrongWeights
from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify
from photochrom.colorize.generator.known import KnownModel, find_model, known_models, layout_of
from photochrom.colorize.generator.weights import (
    Weights,
    check_digest,
    check_fit,
    digest,
    read_weights,
    write_weights,
)


@dataclass(frozen=True)
class Converted:
    """What a conversion made: of which model, its digest, and whether it was there before."""

    file: Path
    model: KnownModel
    sha256: str
    bytes: int
    source_sha256: str
    was_there: bool


def convert(source: Path, out: Path | None = None, name: str | None = None) -> Converted:
    """Write the weights in a file as safetensors, as they are stored, and return what was made.

    The same source and name give the same bytes. `out` is beside the source if left out; what is
    there already is never overwritten. `name` must be given where several models share the layout.
    Raises ModelError for files that hold no generator that is published elsewhere.
    """
    out = out or source.with_suffix(".safetensors")
    before = digest(source)
    weights = read_weights(source)
    model = _model(source, weights, name)
    _check_whole(source, weights, model)
    facts = {
        "family": model.family,
        "layout": model.layout,
        "model": model.name,
        "source": source.name,
        "source_sha256": before,
    }
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        write_weights(_apart(weights), facts, partial)
        check_digest(f"{source} changed while it was read", digest(source), before)
        found = digest(partial)
        was_there = _publish(partial, out, found)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot write {out}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return Converted(out, model, found, out.stat().st_size, before, was_there)


def _model(source: Path, weights: Weights, name: str | None) -> KnownModel:
    """Return the model that the weights are of: the one named, or the only one they fit."""
    layout = layout_of(weights.tensors)
    fitting = [m for m in known_models() if m.layout == layout and m.embedded is None]
    if layout is None or not fitting:
        what = f"a {layout}" if layout else "nothing that this release knows"
        raise WrongWeights(f"{source} holds {what}, not a generator that can be imported")
    if name is None and len(fitting) > 1:
        names = " and ".join(model.name for model in fitting)
        raise ModelError(
            f"{source} fits {names}, which share names and shapes: say which with --as"
        )
    model = find_model(name or fitting[0].name)
    if model not in fitting:
        names = " or ".join(model.name for model in fitting)
        raise WrongWeights(f"{source} holds weights of {names}, not of {model.name}")
    return model


def _check_whole(source: Path, weights: Weights, model: KnownModel) -> None:
    """Raise WrongWeights unless every name and shape is the layout's."""
    with torch.device("meta"):
        network = DeOldify(LAYOUTS[model.layout])
    check_fit(network, weights, source)


def _apart(weights: Weights) -> dict[str, Tensor]:
    """Return the tensors in one piece each; those that share memory get their own."""
    tensors: dict[str, Tensor] = {}
    taken = set()
    for name, tensor in weights.tensors.items():
        place = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if place in taken else tensor
        tensors[name] = tensors[name].contiguous()
        taken.add(place)
    return tensors


def _publish(partial: Path, out: Path, sha256: str) -> bool:
    """Give a file its name unless it is taken; return whether the same file was there before."""
    if out.exists():
        if digest(out) != sha256:
            raise ModelError(f"{out} is there already and differs: choose another --out")
        return True
    partial.replace(out)
    return False
