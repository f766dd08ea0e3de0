"""sRGB to CIELAB and back, on tensors in 0..1, and the measures taken in them.

`lab_to_rgb` is not clipped: a chroma too strong for its lightness gives values outside 0..1.
"""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65
LUMA = (0.299, 0.587, 0.114)


def _matrix(like: Tensor) -> Tensor:
    """Return linear RGB -> XYZ relative to white, where `like` lives."""
    xyz = torch.tensor(TO_XYZ, dtype=torch.float64)
    white = torch.tensor(WHITE, dtype=torch.float64)
    return (xyz / white[:, None]).to(like)


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix, x)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Return CIELAB of sRGB in 0..1, both (n, 3, h, w)."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055).clamp_min(1e-8) ** 2.4, rgb / 12.92)
    xyz = _mix(_matrix(rgb), linear)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-8) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Return unclipped sRGB of CIELAB, both (n, 3, h, w)."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(f > 0.206893, f**3, (f - 16 / 116) / 7.787)
    back = torch.linalg.inv(_matrix(lab).double()).to(lab)
    linear = _mix(back, xyz)
    curve = 1.055 * linear.clamp_min(1e-8) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curve, 12.92 * linear)


def cbcr(rgb: Tensor) -> Tensor:
    """Return full-range BT.601 Cb, Cr around 0 (n, 2, h, w), in the units of rgb (n, 3, h, w)."""
    red, _, blue = rgb.unbind(1)
    luma = sum(weight * band for weight, band in zip(LUMA, rgb.unbind(1), strict=True))
    return torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], 1)


def colourfulness(rgb: Tensor) -> Tensor:
    """Return the Hasler-Suesstrunk colourfulness (n,) of rgb (n, 3, h, w) in 0..1."""
    red, green, blue = (rgb * 255).unbind(1)
    across, along = red - green, (red + green) / 2 - blue
    spread = torch.sqrt(across.var((1, 2)) + along.var((1, 2)))
    mean = torch.sqrt(across.mean((1, 2)) ** 2 + along.mean((1, 2)) ** 2)
    return spread + 0.3 * mean
