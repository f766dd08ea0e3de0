"""What time, handling and files do to a grey picture: each kind of wear over a whole batch.

All take and give grey (n, 1, h, w) in 0..1; what is drawn for each picture is (n, 1, 1, 1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 8
_STEPS = 10_000  # in which the video recipe draws a share of pixels
# what JPEG divides a block's frequencies by at quality 50: its standard's table for luma
_QUANTA = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)


class Chances:
    """Draws for each of `count` pictures, on the CPU, given where `like` lives."""

    def __init__(self, count: int, random: torch.Generator, like: Tensor) -> None:
        self.count = count
        self.random = random
        self._like = like

    def chance(self, probability: float) -> Tensor:
        """Return for which pictures it holds."""
        return self.uniform(0, 1) < probability

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return numbers in low..high (n, 1, 1, 1), or (n, *shape)."""
        shape = shape or (1, 1, 1)
        drawn = torch.rand(self.count, *shape, generator=self.random).to(self._like)
        return drawn * (high - low) + low if (low, high) != (0, 1) else drawn

    def normal(self, spread: float) -> Tensor:
        """Return normal numbers (n, 1, 1, 1) around 0."""
        drawn = torch.randn(self.count, 1, 1, 1, generator=self.random)
        return drawn.to(self._like) * spread

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """Return whole numbers from low to high - 1 (n, *shape)."""
        drawn = torch.randint(low, high, (self.count, *shape), generator=self.random)
        return drawn.to(self._like.device)


def _places(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's x (1, 1, 1, w) and y (1, 1, h, 1), both from -1 to 1."""
    high, wide = grey.shape[2:]
    x, y = (torch.linspace(-1, 1, n).to(grey) for n in (wide, high))
    return x.reshape(1, 1, 1, -1), y.reshape(1, 1, -1, 1)


def uneven(grey: Tensor, strength: float, draw: Chances) -> Tensor:
    """Let light fall off to one side, or from a centre to the rim."""
    x, y = _places(grey)
    angle = draw.uniform(0, 2 * math.pi)
    side = (x * torch.cos(angle) + y * torch.sin(angle)) / (2 * math.sqrt(2)) + 0.5
    rim = ((x - draw.uniform(-0.4, 0.4)) ** 2 + (y - draw.uniform(-0.4, 0.4)) ** 2) / 2
    fall = torch.where(draw.chance(0.5), side, rim.clamp_max(1))
    return grey * (1 - draw.uniform(0, strength) * fall)


def blurred(grey: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Blur each picture by its own Gaussian, cut off `reach` pixels away."""
    count, _, high, wide = grey.shape
    steps = torch.arange(-reach, reach + 1).to(grey)
    kernel = torch.exp(-((steps / sigma.reshape(-1, 1)) ** 2) / 2)
    kernel = kernel / kernel.sum(1, keepdim=True)  # (n, k)
    padded = F.pad(grey, (reach,) * 4, mode="replicate").transpose(0, 1)
    across = F.conv2d(padded, kernel.reshape(count, 1, 1, -1), groups=count)
    down = F.conv2d(across, kernel.reshape(count, 1, -1, 1), groups=count)
    return down.transpose(0, 1).reshape(count, 1, high, wide)


def scratched(grey: Tensor, most: int, draw: Chances) -> Tensor:
    """Draw thin lines, mostly upright as a film's, towards black or white."""
    x, y = _places(grey)
    pixels = 2 / max(grey.shape[2:])
    lines = draw.uniform(1, most + 1).floor()
    for line in range(most):
        angle = torch.where(draw.chance(0.7), draw.normal(0.05), draw.uniform(-1.5, 1.5))
        across = x * torch.cos(angle) + y * torch.sin(angle) - draw.uniform(-1, 1)
        along = y * torch.cos(angle) - x * torch.sin(angle)
        width = draw.uniform(0.6, 1.6) * pixels
        inked = (1 - across.abs() / width).clamp_min(0) * draw.uniform(0.3, 1)
        inked = inked * ((along - draw.uniform(-1, 1)).abs() < draw.uniform(0.3, 2))
        inked = inked * (line < lines)
        grey = torch.lerp(grey, draw.chance(0.5).to(grey), inked)
    return grey


def dusty(grey: Tensor, most: int, draw: Chances) -> Tensor:
    """Strew bright and dark specks of one to five pixels across."""
    high, wide = grey.shape[2:]
    steps = torch.arange(-2, 3).to(grey.device)
    down, right = (side.reshape(1, 1, -1) for side in torch.meshgrid(steps, steps, indexing="ij"))
    kept = torch.arange(most).to(grey) < draw.uniform(1, most + 1, 1).floor()
    ink = draw.uniform(0.25, 1, most) * (2 * draw.whole(0, 2, most) - 1) * kept
    radius = draw.uniform(0, 1, most) ** 3 * 2 + 0.4  # small ones are common
    distance = torch.sqrt((down**2 + right**2).to(grey))
    inks = ink[..., None] * (radius[..., None] + 0.5 - distance).clamp(0, 1)  # (n, specks, 25)
    rows = (draw.whole(0, high, most, 1) + down).clamp(0, high - 1)
    columns = (draw.whole(0, wide, most, 1) + right).clamp(0, wide - 1)
    specks = torch.zeros(len(grey), high * wide).to(grey)
    specks = specks.scatter_add(1, (rows * wide + columns).flatten(1), inks.flatten(1))
    specks = specks.reshape(grey.shape)
    return torch.lerp(grey, (specks > 0).to(grey), specks.abs().clamp_max(1))


def blocky(grey: Tensor, quality: Tensor) -> Tensor:
    """Round the frequencies of blocks of 8 by 8 as JPEG of a quality (n, 1, 1, 1) does."""
    high, wide = grey.shape[2:]
    padded = F.pad(grey, (0, -wide % _BLOCK, 0, -high % _BLOCK), mode="replicate")
    cells = padded[:, 0].unfold(1, _BLOCK, _BLOCK).unfold(2, _BLOCK, _BLOCK)  # (n, i, j, 8, 8)
    steps = torch.arange(_BLOCK, dtype=torch.float64)
    waves = torch.cos((2 * steps + 1) * steps[:, None] * math.pi / (2 * _BLOCK)) / 2
    waves[0] /= math.sqrt(2)
    waves = waves.to(grey)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50).clamp_min(0.01)
    quanta = torch.tensor(_QUANTA).to(grey).reshape(1, _BLOCK, _BLOCK) / 255
    quanta = (quanta * scale.reshape(-1, 1, 1))[:, None, None]
    found = waves @ (cells - 0.5) @ waves.T
    rounded = waves.T @ (torch.round(found / quanta) * quanta) @ waves + 0.5
    whole = rounded.transpose(2, 3).reshape(padded.shape)
    return whole[..., :high, :wide].clamp(0, 1)


def speckled(grey: Tensor, share: tuple[float, float], strength: int, draw: Chances) -> Tensor:
    """Add to a share of the pixels a value of their own, as DeOldify's video recipe does.

    The share is one of 10,000 steps; pixels are drawn with replacement, so some get two values;
    values are whole levels of 255 from -strength to strength - 1; nothing is clipped.
    """
    count, _, high, wide = grey.shape
    size = high * wide
    steps = draw.uniform(share[0] * _STEPS, share[1] * _STEPS, 1).floor()
    changed = (size * steps / _STEPS).floor()
    most = max(1, int(size * share[1]))
    spots = draw.whole(0, size, most)
    noise = draw.whole(-strength, strength, most).to(grey) / 255
    noise = noise * (torch.arange(most).to(grey) < changed)
    return grey.reshape(count, size).scatter_add(1, spots, noise).reshape(grey.shape)
