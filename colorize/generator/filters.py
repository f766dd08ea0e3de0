"""A convolution's numbers, apart from how it is computed, and the plain ways to compute it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EIGHT = 8  # channels that matrix units take together, at 16 bits


@dataclass(frozen=True, eq=False)
class Filter:
    """A same-padded convolution: weight (k, c, r, r) and bias (k,), before any rounding."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    rectified: bool = False


class MatrixConv(nn.Module):
    """A convolution as one matrix product, for CPUs.

    Torch's own puts the weights in another order on every call, which for 75 million of them and a
    few pixels took nine times as long as the product.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, filter: Filter, dtype: torch.dtype) -> None:
        super().__init__()
        self.size, self.stride = filter.weight.shape[-1], filter.stride
        self.rectified = filter.rectified
        rows = filter.weight.permute(0, 2, 3, 1).flatten(1)  # (k, r r c)
        self.register_buffer("weight", rows.to(dtype).contiguous())
        self.register_buffer("bias", filter.bias.to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, k, h / stride, w / stride) of x (n, c, h, w), rounded up."""
        patches = self._patches(x.permute(0, 2, 3, 1))  # (n, down, across, r r c)
        y = F.linear(patches.flatten(0, 2), self.weight, self.bias)
        y = y.relu_() if self.rectified else y
        return y.view(*patches.shape[:3], -1).permute(0, 3, 1, 2)

    def _patches(self, pixels: Tensor) -> Tensor:
        """Return what each output sees of pixels (n, h, w, c)."""
        reach = self.size // 2
        pixels = F.pad(pixels, (0, 0, reach, reach, reach, reach)).contiguous()
        count, height, width, channels = pixels.shape
        down, across = ((side - self.size) // self.stride + 1 for side in (height, width))
        photo, row, column, _ = pixels.stride()
        return pixels.as_strided(
            (count, down, across, self.size, self.size, channels),
            (photo, self.stride * row, self.stride * column, row, column, 1),
        ).reshape(count, down, across, -1)


class PlainConv(nn.Module):
    """Torch's own convolution, which is the fastest on GPUs.

    Their matrix units take channels in eights: zeros fill up the last ones, in the answer too. Left
    to cuDNN, that is done at every call, and took an eighth of DeOldify's time on an H200.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, filter: Filter, dtype: torch.dtype) -> None:
        super().__init__()
        out, channels, size, _ = filter.weight.shape
        more_out, more = -out % EIGHT, -channels % EIGHT
        self.stride, self.padding, self.rectified = filter.stride, size // 2, filter.rectified
        weight = F.pad(filter.weight, (0, 0, 0, 0, 0, more, 0, more_out))
        self.register_buffer("weight", weight.to(dtype))
        self.register_buffer("bias", F.pad(filter.bias, (0, more_out)).to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, k, h / stride, w / stride) of x (n, c, h, w), c filled up or not."""
        if missing := self.weight.shape[1] - x.shape[1]:
            x = F.pad(x, (0, 0, 0, 0, 0, missing))  # which copies x even for none
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return y.relu_() if self.rectified else y
