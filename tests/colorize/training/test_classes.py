"""Colour classes: which there are, who is rare, and what a guess costs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from photochrom.colorize.training.classes import BIN, ColourClasses, colour_classes


def plain(*colour: int, side: int = 64) -> Tensor:
    return torch.tensor(colour, dtype=torch.uint8).expand(side, side, 3)


@pytest.fixture(scope="module")
def classes() -> ColourClasses:
    """Return the classes of nine grey photographs and a red one."""
    return colour_classes([plain(128, 128, 128)] * 9 + [plain(200, 40, 40)])


def logits_for(classes: ColourClasses, ab: Tensor, sure: float = 20.0) -> Tensor:
    """Return the logits of one who knows the nearest class."""
    nearest = torch.cdist(ab.permute(0, 2, 3, 1).flatten(0, 2), classes.centres).argmin(1)
    one_hot = torch.nn.functional.one_hot(nearest, len(classes.centres)).float() * sure
    return one_hot.view(len(ab), *ab.shape[2:], -1).permute(0, 3, 1, 2)


def test_classes_are_of_the_colours_that_occur(classes: ColourClasses) -> None:
    assert len(classes.centres) == 2
    grey, red = sorted(classes.centres.tolist())
    assert max(map(abs, grey)) <= BIN / 2
    assert red[0] > 40 < red[0]
    assert red[1] > 20


def test_the_rare_ones_weigh_more_and_the_mean_weight_is_one(classes: ColourClasses) -> None:
    at = int(classes.centres[:, 0].argmax())
    red, grey = float(classes.rarity[at]), float(classes.rarity[1 - at])
    assert red > 2 * grey
    assert 0.9 * grey + 0.1 * red == pytest.approx(1, abs=0.1)


def test_the_loss_falls_as_guesses_come_near(classes: ColourClasses) -> None:
    ab = classes.centres.T.reshape(1, 2, 1, 2).clone()
    losses = [float(classes(logits_for(classes, ab, sure), ab)) for sure in (-5.0, 0.0, 5.0, 20.0)]
    assert losses == sorted(losses, reverse=True)
    assert 0 <= losses[-1] < 0.1
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)
    classes(logits, ab).backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_the_same_photographs_give_the_same_classes(classes: ColourClasses) -> None:
    again = colour_classes([plain(128, 128, 128)] * 9 + [plain(200, 40, 40)])
    assert torch.equal(again.centres, classes.centres)
    assert torch.equal(again.rarity, classes.rarity)


def test_the_annealed_mean_lies_between_mean_and_mode(classes: ColourClasses) -> None:
    ab = classes.centres.T.reshape(1, 2, 1, 2).clone()
    sure = classes.annealed_mean(logits_for(classes, ab), 0.38)
    assert torch.allclose(sure, ab, atol=1e-3)
    unsure = classes.annealed_mean(torch.zeros(1, 2, 1, 1), 0.38)
    assert torch.allclose(unsure[0, :, 0, 0], classes.centres.mean(0))
