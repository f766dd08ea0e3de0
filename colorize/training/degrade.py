"""From colour to the grey that old emulsions and scanners would have made of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.generator.colour import LUMA


@dataclass(frozen=True)
class Degrade:
    """How often and how strongly a grey training square is altered."""

    emulsion: float = 0.4  # chance of another spectral response, orthochromatic to panchromatic
    emulsion_shape: tuple[float, float, float] = (3.0, 6.0, 2.0)  # Dirichlet over red, green, blue
    tone: float = 0.5
    gamma: float = 0.2
    contrast: float = 0.1
    brightness: float = 0.03
    grain: float = 0.35
    grain_strength: float = 0.035
    soft: float = 0.2


def luma(rgb: Tensor) -> Tensor:
    """Return the BT.601 luma (n, 1, h, w) of rgb (n, 3, h, w)."""
    return torch.einsum("c,nchw->nhw", torch.tensor(LUMA).to(rgb), rgb)[:, None]


def age(rgb: Tensor, degrade: Degrade, random: torch.Generator) -> Tensor:
    """Return grey (n, 1, h, w) in 0..1 as some emulsion, exposure and scanner give it."""
    count = len(rgb)

    def chance(probability: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=random) < probability

    def normal(spread: float) -> Tensor:
        return torch.randn(count, 1, 1, 1, generator=random) * spread

    shape = torch.tensor(degrade.emulsion_shape).expand(count, 3)
    response = torch._standard_gamma(shape, generator=random)  # normalised: a Dirichlet draw
    response = response / response.sum(1, keepdim=True)
    emulsion = (response[:, :, None, None] * rgb).sum(1, keepdim=True)
    grey = torch.where(chance(degrade.emulsion), emulsion, luma(rgb))
    curve = grey.clamp_min(1e-4) ** torch.exp(normal(degrade.gamma))
    curve = (curve - 0.5) * (1 + normal(degrade.contrast)) + 0.5 + normal(degrade.brightness)
    grey = torch.where(chance(degrade.tone), curve.clamp(0, 1), grey)
    blurred = F.avg_pool2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3, 1)
    grey = torch.where(chance(degrade.soft), blurred, grey)
    strength = degrade.grain_strength * torch.rand(count, 1, 1, 1, generator=random)
    noise = torch.randn(grey.shape, generator=random) * strength
    return torch.where(chance(degrade.grain), (grey + noise).clamp(0, 1), grey)
