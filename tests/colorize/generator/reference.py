"""Deterministic weights for DeOldify's networks: no training, the same numbers everywhere.

The original programme was run with these, and `tests/data/deoldify` holds what it made of pictures.
Each tensor depends on a seed, its name and its shape alone, and on what part it plays: activations
stay near unit size, and the last sigmoid is not saturated.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photochrom.colorize.generator.critic import Critic
from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify

Floats = NDArray[np.float32]
SEED = 1
COUNTED = 1000  # training steps that every normalisation claims to have seen
ITERATIONS = 5
PIECE = 1 << 20  # numbers drawn at a time: they stay in cache


@dataclass(frozen=True)
class Place:
    """Where a tensor belongs: its own name, its module's, and the shapes of all by name."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def leaf(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shapes[self.name]

    def beside(self, leaf: str) -> bool:
        """Say whether the same module has another tensor of that name."""
        return f"{self.module}.{leaf}" in self.shapes


def blank(name: str) -> nn.Module:
    """Return a generator's network by its layout, or the critic, whole but without numbers."""
    with torch.device("meta"):
        return Critic() if name == "critic" else DeOldify(LAYOUTS[name])


def state_of(network: nn.Module, seed: int = SEED) -> dict[str, Tensor]:
    """Return seeded weights with the names, shapes and order of a network, which may be meta."""
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    state: dict[str, Tensor] = {}
    for name in shapes:
        if name not in state:
            state |= _tensors(Place(name, shapes), state, seed)
    return {name: state[name] for name in shapes}


def content_sha256(state: Mapping[str, Tensor]) -> str:
    """Return a digest of names and little-endian numbers, whatever file they come in."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()


def _tensors(place: Place, state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Return one tensor by name, or both vectors of a spectral norm, which are made together."""
    if place.leaf == "num_batches_tracked":
        return {place.name: torch.tensor(COUNTED)}
    if place.leaf == "weight_u":
        other = f"{place.module}.weight_v"
        vectors = _spectral(state[f"{place.module}.weight_orig"].numpy(), (place.name, other), seed)
        return dict(zip((place.name, other), map(torch.from_numpy, vectors), strict=True))
    low, high, factor = _bounds(place)
    numbers = _uniform(seed, place.name, place.shape, low, high)
    return {place.name: torch.from_numpy(numbers * np.float32(factor) if factor != 1 else numbers)}


def _bounds(place: Place) -> tuple[float, float, float]:
    """Return between what a tensor's numbers lie, and a factor that comes after rounding."""
    if place.beside("running_var"):
        return _bounds_of_norm(place)
    match place.leaf:
        case "gamma":
            return 0.4, 0.6, 1
        case "bias":
            return -0.02, 0.02, 1
        case "weight_g":  # a row of He's weights has the norm sqrt 2
            return 0.8 * math.sqrt(2), 1.2 * math.sqrt(2), 1
        case "weight" | "weight_orig" | "weight_v":
            reach = math.sqrt(3 * 2 / math.prod(place.shape[1:]))
            return -reach, reach, 1
    raise KeyError(place.name)


def _bounds_of_norm(place: Place) -> tuple[float, float, float]:
    """Return the same of a normalisation: it expects what its convolution answers to unit input."""
    parent, _, index = place.module.rpartition(".")
    conv = place.shapes.get(f"{parent}.0.weight_orig") if index in ("1", "2") else None
    variance, mean, damping = 1.0, 0.0, 1.0
    if conv is not None:
        inputs = math.prod(conv[1:])
        gain = inputs / (math.sqrt(conv[0]) + math.sqrt(inputs)) ** 2
        rectified = index == "2"
        variance = 0.3408 * gain if rectified else gain
        mean = 0.3989 * math.sqrt(gain) if rectified else 0.0
        damping = 0.8
    spread = 0.2 * math.sqrt(variance)
    match place.leaf:
        case "weight":
            return 0.8, 1.2, _damping_of_branch(place) or damping
        case "bias":
            return -0.2, 0.2, 1
        case "running_mean":
            return mean - spread, mean + spread, 1
        case "running_var":
            return 0.5 * variance, 1.5 * variance, 1
    raise KeyError(place.name)


def _damping_of_branch(place: Place) -> float | None:
    """Return the factor of a norm that is the last in a residual branch of the encoder."""
    if re.search(r"\.bn3$", place.module):
        return 0.2
    alone = f"{place.module[:-1]}3.weight" not in place.shapes
    return 0.3 if re.search(r"\.bn2$", place.module) and alone else None


def _uniform(seed: int, name: str, shape: tuple[int, ...], low: float, high: float) -> Floats:
    """Draw from the raw stream of PCG64, which numpy promises never to change."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
    numbers = np.empty(math.prod(shape), np.float32)
    for first in range(0, numbers.size, PIECE):
        piece = numbers[first : first + PIECE]
        piece[:] = bits.random_raw(piece.size) >> np.uint64(40)
        piece *= np.float32(2.0**-24)
        piece *= np.float32(high - low)
        piece += np.float32(low)
    return numbers.reshape(shape)


def _spectral(weight: Floats, names: tuple[str, str], seed: int) -> tuple[Floats, Floats]:
    """Return the vectors u and v that a few power iterations make of a weight."""
    matrix = weight.reshape(len(weight), -1).astype(np.float64)
    u, v = (
        _unit(_uniform(seed, name, (side,), -1, 1).astype(np.float64))
        for name, side in zip(names, matrix.shape, strict=True)
    )
    for _ in range(ITERATIONS):
        v = _unit(matrix.T @ u)
        u = _unit(matrix @ v)
    return u.astype(np.float32), v.astype(np.float32)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(math.sqrt((vector * vector).sum()), 1e-12)
