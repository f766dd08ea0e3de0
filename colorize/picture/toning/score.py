"""How much a picture looks like a positive: a small network in numpy.

It sees 64 x 64 pixels twice: as ranks, which no exposure or film curve changes but for what it
clips, and as density, their logarithm about its median. A negative is, in both, its positive with
the sign turned, as far as film is a straight line; the score is `f(x) - f(-x)`, so it leans to
neither side. The thumbnail is whole numbers and the network computes in float64: machines differ by
some 1e-13 of a score, and a verdict that turns on that does not happen.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from photochrom.colorize.picture.scaling import area

SIDE = 64
STRIDES = (2, 2, 1, 2, 1, 2)
ADDED = (2, 4)  # layers whose input is added to what they answer
_FLOOR = 655  # of 65535: a hundredth; darker is black, without a logarithm of its own
_SPREAD = (5, 50, 95)  # percentiles

Planes = NDArray[np.float64]


def tone_score(picture: NDArray[np.uint16]) -> float:
    """Return how sure it is that a 16-bit picture (h, w) is a positive: 0 to 1, flat ones 1/2."""
    seen = looked_at(np.asarray(area(picture, SIDE, SIDE), np.uint16))
    mirrored = seen[:, :, ::-1]
    score = _network(np.stack([seen, -seen, mirrored, -mirrored]))  # (4,)
    return float(1 / (1 + np.exp(-(score[0] - score[1] + score[2] - score[3]) / 2)))


def looked_at(thumbnail: NDArray[np.uint16]) -> Planes:
    """Return what the network sees of a thumbnail: ranks and density, (2, h, w) in [-1, 1]."""
    flat = thumbnail.ravel()
    ordered = np.sort(flat)
    below = np.searchsorted(ordered, flat, "left") + np.searchsorted(ordered, flat, "right")
    ranks = (below - flat.size) / flat.size
    density = np.log(np.maximum(flat, _FLOOR) / 65535.0)
    low, middle, high = np.percentile(density, _SPREAD)
    density = np.clip((density - middle) / (2 * max(high - low, 0.02)), -1, 1)
    return np.stack([ranks, density]).reshape(2, *thumbnail.shape)


def _network(x: Planes) -> NDArray[np.float64]:
    """Answer to planes (n, 2, SIDE, SIDE) with scores (n,)."""
    weights = _weights()
    for layer, stride in enumerate(STRIDES):
        y = _convolved(x, weights[f"{layer}.weight"], stride)
        y += weights[f"{layer}.bias"][:, None, None]
        x = np.maximum(y + x if layer in ADDED else y, 0)
    return np.asarray(x.reshape(len(x), -1) @ weights["out.weight"])


def _convolved(x: Planes, kernel: Planes, stride: int) -> Planes:
    """Convolve (n, i, h, w) by (o, i, 3, 3), with a frame of 0 around it."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (n, i, h, w, 3, 3)
    return np.moveaxis(np.tensordot(windows, kernel, ((1, 4, 5), (1, 2, 3))), -1, 1)


@cache
def _weights() -> dict[str, Planes]:
    """Read the network that ships with the package, stored in half precision."""
    stored = load((files("photochrom.colorize.models") / "tone.safetensors").read_bytes())
    return {name: values.astype(np.float64) for name, values in stored.items()}
