"""The running average of a network's weights, which is steadier than the network itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all that a network holds; decay 0 follows at once."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move towards the network; quickly in the first steps."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 20))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point and decay:
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)
