"""How each family is spoken to: grey squares in its words, its answers in colour."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.colour import lab_to_rgb, rgb_to_lab
from photochrom.colorize.generator.deoldify import denormalise, normalise
from photochrom.colorize.generator.pocket import STRIDE, PocketNetwork


class Painter(Protocol):
    """One family's network, and what comes before and after it."""

    network: nn.Module

    def prepare(self, grey: Tensor) -> Tensor:
        """Return the network's input for grey (n, 1, s, s) in 0..255."""

    def render(self, answer: Tensor, grey: Tensor) -> Tensor:
        """Return sRGB (n, 3, s, s), about 0..1, from the network's answer."""


class PocketPainter:
    """Pocket sees grey in 0..255 at a multiple of 32, and answers with half-size CIELAB chroma."""

    def __init__(self, network: PocketNetwork, saturation: float) -> None:
        self.network: nn.Module = network
        self.saturation = saturation

    def prepare(self, grey: Tensor) -> Tensor:
        """Return the square itself, or one stretched to the next multiple of STRIDE."""
        side = grey.shape[-1]
        if side % STRIDE == 0:
            return grey
        larger = -(-side // STRIDE) * STRIDE
        return F.interpolate(grey, (larger, larger), mode="bilinear", align_corners=False)

    def render(self, answer: Tensor, grey: Tensor) -> Tensor:
        """Return sRGB with the grey's lightness and the predicted chroma."""
        size = grey.shape[-2:]
        ab = F.interpolate(answer, size, mode="bilinear", align_corners=False)
        lightness = rgb_to_lab((grey / 255).expand(-1, 3, -1, -1))[:, :1]
        return lab_to_rgb(torch.cat([lightness, ab * self.saturation], 1))  # (n, 3, s, s)


class DeOldifyPainter:
    """DeOldify sees the square as ImageNet's pictures were seen, and answers with a picture."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def prepare(self, grey: Tensor) -> Tensor:
        """Return the square, normalised in three channels."""
        return normalise(grey)

    def render(self, answer: Tensor, grey: Tensor) -> Tensor:
        """Return the picture, of which only the colour will be used."""
        return denormalise(answer)
