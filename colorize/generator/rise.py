"""Doubling the resolution without detours, for inference."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STRIP = 4096  # pixels worked on together: what lies between the steps stays in cache


class Rise(nn.Module):
    """A pixel shuffle and its blur: whole pixels are copied, and means are sums.

    `conv` answers, rectified, with a quarter of the four pixels of each cell, in reading order, of
    `out` channels each; the blur's mean of four is then a sum.
    """

    def __init__(self, conv: nn.Module, out: int) -> None:
        super().__init__()
        self.conv, self.out = conv, out

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, out, 2 h, 2 w) of x (n, c, h, w)."""
        count, _, height, width = x.shape
        step = max(1, STRIP // (count * width)) if x.device.type == "cpu" else height
        strips = [
            self._strip(x, first, min(first + step, height)) for first in range(0, height, step)
        ]
        return torch.cat(strips, 1).permute(0, 3, 1, 2)

    def _strip(self, x: Tensor, first: int, last: int) -> Tensor:
        """Return rows [2 first, 2 last), each pixel the sum with its upper and left neighbours."""
        above = max(first - 1, 0)
        cells = self.conv(x[:, :, above:last]).permute(0, 2, 3, 1)[..., : 4 * self.out]
        upper, lower = cells.unflatten(-1, (2, 2, self.out)).unbind(3)  # (n, rows, w, 2, out)
        tall = _sums(upper, lower, 1)[:, 2 * (first - above) :]  # (n, 2 rows, w, 2, out)
        left, right = tall.unbind(3)
        return _sums(left, right, 2)  # (n, 2 rows, 2 w, out)


def _sums(even: Tensor, odd: Tensor, axis: int) -> Tensor:
    """Return both in turn along an axis, each added to the one before; the first, to itself."""
    count = even.shape[axis] - 1
    made = even.new_empty(*even.shape[: axis + 1], 2, *even.shape[axis + 1 :])
    firsts, seconds = made.unbind(axis + 1)
    start = even.narrow(axis, 0, 1)
    _add(start, start, firsts.narrow(axis, 0, 1))
    _add(odd.narrow(axis, 0, count), even.narrow(axis, 1, count), firsts.narrow(axis, 1, count))
    _add(even, odd, seconds)
    return made.flatten(axis, axis + 1)


def _add(one: Tensor, other: Tensor, out: Tensor) -> None:
    """Write a sum where it belongs: a compiler finds that way itself, and takes no such `out`."""
    if torch.compiler.is_compiling():
        out.copy_(one + other)
    else:
        torch.add(one, other, out=out)
