"""How a learning rate and Adam's first beta go through a phase.

Source: Smith, Super-Convergence, 2018, in the cosine form of the fastai 1.0 that DeOldify carries.
"""

from __future__ import annotations

import math

from photochrom.colorize.training.phases import Phase

START, END = 1 / 25, 1 / 25e4  # of the peak, before and after


def rate_share(phase: Phase, progress: float) -> float:
    """Return the learning rate at `progress` in 0..1, as a share of its peak."""
    if phase.schedule == "constant":
        return 1.0
    if progress < phase.warm_up:
        return _cosine(START, 1.0, progress / phase.warm_up)
    return _cosine(1.0, END, (progress - phase.warm_up) / (1 - phase.warm_up))


def first_beta(phase: Phase, progress: float) -> float:
    """Return Adam's first beta there: least where the rate is most."""
    most, least = phase.betas[0], phase.least_beta
    if least is None or phase.schedule == "constant":
        return most
    if progress < phase.warm_up:
        return _cosine(most, least, progress / phase.warm_up)
    return _cosine(least, most, (progress - phase.warm_up) / (1 - phase.warm_up))


def rates(phase: Phase, groups: int) -> list[float]:
    """Return each layer group's peak, first layers first, evenly in the logarithm."""
    if phase.first_rate is None or groups == 1:
        return [phase.rate] * groups
    step = (phase.rate / phase.first_rate) ** (1 / (groups - 1))
    return [phase.first_rate * step**group for group in range(groups)]


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, progress)))
