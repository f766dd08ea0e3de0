"""All that a training run is at one moment: written to disk, it can go on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.pocket import PocketNetwork
from photochrom.colorize.training.losses import ColourClasses

CHECKPOINT = "checkpoint.pt"


class Average:
    """The exponential moving average of a network's state; what is shipped."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Move towards the network; quickly in the first steps."""
        decay = min(self.decay, step / (step + 20))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


class TrainingState:
    """Network, auxiliary head, average, optimiser and how far the run has come."""

    def __init__(
        self, network: PocketNetwork, classes: ColourClasses, rate: float, decay: float
    ) -> None:
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.classes = classes
        self.average = Average(network, decay)
        encoder = [p for p in network.encoder.parameters() if p.requires_grad]
        fresh = [p for n, p in network.named_parameters() if not n.startswith("encoder.")]
        groups = [
            {"params": [*fresh, *classes.parameters()], "rate": rate},
            {"params": encoder, "rate": rate / 4},  # it has learned before
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), weight_decay=1e-2)
        self.step = 0
        self.seconds = 0.0

    def set_rate(self, share: float) -> None:
        """Set every group's learning rate to a share of its own peak."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * share

    def learn(self) -> None:
        """Take the optimiser's step on the gradients that are there, clipped."""
        parameters = [p for g in self.optimiser.param_groups for p in g["params"]]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.average.follow(self.network, self.step)

    def teach_mode(self) -> None:
        """Train, but keep the encoder's statistics of ImageNet."""
        self.network.train()
        self.network.encoder.eval()

    def save(self, folder: Path) -> None:
        """Write a checkpoint; a reader never sees half of one."""
        partial = folder / f".{CHECKPOINT}"
        torch.save(
            {
                "network": self.network.state_dict(),
                "classes": self.classes.state_dict(),
                "average": self.average.state,
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
            },
            partial,
        )
        partial.replace(folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """Go back to the folder's checkpoint; return whether there was one."""
        file = folder / CHECKPOINT
        if not file.exists():
            return False
        saved: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        average: dict[str, Tensor] = saved["average"]
        try:
            self.network.load_state_dict(saved["network"])
            self.classes.load_state_dict(saved["classes"])
            self.optimiser.load_state_dict(saved["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{file} is of another training: {error}") from error
        self.average.state = average
        self.step, self.seconds = saved["step"], saved["seconds"]
        return True
