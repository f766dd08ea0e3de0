"""What Pocket is taught by: chroma error, colour classes, and calm where the grey is calm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.colour import rgb_to_lab
from photochrom.colorize.training.data import Photos

BIN = 10.0  # the side of a colour class in a and b
BINS = 26  # along each axis, -130..130
NEIGHBOURS = 5  # a pixel's colour is shared among this many classes, as in Zhang et al. 2016
NEIGHBOUR_SIGMA = 5.0


@dataclass(frozen=True)
class Losses:
    """The weights of the terms."""

    chroma_base: float = 0.8
    chroma_divisor: float = 40.0  # saturated truth counts up to chroma_most times
    chroma_most: float = 3.0
    classes: float = 0.25
    calm: float = 0.1
    calm_edge: float = 12.0  # how fast a luma edge lifts the call for calm


class ColourClasses(nn.Module):
    """The auxiliary head: which of the seen colours a quarter-size pixel has; training only."""

    centres: Tensor
    rarity: Tensor

    def __init__(self, photos: Photos, channels: int) -> None:
        super().__init__()
        centres, rarity = colour_classes(photos)
        self.register_buffer("centres", torch.from_numpy(centres))  # (q, 2)
        self.register_buffer("rarity", torch.from_numpy(rarity))  # (q,)
        self.head = nn.Conv2d(channels, len(centres), 1)

    def forward(self, features: Tensor, ab: Tensor) -> Tensor:
        """Return the rebalanced cross entropy of features (n, c, h, w) against ab (n, 2, h, w)."""
        logits = self.head(features).float()
        log = torch.log_softmax(logits, 1).permute(0, 2, 3, 1).flatten(0, 2)  # (nhw, q)
        distance = torch.cdist(ab.permute(0, 2, 3, 1).flatten(0, 2), self.centres)
        near, which = distance.topk(min(NEIGHBOURS, len(self.centres)), 1, largest=False)
        share = torch.softmax(-(near**2) / (2 * NEIGHBOUR_SIGMA**2), 1)
        rarity = (self.rarity[which] * share).sum(1)
        missed: Tensor = -((log.gather(1, which) * share).sum(1) * rarity).mean()
        return missed


def colour_classes(photos: Photos) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the centres (q, 2) of the colours that occur and the weight (q,) of each."""
    counts = np.zeros((BINS, BINS))
    edge = BIN * BINS / 2
    for image in photos.images[:: max(1, len(photos) // 1500)]:
        lab = rgb_to_lab(image[::8, ::8].permute(2, 0, 1)[None].float() / 255)
        a, b = lab[0, 1:].flatten(1).numpy()
        counts += np.histogram2d(a, b, bins=BINS, range=[[-edge, edge], [-edge, edge]])[0]
    share = counts / counts.sum()
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.6**2))
    smooth = share
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel / kernel.sum(), "same")
    at = np.nonzero(share > 2e-5)
    prior = smooth[at] / smooth[at].sum()
    rarity = 1 / (0.5 * prior + 0.5 / len(prior))
    centres = np.stack(at, 1) * BIN - edge + BIN / 2
    return centres.astype(np.float32), (rarity / (prior * rarity).sum()).astype(np.float32)


def chroma_error(ab: Tensor, truth: Tensor, losses: Losses) -> Tensor:
    """Return the smooth L1 of ab against truth, both (n, 2, h, w), in tens of Lab units."""
    strength = torch.linalg.vector_norm(truth, dim=1, keepdim=True)
    weight: Tensor = (losses.chroma_base + strength / losses.chroma_divisor).clamp(
        max=losses.chroma_most
    )
    error: Tensor = F.smooth_l1_loss(ab / 10, truth / 10, reduction="none", beta=0.5)
    return (error * weight.clamp(max=losses.chroma_most)).mean()


def unrest(ab: Tensor, grey: Tensor, losses: Losses) -> Tensor:
    """Return how much ab (n, 2, h, w) varies where grey (n, 1, h, w) in 0..1 does not."""
    total = ab.new_zeros(())
    for _ in range(2):  # at this size, where halos show, and at a quarter, where blotches do
        for axis in (2, 3):
            calm = torch.exp(-losses.calm_edge * grey.diff(dim=axis).abs())
            total = total + (ab.diff(dim=axis).abs() / 10 * calm).mean()
        ab, grey = F.avg_pool2d(ab, 4), F.avg_pool2d(grey, 4)
    return total
