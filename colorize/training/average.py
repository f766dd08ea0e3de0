"""The running average of a network's weights, which is steadier than the network itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all that a network holds; with decay 0 the network itself.

    `state` is a copy then only where there is a decay: DeOldify's networks are large.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state: dict[str, Tensor] = {
            name: value.detach().clone() if decay else value.detach()
            for name, value in network.state_dict().items()
        }

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move towards the network; quickly in the first steps."""
        self.steps += 1
        if not self.decay:
            return
        decay = min(self.decay, self.steps / (self.steps + 20))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    @torch.no_grad()
    def take(self, state: Mapping[str, Tensor]) -> None:
        """Go on from another average of the same network."""
        for name, value in self.state.items():
            value.copy_(state[name])
