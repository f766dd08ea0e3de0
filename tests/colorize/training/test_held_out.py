"""Figures and sheets of photographs that nothing is learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.colour import rgb_to_lab
from photochrom.colorize.picture.marking.marks import read_marks
from photochrom.colorize.picture.printing.sheet import STRIP
from photochrom.colorize.training.held_out import HeldOut
from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.trainable import Answer, Batch, Trainable
from tests.colorize.training import tiny


class Painter(Trainable):
    """Knows the true colours, and gives a share of them."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.network = nn.Identity()
        self.share = share

    def forward(self, grey: Tensor, rgb: Tensor) -> Answer:
        mixed = torch.lerp(grey.expand_as(rgb), rgb, self.share)
        ab = F.avg_pool2d(rgb_to_lab(mixed)[:, 1:], 2)
        return Answer(Batch(mixed, grey).picture, ab)


@pytest.fixture(scope="module")
def networks() -> Networks:
    validation = {"size": 64, "photographs": 10, "figure": "kernel_distance", "shown": 3}
    return tiny.networks(
        tiny.recipe(content={"chroma": 1.0, "encoder": "lite0"}, validation=validation)
    )


@pytest.fixture(scope="module")
def held_out(networks: Networks) -> HeldOut:
    photos = [tiny.photo(100 + n) for n in range(10)]
    return HeldOut(photos, networks.recipe.validation, tiny.CPU)


def test_the_truth_is_perfect_and_grey_is_what_it_is_measured_by(
    held_out: HeldOut, networks: Networks
) -> None:
    true, half, grey = (held_out.measure(Painter(s), networks) for s in (1.0, 0.5, 0.0))
    assert true["mae"] == pytest.approx(0, abs=1e-3)
    assert true["kernel_distance"] == pytest.approx(0, abs=1e-5)
    assert true["content"] == pytest.approx(0, abs=1e-4)
    assert true["colourfulness"] == pytest.approx(1, abs=1e-3)
    assert grey["mae"] == pytest.approx(grey["mae_grey"], abs=0.1)
    for name in ("mae", "content", "kernel_distance"):
        assert true[name] < half[name] < grey[name]
    assert grey["colourfulness"] < 0.1 < half["colourfulness"] < 0.9


def test_figures_do_not_depend_on_who_asked_before(held_out: HeldOut, networks: Networks) -> None:
    first = held_out.measure(Painter(0.5), networks)
    held_out.measure(Painter(0.1), networks)
    torch.rand(3)
    assert held_out.measure(Painter(0.5), networks) == first


def test_a_sheet_shows_grey_painted_and_true(held_out: HeldOut, tmp_path: Path) -> None:
    held_out.sheet(Painter(0.0), tmp_path / "sheet.jpg")
    samples = np.array(Image.open(tmp_path / "sheet.jpg")).astype(int)
    assert samples.shape == (3 * 64 + STRIP, 3 * 64, 3)
    spread = [np.ptp(part, axis=2).mean() for part in np.split(samples[: 3 * 64], 3)]
    assert spread[0] < 3
    assert spread[1] < 3
    assert spread[2] > 20
    assert read_marks(tmp_path / "sheet.jpg").digital_source_type
    assert samples[3 * 64 :].min() < 100  # and in words, for people


def test_none_are_held_out() -> None:
    assert len(HeldOut([], tiny.recipe().validation, tiny.CPU)) == 0
