"""3x3 convolutions with fewer multiplications, for CPUs.

Winograd's minimal filtering makes m outputs of a 3-tap filter with m + 2 multiplications instead of
3 m. Take inputs d and taps g for the coefficients of two polynomials: their product is known from
its values at m + 2 points, one of them infinity, and a value of a product is a product of values.
Transposed, that computes a correlation:

    y = A^T [(G g) * (B^T d)]

Column i of A^T holds the powers of point i, row i of G the same over the product of its distances
to the others, row i of B^T the coefficients of the polynomial that has the other points for roots.
In two dimensions a tile of outputs takes the Kronecker products of two such sets. With channels,
what one place in the tile multiplies is, for many tiles at once, one matrix product
(tiles, c) @ (c, k). A tile of 4 x 4 outputs needs 36 of them in place of 144.

Sources: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2016. The points are not theirs (0, 1, -1, 2, -2): these halve the
error in bfloat16.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.filters import Filter

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity
OUTPUTS = len(POINTS) - 1  # on each side of a tile
SIDE = len(POINTS) + 1  # inputs on each side of a tile
STRIP = 512  # tiles worked on together: what lies between the products stays in cache
NARROWEST = 64  # channels below which the transforms cost more than they save

Matrix = NDArray[np.float64]


def transforms() -> tuple[Matrix, Matrix, Matrix]:
    """Return A^T (m, m + 2), G (m + 2, 3) and B^T (m + 2, m + 2)."""
    points = np.array(POINTS)
    answer, taps = np.zeros((OUTPUTS, SIDE)), np.zeros((SIDE, 3))
    inputs = np.zeros((SIDE, SIDE))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        answer[:, i] = point ** np.arange(OUTPUTS)
        taps[i] = point ** np.arange(3) / np.prod(point - others)
        inputs[i, :-1] = np.poly(others)[::-1]
    answer[-1, -1] = taps[-1, -1] = 1
    inputs[-1] = np.poly(points)[::-1]
    return answer, taps, inputs


def suits(filter: Filter) -> bool:
    """Say whether a filter can be done in tiles, and is worth it."""
    outputs, channels, *size = filter.weight.shape
    return size == [3, 3] and filter.stride == 1 and min(outputs, channels) >= NARROWEST


class TiledConv(nn.Module):
    """A same-size 3x3 convolution, by Winograd's tiles."""

    inputs: Tensor
    kernels: Tensor
    answer: Tensor
    bias: Tensor

    def __init__(self, filter: Filter, dtype: torch.dtype) -> None:
        super().__init__()
        answer, taps, inputs = transforms()
        left = torch.from_numpy(taps).to(filter.weight)
        kernels = torch.einsum("ia,kcab,jb->ijck", left, filter.weight, left)
        self.rectified = filter.rectified
        self.register_buffer("inputs", torch.from_numpy(np.kron(inputs, inputs)).to(dtype))
        self.register_buffer("kernels", kernels.flatten(0, 1).to(dtype).contiguous())  # (36, c, k)
        self.register_buffer("answer", torch.from_numpy(np.kron(answer, answer)).to(dtype))
        self.register_buffer("bias", filter.bias.to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, k, h, w) of x (n, c, h, w), both with channels last in memory."""
        count, _, height, width = x.shape
        down, across = -(-height // OUTPUTS), -(-width // OUTPUTS)  # tiles
        y = x.new_empty(count, down * OUTPUTS, across * OUTPUTS, len(self.bias))
        step = max(1, STRIP // (across * count))
        for first in range(0, down, step):
            last = min(first + step, down)
            tiles = _tiles(x.permute(0, 2, 3, 1), first, last, across)  # (36, tiles, c)
            made = self._products(tiles).view(OUTPUTS, OUTPUTS, count, last - first, across, -1)
            rows = y[:, first * OUTPUTS : last * OUTPUTS]
            rows.copy_(made.permute(2, 3, 0, 4, 1, 5).reshape(rows.shape))
        return y[:, :height, :width].permute(0, 3, 1, 2)

    def _products(self, tiles: Tensor) -> Tensor:
        """Return the outputs (4, 4, tiles, k) of tiles (36, tiles, c)."""
        seen = (self.inputs @ tiles.flatten(1)).view_as(tiles)
        made = torch.bmm(seen, self.kernels)  # (36, tiles, k)
        y = (self.answer @ made.flatten(1)).view(OUTPUTS, OUTPUTS, *made.shape[1:])
        y += self.bias
        return y.relu_() if self.rectified else y


def _tiles(pixels: Tensor, first: int, last: int, across: int) -> Tensor:
    """Return what tile rows [first, last) see of pixels (n, h, w, c): (36, tiles, c)."""
    count, height, width, channels = pixels.shape
    top, bottom = first * OUTPUTS - 1, last * OUTPUTS + 1
    rows = pixels[:, max(top, 0) : min(bottom, height)]
    right = across * OUTPUTS + 1 - width
    rows = F.pad(rows, (0, 0, 1, right, max(-top, 0), max(bottom - height, 0))).contiguous()
    photo, down, along, _ = rows.stride()
    return rows.as_strided(
        (SIDE, SIDE, count, last - first, across, channels),
        (down, along, photo, OUTPUTS * down, OUTPUTS * along, 1),
    ).reshape(SIDE * SIDE, -1, channels)
