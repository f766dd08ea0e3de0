from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from photochrom.colorize.training.squares import Augment, Crop, cut, cut_all, stretch, trim

WHOLE = Crop(whole=1, whole_side=(1, 1), flip=0)
DEOLDIFY = Augment(rotation=10, zoom=1.2, warp=0.25, lighting=0.5)


def noise(height: int = 60, width: int = 80, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (height, width, 3), generator=random, dtype=torch.uint8)


def ramp(height: int = 64, width: int = 64) -> Tensor:
    """Return a photo whose red grows to the right and whose green grows downwards."""
    x = torch.linspace(0, 255, width).expand(height, width)
    y = torch.linspace(0, 255, height)[:, None].expand(height, width)
    return torch.stack([x, y, torch.full_like(x, 128)], 2).round().to(torch.uint8)


def one(photo: Tensor, crop: Crop, augment: Augment, seed: int = 0) -> Tensor:
    return cut(photo, crop, augment, 32, np.random.default_rng(seed))


@pytest.mark.parametrize("augment", [Augment(), DEOLDIFY])
@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (64, 64), (32, 33)])
def test_cuts_of_any_shape_are_squares_in_range(shape: tuple[int, int], augment: Augment) -> None:
    photo = noise(*shape)
    random = np.random.default_rng(0)
    for _ in range(30):
        square = cut(photo, Crop(), augment, 32, random)
        assert square.shape == (3, 32, 32)
        assert 0 <= square.min() <= square.max() <= 1


def test_what_is_cut_follows_from_the_random_state() -> None:
    photos = [noise(seed=seed) for seed in range(3)]
    drawn = [
        cut_all(photos, Crop(), DEOLDIFY, 32, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert drawn[0].shape == (3, 3, 32, 32)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_stretched_photo_keeps_its_values_and_fills_the_square() -> None:
    photo = torch.full((40, 90, 3), 51, dtype=torch.uint8)
    photo[:, 45:] = 204
    square = stretch(photo, 32)
    assert square[:, :, :14].mean().item() == pytest.approx(0.2, abs=0.01)
    assert square[:, :, 18:].mean().item() == pytest.approx(0.8, abs=0.01)


def test_by_default_nothing_is_done_but_cutting() -> None:
    assert torch.equal(one(noise(), WHOLE, Augment()), stretch(noise(), 32))
    flipped = one(noise(), WHOLE.model_copy(update={"flip": 1.0}), Augment())
    assert torch.equal(flipped, stretch(noise(), 32).flip(2))


def test_a_view_straight_ahead_is_the_square_itself() -> None:
    still = Augment(zoom=1 + 1e-9, zoom_chance=1)
    for crop in (WHOLE, Crop(flip=0)):
        for seed in range(5):
            plain, seen = (one(ramp(90, 70), crop, a, seed) for a in (Augment(), still))
            assert (plain - seen).abs().max() < 0.03


def test_a_rotation_turns_and_beyond_the_edge_lies_the_reflection() -> None:
    quarter = Augment(rotation=90, rotation_chance=1)
    found = [one(ramp(), WHOLE, quarter, seed) for seed in range(12)]
    across = [float((square[0, 16, 20] - square[0, 16, 12]) * 32 / 8) for square in found]
    down = [float((square[0, 20, 16] - square[0, 12, 16]) * 32 / 8) for square in found]
    lengths = np.hypot(across, down)
    assert lengths == pytest.approx(np.ones(12), abs=0.06)
    assert min(across) < 0.7
    bright = torch.full((64, 64, 3), 255, dtype=torch.uint8)
    assert one(bright, WHOLE, quarter).min() > 0.99


def test_a_zoom_shows_a_part_and_a_warp_slants() -> None:
    zoomed = [one(ramp(), WHOLE, Augment(zoom=3, zoom_chance=1), seed) for seed in range(8)]
    assert all(square[0, 0, -1] - square[0, 0, 0] < 0.95 for square in zoomed)
    assert min(float(square[0, 0, -1] - square[0, 0, 0]) for square in zoomed) < 0.6
    slanted = [one(ramp(), WHOLE, Augment(warp=0.25, warp_chance=1), seed) for seed in range(8)]
    widths = [square[0, row, -4] - square[0, row, 4] for square in slanted for row in (2, -3)]
    assert max(widths) - min(widths) > 0.1


def test_what_lies_outside_the_part_is_the_photo_where_there_is_one() -> None:
    photo = ramp(96, 96)
    middle = Crop(whole=0, part_side=(0.4, 0.4), ratio=0, flip=0)
    square = one(photo, middle, Augment(rotation=45, rotation_chance=1), 3)
    signs = square[0].diff(dim=1).sign()  # a reflection would turn the ramp round
    assert (signs == signs[16, 16]).float().mean() > 0.95


def test_light_changes_brightness_and_contrast_but_no_place() -> None:
    light = Augment(lighting=0.5, lighting_chance=1)
    plain = one(ramp(), WHOLE, Augment())
    means = []
    for seed in range(20):
        square = one(ramp(), WHOLE, light, seed)
        assert (square[0].diff(dim=1) >= 0).all()
        means.append(float(square[2].mean()))
    assert min(means) < float(plain[2].mean()) - 0.1
    assert max(means) > float(plain[2].mean()) + 0.1


def test_chances_hold() -> None:
    never = DEOLDIFY.model_copy(
        update={f"{name}_chance": 0.0 for name in ("rotation", "zoom", "warp", "lighting")}
    )
    assert torch.equal(one(noise(), WHOLE, never), stretch(noise(), 32))
    often = Augment(rotation=10)
    same = [torch.equal(one(noise(), WHOLE, often, n), stretch(noise(), 32)) for n in range(200)]
    assert 0.15 < np.mean(same) < 0.35


def framed(top: int, left: int) -> Tensor:
    photo = noise(80, 96)
    photo[:top], photo[:, :left] = 5, 9
    return photo


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 0), (1, 5), (9, 11)])
def test_dark_borders_are_cut_off_and_one_line_more(top: int, left: int) -> None:
    cut_off = [lines + 1 if lines else 0 for lines in (top, left)]
    trimmed = trim(framed(top, left))
    assert torch.equal(trimmed, framed(top, left)[cut_off[0] :, cut_off[1] :])


def test_no_more_than_an_eighth_is_cut_off() -> None:
    assert trim(torch.zeros(80, 160, 3, dtype=torch.uint8)).shape == (58, 118, 3)
    assert trim(torch.zeros(4, 4, 3, dtype=torch.uint8)).shape == (4, 4, 3)


def test_a_dark_edge_of_a_picture_is_no_border() -> None:
    photo = noise(80, 96) // 3
    assert trim(photo).shape == (80, 96, 3)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Crop, {"whole_side": (0.9, 0.5)}),
        (Crop, {"part_side": (0.0, 1.0)}),
        (Crop, {"flip": 1.5}),
        (Augment, {"zoom": 0.5}),
        (Augment, {"rotate": 10}),
    ],
)
def test_settings_that_cannot_be_are_refused(model: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**values)


def test_every_setting_says_what_it_is() -> None:
    for model in (Crop, Augment):
        assert all(field.description for field in model.model_fields.values())
