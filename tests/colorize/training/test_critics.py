"""Critics: two kinds, their losses, and their files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from photochrom.colorize.errors import ModelError
from photochrom.colorize.training.critics import (
    CriticSettings,
    FeatureCritic,
    critic_loss,
    fooling_loss,
    make_critic,
)
from photochrom.colorize.training.features import FrozenEncoder
from photochrom.colorize.training.phases import CriticPhase
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.updates import CriticUpdate
from tests.colorize.training import tiny

KINDS = [CriticSettings(kind="patches", width=8), CriticSettings(kind="features", width=8)]


@pytest.fixture(autouse=True)
def _the_same_chance() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=KINDS, ids=lambda settings: settings.kind)
def settings(request: pytest.FixtureRequest) -> CriticSettings:
    return CriticSettings.model_validate(request.param)


class Opinion(nn.Module):
    """A critic that takes the mean of what it sees for its verdict."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture.mean((1, 2, 3))[:, None]


def test_each_patch_gets_a_verdict(settings: CriticSettings) -> None:
    critic = make_critic(settings).eval()
    picture = tiny.batch(2, 64).picture
    assert critic(picture).shape == (2, 1 if settings.kind == "patches" else 16**2 + 8**2 + 4 + 16)
    assert critic(picture).std() > 0


def test_a_critic_of_192_pixels_has_81_patches() -> None:
    critic = make_critic(KINDS[0]).eval()
    assert critic(torch.zeros(1, 3, 192, 192)).shape == (1, 81)


def test_the_loss_treats_both_alike() -> None:
    high, low = torch.full((2, 3, 4, 4), 3.0), torch.full((2, 3, 4, 4), -3.0)
    right, wrong = math.log1p(math.exp(-3)), math.log1p(math.exp(3))
    critic = Opinion()
    assert critic_loss(critic, high, low).item() == pytest.approx(right, rel=1e-5)
    assert critic_loss(critic, low, high).item() == pytest.approx(wrong, rel=1e-5)
    assert critic_loss(critic, high, high).item() == pytest.approx((right + wrong) / 2, rel=1e-5)
    assert fooling_loss(critic, high).item() == pytest.approx(right, rel=1e-5)
    assert fooling_loss(critic, low).item() == pytest.approx(wrong, rel=1e-5)


def test_what_is_made_hears_of_the_verdict(settings: CriticSettings) -> None:
    critic, made = make_critic(settings), tiny.batch(2, 64).picture
    for _ in range(5):  # at first spectral norms know nothing of their weights
        critic(made)
    critic.eval().requires_grad_(False)
    made.requires_grad_()
    fooling_loss(critic, made).backward()  # type: ignore[no-untyped-call]
    assert made.grad is not None
    assert made.grad.abs().sum() > 0


def test_it_learns_to_tell_and_its_encoder_never_does(settings: CriticSettings) -> None:
    networks = tiny.networks(
        tiny.recipe(
            critic=settings.model_dump(),
            critic_phases=[{**tiny.PHASE, "size": 64}],
            gan_phases=[{**tiny.GAN, "size": 64}],
        )
    )
    phase = CriticPhase.model_validate({**tiny.PHASE, "size": 64, "schedule": "constant"})
    update, batch = CriticUpdate(networks, phase, Team()), tiny.batch(2, 64)
    held = {
        f"{name}.{key}": value.clone()
        for name, part in networks.critic.named_modules()
        if isinstance(part, FrozenEncoder)
        for key, value in part.state_dict().items()
    }
    generator = {name: value.clone() for name, value in networks.generator.state_dict().items()}
    torch.manual_seed(0)
    losses = [update.step(batch, 0.5)["critic"] for _ in range(12)]
    assert sum(losses[-3:]) < sum(losses[:3])
    assert bool(held) == (settings.kind == "features")
    state = networks.critic.state_dict()
    assert all(torch.equal(state[name], value) for name, value in held.items())
    for name, value in networks.generator.state_dict().items():
        assert torch.equal(value, generator[name]), name


def test_a_critic_goes_on_from_its_file(settings: CriticSettings, tmp_path: Path) -> None:
    critic, file = make_critic(settings), tmp_path / "critic.pth"
    torch.save(critic.state_dict(), file)
    again = make_critic(settings.model_copy(update={"weights": str(file)}))
    picture = tiny.batch(1, 64).picture
    assert torch.equal(critic.eval()(picture), again.eval()(picture))
    for other in KINDS:
        if other != settings:
            with pytest.raises(ModelError, match="is not such a critic"):
                make_critic(other.model_copy(update={"weights": str(file)}))


def test_heads_take_each_picture_by_itself() -> None:
    critic = FeatureCritic(8).train()
    one, two = tiny.batch(1, 64).picture, tiny.batch(2, 64).picture
    with torch.no_grad():
        for _ in range(60):  # until its spectral norms stand still
            critic(one)
        assert torch.allclose(critic(two)[:1], critic(one), atol=1e-2)
