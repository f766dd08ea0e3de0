"""The running average of weights."""

from __future__ import annotations

import torch
from torch import nn

from photochrom.colorize.training.average import Average


def moved(network: nn.Linear, value: float) -> nn.Linear:
    with torch.no_grad():
        network.weight.fill_(value)
    return network


def test_it_follows_quickly_at_first_and_slowly_later() -> None:
    network = moved(nn.Linear(1, 1), 0.0)
    average = Average(network, 0.9)
    moved(network, 1.0)
    average.follow(network)
    assert average.state["weight"].item() == torch.tensor(20 / 21).item()
    for _ in range(400):
        average.follow(network)
    before = average.state["weight"].item()
    average.follow(moved(network, 2.0))
    assert 0.099 < average.state["weight"].item() - before < 0.101


def test_what_counts_is_copied() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, 0.9)
    network(torch.rand(4, 2))
    average.follow(network)
    assert average.state["num_batches_tracked"].item() == 1


def test_without_decay_it_is_the_network_and_takes_no_memory() -> None:
    network = moved(nn.Linear(1, 1), 0.0)
    average = Average(network, 0.0)
    average.follow(moved(network, 3.0))
    assert average.state["weight"].data_ptr() == network.weight.data_ptr()
    assert average.state["weight"].item() == 3.0
    assert not average.state["weight"].requires_grad


def test_another_average_is_taken_without_touching_it() -> None:
    network = moved(nn.Linear(1, 1), 0.0)
    average, other = Average(network, 0.5), Average(moved(nn.Linear(1, 1), 5.0), 0.5)
    average.take(other.state)
    assert average.state["weight"].item() == 5.0
    average.follow(network)
    assert other.state["weight"].item() == 5.0
