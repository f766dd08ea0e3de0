"""How far two sets of pictures are apart, by an encoder's features; measured by torchmetrics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

with warnings.catch_warnings(action="ignore"):  # that kept features take memory, and the like
    from torchmetrics import Metric
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance


@dataclass(frozen=True, slots=True)
class Distance:
    """From one set of pictures to another; None where there are fewer than two.

    `kid` is the squared maximum mean discrepancy with the kernel (x.y / d + 1)^3. Both sets show
    the same photographs, so no picture is compared with its own counterpart: that makes it unbiased
    for pairs, and zero for equal sets (Gretton et al., A Kernel Two-Sample Test, 2012, equation 4).
    Of sets that differ little it may fall just below zero.
    `kid_with_pairs` is torchmetrics' own, meant for sets without pairs: lower, and below zero for
    sets that are alike or small. `frechet` is that of two Gaussians, which falls as pictures are
    added: compare it only between equal numbers of them.
    """

    kid: float | None = None
    kid_with_pairs: float | None = None
    frechet: float | None = None


def distance(truth: Tensor, other: Tensor) -> Distance:
    """Measure two sets of features (n, d), row by row of the same photographs.

    KID is over one subset, which is all of them, and drawn with a fixed seed: the same features
    always give the same figures.
    """
    count, width = truth.shape
    if count < 2:
        return Distance()
    with warnings.catch_warnings(action="ignore"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kid = KernelInceptionDistance(_as_they_are(width), subsets=1, subset_size=count)
        with_pairs = float(_between(kid, truth, other)[0])
        flat = _flattened(truth, other)
        frechet = _between(FrechetInceptionDistance(_as_they_are(flat[0].shape[1])), *flat)
    return Distance(with_pairs + _share_of_pairs(truth, other), with_pairs, float(frechet))


def _share_of_pairs(truth: Tensor, other: Tensor) -> float:
    """Return how much lower KID is because each picture was compared with its counterpart too."""
    kernel = (truth.double() @ other.double().T / truth.shape[1] + 1) ** 3  # (n, n)
    return float(2 * (kernel.diagonal().mean() - kernel.mean()) / (len(truth) - 1))


def _between(metric: Metric, truth: Tensor, other: Tensor) -> Any:
    metric.set_dtype(torch.float64)
    metric.update(truth.double(), real=True)
    metric.update(other.double(), real=False)
    return metric.compute()


def _as_they_are(width: int) -> nn.Module:
    """Return the encoder of what is encoded already."""
    encoder = nn.Identity()
    encoder.num_features = width  # type: ignore[assignment]
    return encoder


def _flattened(truth: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Turn features (n, d) into the space that they span, where it is smaller, (n, 2 n).

    A rotation leaves the distance of Gaussians as it is, and a few hundred pictures span so little
    of 1280 dimensions that it is found 20 times sooner.
    """
    both = torch.cat([truth, other]).double()
    if len(both) >= both.shape[1]:
        return truth, other
    base = torch.linalg.qr(both.T).Q  # (d, 2 n)
    return truth.double() @ base, other.double() @ base
