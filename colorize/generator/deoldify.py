"""DeOldify's generators: a grey square in, the whole picture in colour out.

A U-Net on a ResNet. `artistic` is deep (ResNet-34, two convolutions a block), `stable` and `video`
are wide (ResNet-101, one). Checkpoints of the original programme load strictly, name by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.blocks import (
    Convolution,
    PixelShuffle,
    Residual,
    UnetBlock,
    spectral_conv,
)
from photochrom.colorize.generator.resnet import BasicBlock, Bottleneck, Encoder

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
REACH = 3.0  # the raw answer lies in [-REACH, REACH]


@dataclass(frozen=True)
class Layout:
    """What tells DeOldify's generators apart."""

    block: type[BasicBlock] | type[Bottleneck]
    depths: tuple[int, int, int, int]
    deep: bool


DEEP = Layout(BasicBlock, (3, 4, 6, 3), deep=True)
WIDE = Layout(Bottleneck, (3, 4, 23, 3), deep=False)
LAYOUTS = {"artistic": DEEP, "stable": WIDE}  # by the name that known models give them


class Join(nn.Module):
    """Put the picture itself beside what has been made of it, and zeros to fill up `channels`."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, made: Tensor, x: Tensor) -> Tensor:
        """Return (n, c + 3, s, s), rounded up to a multiple of `channels`; x is (n, 3, s, s)."""
        missing = -(made.shape[1] + x.shape[1]) % self.channels
        return torch.cat([made, F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x], 1)


class DeOldify(nn.Module):
    """The generator, as it is trained; `inference_form` makes the one that paints."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        encoder = Encoder(layout.block, layout.depths)
        *skips, deepest = encoder.widths
        middle = nn.Sequential(Convolution(deepest, 2 * deepest), Convolution(2 * deepest, deepest))
        blocks = []
        channels = deepest
        for number, skip in enumerate(reversed(skips)):
            risen, out = widths(layout, channels, skip, last=number == len(skips) - 1)
            deep, attention = layout.deep, number == 1
            blocks.append(UnetBlock(channels, skip, risen, out, deep=deep, attention=attention))
            channels = out
        self.layers = nn.ModuleList(
            [
                *(encoder, nn.BatchNorm2d(deepest), nn.ReLU(), middle, *blocks),
                PixelShuffle(channels, channels, last=True),
                Join(),
                Residual(channels + 3),
                nn.Sequential(spectral_conv(channels + 3, 3, 1, bias=True)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw answer (n, 3, s, s) for the picture x (n, 3, s, s).

        Both are normalised as ImageNet's pictures are; the answer lies in [-REACH, REACH].
        """
        encoder, norm, relu, middle, *blocks, shuffle, join, residual, colour = self.layers
        *skips, deepest = encoder.look(x)  # type: ignore[operator]
        y = middle(relu(norm(deepest)))  # (n, c, s / 32, s / 32)
        for block in blocks:
            y = block(y, skips.pop())
        y = colour(residual(join(shuffle(y), x)))[:, :3]  # (n, 3, s, s)
        return torch.sigmoid(y.float()) * (2 * REACH) - REACH


def widths(layout: Layout, channels: int, skip: int, *, last: bool) -> tuple[int, int]:
    """Return to how many channels a block rises, and with how many it answers."""
    if layout.deep:
        risen = channels // 2
        return risen, (risen + skip) * 3 // (4 if last else 2)
    return (256, 256) if last else (512, 512)


def normalise(grey: Tensor) -> Tensor:
    """Return a generator's input (n, 3, s, s) of grey (n, 1, s, s) in 0..255."""
    return standardise(grey / 255)


def standardise(rgb: Tensor) -> Tensor:
    """Return sRGB in 0..1 (n, 1 or 3, s, s) as ImageNet's pictures are normalised (n, 3, s, s)."""
    mean, deviation = _statistics(rgb)
    return (rgb - mean) / deviation


def denormalise(raw: Tensor) -> Tensor:
    """Return sRGB in 0..1 of a generator's raw answer, both (n, 3, s, s)."""
    mean, deviation = _statistics(raw)
    return (raw * deviation + mean).clamp(0, 1)


def _statistics(like: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = (torch.tensor(row).view(1, 3, 1, 1).to(like) for row in (MEAN, DEVIATION))
    return mean, deviation
