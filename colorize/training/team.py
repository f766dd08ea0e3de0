"""The workers that learn together: what each knows of the others, through torch's process group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Team:
    """This worker's place among the workers; alone, nothing is sent anywhere."""

    rank: int = 0
    workers: int = 1

    @classmethod
    def here(cls, threads: int = 1) -> Team:
        """Return this process's place in its group, if there is one; it computes in `threads`."""
        torch.set_num_threads(threads)
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this is the worker that writes and measures."""
        return self.rank == 0

    def shared(self, module: nn.Module) -> nn.Module:
        """Return the module with its gradients averaged over the workers as they come."""
        learning = any(p.requires_grad for p in module.parameters())
        if self.workers == 1 or not learning:
            return module
        return DistributedDataParallel(module)

    def align(self, module: nn.Module) -> None:
        """Give every worker the leading one's statistics; each gathers them from its own squares.

        A worker that goes on from a checkpoint has the leading one's, so all have where one is
        written: else what follows would depend on who died when.
        """
        if self.workers > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, src=0)

    def mean(self, value: Tensor) -> float:
        """Return a scalar's mean over the workers, the same on each."""
        value = value.detach().clone()
        if self.workers > 1:
            distributed.all_reduce(value)
        return value.item() / self.workers

    def device(self) -> torch.device:
        """Return this worker's GPU where it was given one, else the CPU."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", torch.cuda.current_device())

    def told(self, value: Any) -> Any:
        """Return what the leading worker says, on every worker; it waits for all."""
        box = [value]
        if self.workers > 1:
            distributed.broadcast_object_list(box, src=0)
        return box[0]


def seed_step(*numbers: int) -> None:
    """Make torch's own chance, dropout's above all, follow from these numbers alone."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (1 << 62)
    torch.manual_seed(seed)
