"""DeOldify's critic: it tells photographs from what a generator made, patch by patch."""

from __future__ import annotations

from torch import nn

from photochrom.colorize.generator.blocks import SelfAttention, spectral_conv

WIDTH = 256
BLOCKS = 3
DROPOUT = 0.15
SLOPE = 0.2


class Critic(nn.Sequential):
    """Normalised pictures (n, 3, s, s) in, a logit for each patch (n, patches) out.

    A picture of side 192 has 81 patches. Children are numbered as in a checkpoint.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(_convolution(3, width, 4, 2), nn.Dropout2d(DROPOUT / 2))
        for number in range(BLOCKS):
            self.append(_convolution(width, width, 3, 1))
            self.append(nn.Dropout2d(DROPOUT))
            self.append(_convolution(width, 2 * width, 4, 2, attention=number == 0))
            width *= 2
        self.append(_convolution(width, width, 3, 1))
        self.append(nn.Sequential(spectral_conv(width, 1, 4, padding=0)))
        self.append(nn.Flatten())


def _convolution(
    channels: int, out: int, kernel: int, stride: int, *, attention: bool = False
) -> nn.Sequential:
    parts = [spectral_conv(channels, out, kernel, stride=stride, bias=True), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*parts, *([SelfAttention(out)] if attention else []))
