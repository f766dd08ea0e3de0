from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from photochrom.colorize.training.degrade import Degrade, age, luma

CALM = {"emulsion": 0.0, "tone": 0.0, "grain": 0.0, "soft": 0.0}
NEW = ("uneven", "fade", "blur", "scratches", "dust", "blocks", "speckle")


def noise(count: int = 16, size: int = 48) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def smooth(count: int = 16, size: int = 48) -> Tensor:
    steps = torch.linspace(0.2, 0.8, size)
    return ((steps[:, None] + steps) / 2).expand(count, 3, size, size).contiguous()


def aged(rgb: Tensor, seed: int = 1, **settings: object) -> Tensor:
    degrade = Degrade.model_validate(CALM | settings)
    return age(rgb, degrade, torch.Generator().manual_seed(seed))


def test_age_is_grey_within_range_and_often_not_the_luma() -> None:
    rgb = noise(32)
    grey = age(rgb, Degrade(), torch.Generator().manual_seed(1))
    assert grey.shape == (32, 1, 48, 48)
    assert 0 <= grey.min() <= grey.max() <= 1
    changed = ((grey - luma(rgb)).abs().amax((1, 2, 3)) > 1e-4).float().mean()
    assert 0.5 < changed < 1
    assert torch.equal(grey, age(rgb, Degrade(), torch.Generator().manual_seed(1)))


def test_without_degrading_age_is_the_luma() -> None:
    assert torch.equal(aged(noise()), luma(noise()))


@pytest.mark.parametrize("kind", NEW)
def test_a_kind_of_wear_is_off_unless_asked_for_and_then_as_often_as_asked(kind: str) -> None:
    assert Degrade.model_fields[kind].default == 0
    rgb = noise(64)
    for chance, least, most in ((1.0, 0.95, 1.0), (0.5, 0.25, 0.75)):
        found = aged(rgb, **{kind: chance})
        assert found.shape == (64, 1, 48, 48)
        share = ((found - luma(rgb)).abs().amax((1, 2, 3)) > 1e-3).float().mean()
        assert least <= share <= most
        if kind != "speckle":
            assert -1e-6 <= found.min() <= found.max() <= 1 + 1e-6
    assert torch.equal(aged(rgb, **{kind: 1.0}), aged(rgb, **{kind: 1.0}))
    assert not torch.equal(aged(rgb, **{kind: 1.0}), aged(rgb, 2, **{kind: 1.0}))


def test_fading_raises_blacks_and_sinks_whites() -> None:
    rgb = torch.zeros(40, 3, 8, 8)
    rgb[..., 4:] = 1
    faded = aged(rgb, fade=1.0, fade_strength=0.3)
    black, white = faded[..., 0].flatten(), faded[..., -1].flatten()
    assert 0 <= black.min() < 0.05 < 0.25 < black.max() <= 0.3
    assert 0.7 <= white.min() < 0.75 < 0.95 < white.max() <= 1


def test_blurs_differ_and_keep_the_mean_of_what_is_flat() -> None:
    rgb = noise(12)
    unrest = aged(rgb, blur=1.0).diff(dim=3).abs().mean((1, 2, 3))
    before = luma(rgb).diff(dim=3).abs().mean()
    assert unrest.max() < 0.8 * before
    assert unrest.min() < 0.5 * unrest.max()
    flat = torch.full((4, 3, 32, 32), 0.3)
    assert torch.allclose(aged(flat, blur=1.0), luma(flat), atol=1e-5)


def test_light_falls_off_and_never_brightens() -> None:
    rgb = torch.full((32, 3, 32, 32), 0.8)
    light = aged(rgb, uneven=1.0, uneven_strength=0.6) / 0.8
    assert light.max() <= 1 + 1e-5
    assert 0.4 - 1e-5 <= light.min() < 0.55
    assert (light.amax((1, 2, 3)) - light.amin((1, 2, 3)) > 0.05).float().mean() > 0.7


@pytest.mark.parametrize(("kind", "most"), [("scratches", 0.25), ("dust", 0.35)])
def test_scratches_and_dust_change_little_but_strongly(kind: str, most: float) -> None:
    rgb = torch.full((32, 3, 64, 64), 0.5)
    change = aged(rgb, **{kind: 1.0}) - 0.5
    touched = change.abs() > 0.05
    assert 0 < touched.float().mean() < most / 3
    assert touched.float().mean((1, 2, 3)).max() < most
    assert change.max() > 0.25
    assert change.min() < -0.25


def test_blocks_are_eight_pixels_wide_and_rougher_at_less_quality() -> None:
    rgb = smooth() + 0.05 * (noise() - 0.5)
    rough, fine = (
        aged(rgb, blocks=1.0, blocks_quality=(quality, quality + 0.1)) for quality in (5.0, 90.0)
    )
    off = [(found - luma(rgb)).abs().mean() for found in (rough, fine)]
    assert off[0] > 3 * off[1] > 0
    steps = rough.diff(dim=3).abs().mean((0, 1, 2))
    inside = [float(steps[i]) for i in range(47) if i % 8 != 7]
    assert float(steps[7::8].mean()) > 2 * sum(inside) / len(inside)
    odd = noise(2, 45)
    assert aged(odd, blocks=1.0).shape == (2, 1, 45, 45)


def test_speckle_is_the_video_recipe_s() -> None:
    rgb = torch.full((200, 3, 40, 40), 0.02)
    levels = (aged(rgb, speckle=1.0) - luma(rgb)) * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    changed = (levels.abs() > 0.5).float().mean((1, 2, 3))
    assert changed.min() < 0.03
    assert 0.28 < changed.max() <= 0.4
    assert 0.13 < changed.mean() < 0.2  # 20% drawn, some of them twice, one in sixty by nothing
    assert levels.min() < -29.5  # below black: not clipped
    few = rgb[..., :30, :30]  # at most one pixel of 900
    once = (aged(few, speckle=1.0, speckle_share=(0.001, 0.002)) - luma(few)) * 255
    assert -30.001 < once.min() < -25
    assert 25 < once.max() < 29.001


@pytest.mark.parametrize(
    "values",
    [{"fades": 0.5}, {"fade": 1.5}, {"blur_radius": (2.0, 1.0)}, {"emulsion_shape": (0, 1, 1)}],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Degrade.model_validate(values)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Degrade.model_fields.values())
