"""In which order photographs come: an endless row of epochs, each position a pure function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import SettingsError

_DECIMALS = 9  # of how often a photograph is expected: 0.9999999999 times is once
_CHOICE, _EPOCH = 1, 2  # of the two uses of chance, so that they never share numbers


class Order:
    """Draws photographs by weight, epoch after epoch; nothing of it needs to be saved.

    An epoch draws round(share * photographs) times. A photograph of weight w, relative to the
    mean of those that take part, comes w times in each epoch, rounded up or down by chance, so
    equal weights give permutations. A share below 1 lets the same photographs take part in every
    epoch of a seed. Those of weight 0 never come.
    """

    def __init__(self, weights: NDArray[np.float64], seed: int, share: float = 1.0) -> None:
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
            raise SettingsError("weights must be a row of numbers that are 0 or more")
        if not weights.any():
            raise SettingsError("no photographs: every weight is 0")
        if not 0 < share <= 1:
            raise SettingsError(f"share is {share}; it must be above 0 and at most 1")
        self.length = max(1, round(share * len(weights)))
        self._seed = seed
        self._chosen = self._choose(np.flatnonzero(weights), share)
        taking_part = weights[self._chosen]
        self._expected = np.round(taking_part / taking_part.sum() * self.length, _DECIMALS)
        self._current: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def at(self, start: int, count: int) -> NDArray[np.int64]:
        """Return the photographs at positions start, start + 1, ... start + count - 1."""
        parts = []
        while count > 0:
            number, place = divmod(start, self.length)
            part = self._epoch(number)[place : place + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _choose(self, photographs: NDArray[np.int64], share: float) -> NDArray[np.int64]:
        """Return those that take part, in their order."""
        count = max(1, round(share * len(photographs)))
        random = np.random.default_rng((self._seed, _CHOICE))
        return np.sort(random.permutation(photographs)[:count]) if share < 1 else photographs

    def _epoch(self, number: int) -> NDArray[np.int64]:
        current, drawn = self._current
        if current != number:
            random = np.random.default_rng((self._seed, _EPOCH, number))
            times = _resample(self._expected, self.length, random)
            drawn = random.permutation(np.repeat(self._chosen, times)).astype(np.int64)
            self._current = (number, drawn)
        return drawn


def _resample(
    expected: NDArray[np.float64], total: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Round expected times up or down so that they sum to `total`: systematic resampling."""
    times = np.floor(expected).astype(np.int64)
    left = total - int(times.sum())
    if left > 0:
        mixed = random.permutation(len(expected))  # else neighbours would shun each other
        reached = np.cumsum((expected - times)[mixed])
        steps = np.minimum(np.floor(reached * (left / reached[-1]) + random.random()), left)
        times[mixed] += np.diff(steps, prepend=0).astype(np.int64)
    return times
