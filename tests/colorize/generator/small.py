"""DeOldify's networks with few channels, a little trained: quick, and nothing in them trivial."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator import deoldify, resnet
from photochrom.colorize.generator.deoldify import DeOldify, Layout
from photochrom.colorize.generator.resnet import BasicBlock, Bottleneck
from tests.colorize.generator.reference import state_of

STEM = 16
LAYOUTS = {
    "deep": Layout(BasicBlock, (1, 2, 1, 1), deep=True),
    "wide": Layout(Bottleneck, (1, 2, 1, 1), deep=False),
}


def small_network(kind: str) -> DeOldify:
    """Return a network of either kind; its widest parts have 64 channels or more, as tiles need."""
    wide = deoldify.widths

    def narrower(layout: Layout, channels: int, skip: int, *, last: bool) -> tuple[int, int]:
        risen, out = wide(layout, channels, skip, last=last)
        return (risen, out) if layout.deep else (risen // 4, out // 4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "STEM", STEM)
        patch.setattr(deoldify, "widths", narrower)
        return DeOldify(LAYOUTS[kind])


def pictures(count: int, side: int, seed: int = 0) -> Tensor:
    """Return smooth pictures (n, 3, s, s), normalised as far as it matters."""
    dice = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, side // 8, side // 8, generator=dice)
    fine = torch.randn(count, 3, side, side, generator=dice)
    return F.interpolate(coarse, (side, side), mode="bilinear") + 0.2 * fine


def learn(network: nn.Module, steps: int, side: int = 64) -> list[float]:
    """Train a network towards one batch, and return the losses."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    given, wanted = pictures(3, side), pictures(3, side, seed=1).clamp(-2, 2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.l1_loss(network(given), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def trained_state(kind: str) -> dict[str, Tensor]:
    """Return seeded weights after a few more steps of training."""
    network = small_network(kind)
    network.load_state_dict(state_of(network, seed=2))
    learn(network.train(), 3)
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
