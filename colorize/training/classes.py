"""Colour classes: which of the colours in photographs a pixel has; the rare ones weigh more.

Source: Zhang et al., Colorful Image Colorization, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photochrom.colorize.generator.colour import rgb_to_lab

BIN = 10.0  # the side of a colour class in a and b
BINS = 26  # along each axis, -130..130
NEIGHBOURS = 5  # a pixel's colour is shared among this many classes
NEIGHBOUR_SIGMA = 5.0
RAREST = 2e-5  # the share of pixels that makes a class


class ColourClasses(nn.Module):
    """The rebalanced cross entropy against the classes of the true colours."""

    centres: Tensor
    rarity: Tensor

    def __init__(self, centres: NDArray[np.float32], rarity: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("centres", torch.from_numpy(centres))  # (q, 2)
        self.register_buffer("rarity", torch.from_numpy(rarity))  # (q,)

    def forward(self, logits: Tensor, ab: Tensor) -> Tensor:
        """Return the loss of logits (n, q, h, w) against the true ab (n, 2, h, w)."""
        log = torch.log_softmax(logits.float(), 1).permute(0, 2, 3, 1).flatten(0, 2)  # (nhw, q)
        distance = torch.cdist(ab.permute(0, 2, 3, 1).flatten(0, 2), self.centres)
        near, which = distance.topk(min(NEIGHBOURS, len(self.centres)), 1, largest=False)
        share = torch.softmax(-(near**2) / (2 * NEIGHBOUR_SIGMA**2), 1)
        rarity = (self.rarity[which] * share).sum(1)
        missed: Tensor = -((log.gather(1, which) * share).sum(1) * rarity).mean()
        return missed

    def annealed_mean(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the ab (n, 2, h, w) that logits (n, q, h, w) name, between mean and mode."""
        share = torch.softmax(logits.float() / temperature, 1)
        return torch.einsum("nqhw,qc->nchw", share, self.centres)


def colour_classes(photos: Sequence[Tensor]) -> ColourClasses:
    """Return the classes (q) of the colours that occur in photographs (h, w, 3) uint8."""
    counts = np.zeros((BINS, BINS))
    edge = BIN * BINS / 2
    for photo in photos:
        lab = rgb_to_lab(photo[::8, ::8].permute(2, 0, 1)[None].float() / 255)
        a, b = lab[0, 1:].flatten(1).numpy()
        counts += np.histogram2d(a, b, bins=BINS, range=[[-edge, edge], [-edge, edge]])[0]
    share = counts / counts.sum()
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.6**2))
    smooth = share
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel / kernel.sum(), "same")
    at = np.nonzero(share > RAREST)
    prior = smooth[at] / smooth[at].sum()
    rarity = 1 / (0.5 * prior + 0.5 / len(prior))
    centres = np.stack(at, 1) * BIN - edge + BIN / 2
    return ColourClasses(
        centres.astype(np.float32), (rarity / (prior * rarity).sum()).astype(np.float32)
    )
