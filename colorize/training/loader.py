"""Batches in their order: which photographs, how cut and how aged, follows from numbers alone."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from photochrom.colorize.training.degrade import age
from photochrom.colorize.training.order import Order
from photochrom.colorize.training.phases import Phase
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.shelf import Shelf
from photochrom.colorize.training.squares import cut_all
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.trainable import Batch

AHEAD = 4  # batches whose photographs are being fetched


class Loader:
    """One worker's share of the batches of any phase, from any step on."""

    def __init__(
        self,
        shelf: Shelf,
        weights: NDArray[np.float64],
        recipe: Recipe,
        team: Team,
        device: torch.device,
        makers: int = 1,
    ) -> None:
        """`makers` threads cut and age squares, a batch each, while one is learned from."""
        self.shelf = shelf
        self.weights = weights
        self.recipe = recipe
        self.team = team
        self.device = device
        self.makers = makers

    def epoch_steps(self, phase: Phase) -> int:
        """Return how many steps show all photographs that take part about once."""
        photographs = len(self.weights) * phase.share
        return max(1, math.ceil(photographs / (phase.batch * self.team.workers)))

    def steps(self, phase: Phase) -> int:
        """Return how many steps a phase takes with so many photographs and workers."""
        photographs = len(self.weights) * phase.share * phase.epochs
        return max(1, math.ceil(photographs / (phase.batch * self.team.workers)))

    def batches(self, number: int, phase: Phase, start: int) -> Iterator[Batch]:
        """Yield a phase's batches from a step on; the next are made while one is learned from."""
        order = Order(self.weights, self.recipe.seed + number, phase.share)
        steps = range(start, self.steps(phase))
        with ThreadPoolExecutor(self.makers) as makers:
            coming = deque(
                makers.submit(self._make, order, number, phase, step)
                for step in steps[: self.makers]
            )
            for step in steps:
                batch, later = coming.popleft().result(), step + self.makers
                if later in steps:
                    coming.append(makers.submit(self._make, order, number, phase, later))
                yield batch

    def _make(self, order: Order, number: int, phase: Phase, step: int) -> Batch:
        random = np.random.default_rng((self.recipe.seed, number, step, self.team.rank))
        wanted, later = self._drawn(order, phase, step), self._drawn(order, phase, step + AHEAD)
        photos = self.shelf.take(wanted, later)
        rgb = self._here(cut_all(photos, self.recipe.crop, self.recipe.augment, phase.size, random))
        noise = torch.Generator().manual_seed(int(random.integers(2**62)))
        return Batch(rgb, age(rgb, self.recipe.degrade, noise))

    def _drawn(self, order: Order, phase: Phase, step: int) -> list[int]:
        """Return this worker's photographs of a step: workers take turns of a batch each."""
        first = (step * self.team.workers + self.team.rank) * phase.batch
        drawn: list[int] = order.at(first, phase.batch).tolist()
        return drawn

    def _here(self, part: torch.Tensor) -> torch.Tensor:
        if self.device.type == "cuda":
            part = part.pin_memory()
        return part.to(self.device, memory_format=torch.channels_last, non_blocking=True)
