"""EfficientNet-Lite0: the encoder that Pocket looks at photographs with.

Widths, kernel sizes and TensorFlow's SAME padding follow the released ImageNet network, so that its
weights load strictly (`photochrom.colorize.training.encoder` renames them).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-3


class Stage(NamedTuple):
    """One inverted bottleneck: channels in and out, kernel, stride, expansion."""

    channels: int
    out: int
    kernel: int
    stride: int
    expansion: int


STAGES = tuple(
    Stage(*numbers)
    for numbers in (
        *((32, 16, 3, 1, 1), (16, 24, 3, 2, 6), (24, 24, 3, 1, 6), (24, 40, 5, 2, 6)),
        *((40, 40, 5, 1, 6), (40, 80, 3, 2, 6), (80, 80, 3, 1, 6), (80, 80, 3, 1, 6)),
        *((80, 112, 5, 1, 6), (112, 112, 5, 1, 6), (112, 112, 5, 1, 6), (112, 192, 5, 2, 6)),
        *((192, 192, 5, 1, 6), (192, 192, 5, 1, 6), (192, 192, 5, 1, 6), (192, 320, 3, 1, 6)),
    )
)
TAPS = (0, 2, 4, 10, 15)
TAP_WIDTHS = tuple(STAGES[i].out for i in TAPS)  # at 1/2, 1/4, 1/8, 1/16, 1/32


class ConvNorm(nn.Module):
    """Convolve without bias, then normalise; `fuse` folds the second into the first."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        spare = kernel - stride
        self.pads = (spare // 2, spare - spare // 2) if stride > 1 else None
        padding = 0 if self.pads else kernel // 2
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, eps=EPSILON, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised convolution of x."""
        if self.pads is not None:
            x = F.pad(x, self.pads * 2)
        out: Tensor = self.norm(self.conv(x))
        return out

    def fuse(self) -> None:
        """Fold the normalisation's statistics into the convolution (inference only)."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = torch.nn.utils.fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Bottleneck(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes allow it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        wide = stage.channels * stage.expansion
        self.expand = ConvNorm(stage.channels, wide, 1) if stage.expansion > 1 else None
        self.depthwise = ConvNorm(wide, wide, stage.kernel, stage.stride, groups=wide)
        self.project = ConvNorm(wide, stage.out, 1)
        self.residual = stage.stride == 1 and stage.channels == stage.out

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class Lite0(nn.Module):
    """The encoder; `frozen` first blocks (and the stem) run without gradients in training."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STAGES[0].channels, 3, stride=2)
        self.blocks = nn.ModuleList(Bottleneck(stage) for stage in STAGES)
        self.frozen = 0

    def freeze(self, blocks: int, *, filters_learn: bool = False) -> None:
        """Hold the stem and the first blocks as they are, and every block's spatial filters.

        Torch's gradient for depthwise filters takes a quarter of a training step on a CPU.
        """
        self.frozen = blocks
        self.stem.requires_grad_(blocks == 0)
        for index, block in enumerate(self.blocks):
            for name, parameter in block.named_parameters():
                filters = name == "depthwise.conv.weight"
                parameter.requires_grad_(index >= blocks and (filters_learn or not filters))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of x (n, 3, s, s)."""
        learning = torch.is_grad_enabled()
        taps = []
        with torch.set_grad_enabled(learning and self.frozen == 0):
            x = F.relu6(self.stem(x))
        for index, block in enumerate(self.blocks):
            with torch.set_grad_enabled(learning and index >= self.frozen):
                x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps
