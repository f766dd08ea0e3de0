from __future__ import annotations

from pathlib import Path

import torch

from photochrom.colorize.training.data import read_manifest, read_photos
from photochrom.colorize.training.losses import ColourClasses, Losses, chroma_error, unrest
from tests.colorize.training.tiny import shelf


def test_chroma_error_is_zero_at_the_truth_and_dearer_for_strong_colour() -> None:
    weak, strong = (torch.full((1, 2, 8, 8), chroma) for chroma in (5.0, 50.0))
    assert chroma_error(weak, weak, Losses()) == 0
    missed_weak = chroma_error(weak + 10, weak, Losses())
    missed_strong = chroma_error(strong + 10, strong, Losses())
    assert missed_strong > 1.5 * missed_weak > 0


def test_unrest_forgives_colour_that_changes_at_edges() -> None:
    ab = torch.zeros(1, 2, 32, 32)
    ab[..., 15:] = 20  # a grey edge there, none here
    grey = torch.zeros(1, 1, 32, 32)
    grey[..., 15:] = 1
    assert unrest(torch.full_like(ab, 20), grey, Losses()) == 0
    assert unrest(ab, torch.zeros_like(grey), Losses()) > 3 * unrest(ab, grey, Losses())


def test_colour_classes_cost_less_when_they_are_right(tmp_path: Path) -> None:
    rows = read_manifest(shelf(tmp_path), "train")
    torch.manual_seed(0)
    classes = ColourClasses(read_photos(tmp_path, [(row, 1.0) for row in rows]), 8)
    assert classes.centres.shape == (len(classes.rarity), 2)
    ab = classes.centres[0].reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    features = torch.randn(1, 8, 4, 4)
    unsure = classes(features, ab)
    with torch.no_grad():
        assert classes.head.bias is not None
        classes.head.bias[0] += 4.0
    assert classes(features, ab).item() < 0.6 * unsure.item()


def test_rare_colours_weigh_more_than_common_ones(tmp_path: Path) -> None:
    rows = read_manifest(shelf(tmp_path), "train")
    classes = ColourClasses(read_photos(tmp_path, [(row, 1.0) for row in rows]), 8)
    assert classes.rarity.max().item() > 1 > classes.rarity.min().item()
    assert classes.centres.abs().max().item() < 130
