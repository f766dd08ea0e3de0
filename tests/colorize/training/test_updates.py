"""Single steps of each kind of phase: who learns, from what, and whose turn is next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.phases import CriticPhase, GanPhase, GeneratorPhase, Phase
from photochrom.colorize.training.team import Team, seed_step
from photochrom.colorize.training.updates import (
    CriticUpdate,
    GanUpdate,
    GeneratorUpdate,
    Learning,
    Update,
    update_for,
)
from tests.colorize.generator.small import small_network
from tests.colorize.training import tiny

GENERATOR = GeneratorPhase.model_validate({**tiny.PHASE, "schedule": "constant"})
CRITIC = CriticPhase.model_validate({**tiny.PHASE, "schedule": "constant"})


def gan(**changes: Any) -> GanPhase:
    return GanPhase.model_validate({**tiny.GAN, **changes})


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def moved(network: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}


@pytest.fixture
def networks() -> Networks:
    return tiny.networks(tiny.recipe())


@pytest.fixture
def artistic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Networks:
    """Return the networks of a small DeOldify generator."""
    monkeypatch.setattr(f"{Networks.__module__}.DeOldify", lambda _: small_network("deep"))
    torch.manual_seed(0)
    torch.save(small_network("deep").state_dict(), tmp_path / "start.pth")
    phase = {**tiny.PHASE, "size": 64}
    return tiny.networks(
        tiny.recipe(
            family="artistic",
            start=str(tmp_path / "start.pth"),
            average=0.0,
            content={"pixels": 1.0},
            critic={"kind": "patches", "width": 8},
            generator_phases=[phase],
            critic_phases=[phase],
            gan_phases=[{**tiny.GAN, "size": 64}],
        )
    )


def test_the_generators_loss_falls(networks: Networks) -> None:
    update, batch = GeneratorUpdate(networks, GENERATOR, Team()), tiny.batch()
    losses = [sum(update.step(batch, 0.5).values()) for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_average_follows(networks: Networks) -> None:
    update, batch = GeneratorUpdate(networks, GENERATOR, Team()), tiny.batch()
    before = {name: value.clone() for name, value in networks.average.state.items()}
    update.step(batch, 0.5)
    decay = 1 / 21  # of a first step
    for name, value in networks.generator.network.state_dict().items():
        if value.is_floating_point():
            wanted = torch.lerp(before[name], value, 1 - decay)
            assert torch.allclose(networks.average.state[name], wanted, atol=1e-6)
    assert networks.average.steps == 1


def test_held_layers_stay_where_they_are(networks: Networks) -> None:
    phase = GENERATOR.model_copy(update={"frozen": True})
    before, network = weights(networks.generator), networks.generator
    update, batch = GeneratorUpdate(networks, phase, Team()), tiny.batch()
    update.step(batch, 0.5)
    changed = moved(network, before)
    assert changed
    assert not any(name.startswith("network.encoder.") for name in changed)
    GeneratorUpdate(networks, GENERATOR, Team()).step(batch, 0.5)
    assert any(name.startswith("network.encoder.") for name in moved(network, before))


def test_deoldifys_encoder_is_held_but_for_its_norms(artistic: Networks) -> None:
    phase = GENERATOR.model_copy(update={"frozen": True})
    norms = {n for n, m in artistic.generator.named_modules() if isinstance(m, nn.BatchNorm2d)}
    before = weights(artistic.generator)
    GeneratorUpdate(artistic, phase, Team()).step(tiny.batch(2, 64), 0.5)
    changed = {n for n in moved(artistic.generator, before) if n.startswith("network.layers.0.")}
    assert changed
    assert {name.rpartition(".")[0] for name in changed} <= norms


def test_deoldify_can_be_looked_at_between_steps(artistic: Networks) -> None:
    update, batch = GeneratorUpdate(artistic, GENERATOR, Team()), tiny.batch(2, 64)
    update.step(batch, 0.5)
    before = weights(artistic.generator)
    with artistic.shown() as generator, torch.no_grad():
        assert not generator.training
        generator(batch.grey, batch.rgb)
    assert not moved(artistic.generator, before)
    update.step(batch, 0.5)
    assert moved(artistic.generator, before)


def test_what_is_shown_has_the_averaged_weights_and_learning_goes_on(networks: Networks) -> None:
    update, batch = GeneratorUpdate(networks, GENERATOR, Team()), tiny.batch()
    update.step(batch, 0.5)
    before = weights(networks.generator)
    with networks.shown() as generator:
        for name, value in generator.network.state_dict().items():
            assert torch.equal(value, networks.average.state[name])
    assert not moved(networks.generator, before)
    update.step(batch, 0.5)
    assert moved(networks.generator, before)


def test_the_critic_learns_alone(networks: Networks) -> None:
    generator, critic = weights(networks.generator), weights(networks.critic)
    statistics = {name: value.clone() for name, value in networks.generator.named_buffers()}
    losses = CriticUpdate(networks, CRITIC, Team()).step(tiny.batch(), 0.5)
    assert losses.keys() == {"critic"}
    assert moved(networks.critic, critic)
    assert not moved(networks.generator, generator)
    assert all(torch.equal(v, statistics[n]) for n, v in networks.generator.named_buffers())


# --- in turn -------------------------------------------------------------------------------------


class AdaptiveGANSwitcher:
    """Whose turn it is, as the switcher of the library that DeOldify carries decides it."""

    def __init__(self, generator: float | None, critic: float | None) -> None:
        self.gen_mode = False
        self.thresholds = {True: generator, False: critic}

    def on_batch_end(self, last_loss: float) -> None:
        threshold = self.thresholds[self.gen_mode]
        if threshold is None or last_loss < threshold:
            self.gen_mode = not self.gen_mode


@pytest.mark.parametrize("generator_threshold", [None, 0.0, 3.1, 99.0])
@pytest.mark.parametrize("critic_threshold", [None, 0.0, 0.69, 99.0])
def test_whose_turn_it_is(
    networks: Networks, critic_threshold: float | None, generator_threshold: float | None
) -> None:
    phase = gan(
        critic_threshold=critic_threshold,
        generator_threshold=generator_threshold,
        critic_weight=0.5,
        content_weight=2.0,
    )
    update, switcher = (
        GanUpdate(networks, phase, Team()),
        AdaptiveGANSwitcher(generator_threshold, critic_threshold),
    )
    for step in range(8):
        seed_step(0, step)
        learners = weights(networks.generator), weights(networks.critic)
        losses = update.step(tiny.batch(), 0.5)
        assert ("fooling" in losses) == switcher.gen_mode
        assert ("critic" in losses) == (not switcher.gen_mode)
        assert bool(moved(networks.generator, learners[0])) == switcher.gen_mode
        assert bool(moved(networks.critic, learners[1])) == (not switcher.gen_mode)
        content = sum(loss for name, loss in losses.items() if name not in ("fooling", "critic"))
        total = 0.5 * losses.get("fooling", 0.0) + 2.0 * content
        switcher.on_batch_end(total if switcher.gen_mode else losses["critic"])
        assert update.generators_turn == switcher.gen_mode


def test_both_thresholds_were_met_now_and_then(networks: Networks) -> None:
    """Guard the numbers of the test above: with them turns do change by the loss."""
    update = GanUpdate(networks, gan(critic_threshold=0.69), Team())
    seen = []
    for step in range(8):
        seed_step(0, step)
        seen.append(update.step(tiny.batch(), 0.5).get("critic", 1.0))
    assert any(loss < 0.69 for loss in seen)


def test_the_verdict_teaches_the_generator(networks: Networks) -> None:
    phase = gan(content_weight=0.0, critic_weight=1.0, critic_threshold=None, frozen=False)
    update, before = GanUpdate(networks, phase, Team()), weights(networks.generator)
    update.step(tiny.batch(), 0.5)
    critic = weights(networks.critic)
    losses = update.step(tiny.batch(), 0.5)
    assert losses["fooling"] > 0
    assert moved(networks.generator, before)
    assert not moved(networks.critic, critic)
    update.step(tiny.batch(), 0.5)
    assert moved(networks.critic, critic)


def test_the_critics_rate_is_a_multiple(networks: Networks) -> None:
    update = GanUpdate(networks, gan(rate=1e-4, critic_rate_factor=5.0), Team())
    update.step(tiny.batch(), 0.5)
    assert update.critic.learning.optimiser.param_groups[0]["lr"] == pytest.approx(5e-4)
    update.step(tiny.batch(), 0.5)
    assert update.learning.optimiser.param_groups[-1]["lr"] == pytest.approx(1e-4)


# --- the optimiser -------------------------------------------------------------------------------


def test_rates_and_betas_follow_the_phase() -> None:
    groups = [[nn.Parameter(torch.ones(2))] for _ in range(3)]
    phase = GeneratorPhase.model_validate(
        {
            **tiny.PHASE,
            "first_rate": 1e-5,
            "warm_up": 0.5,
            "betas": (0.95, 0.99),
            "least_beta": 0.85,
        }
    )
    learning = Learning(groups, phase)
    for progress, share, beta in ((0.0, 1 / 25, 0.95), (0.5, 1.0, 0.85)):
        loss = torch.stack([p.sum() for group in groups for p in group]).sum()
        learning.step(loss, progress)
        told = learning.optimiser.param_groups
        assert [one["lr"] for one in told] == pytest.approx([s * share for s in (1e-5, 1e-4, 1e-3)])
        assert {one["betas"] for one in told} == {(beta, 0.99)}
        assert {one["weight_decay"] for one in told} == {1e-3}


def test_long_gradients_are_shortened() -> None:
    parameter = nn.Parameter(torch.zeros(4))
    phase = GENERATOR.model_copy(update={"longest_gradient": 1.0})
    Learning([[parameter]], phase).step((parameter * 1000).sum(), 0.5)
    assert parameter.grad is not None
    assert parameter.grad.norm().item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize(
    "phase", [GENERATOR, CRITIC, gan(critic_threshold=None)], ids=lambda p: p.kind
)
def test_another_update_goes_on_where_one_stopped(phase: Phase, tmp_path: Path) -> None:
    def step(update: Update, number: int) -> dict[str, float]:
        seed_step(number)
        return update.step(tiny.batch(), 0.3)

    unbroken = tiny.networks(tiny.recipe())
    update = update_for(unbroken, phase, Team())
    for number in range(3):
        step(update, number)
    other = tiny.networks(tiny.recipe(seed=5))
    follower = update_for(other, phase, Team())
    torch.save({"networks": unbroken.state(), "update": update.state()}, tmp_path / "state.pt")
    kept = torch.load(tmp_path / "state.pt", weights_only=True)
    other.resume(kept["networks"])
    follower.resume(kept["update"])
    for number in range(3, 6):
        assert step(update, number) == step(follower, number)
    for name, value in unbroken.average.state.items():
        assert torch.equal(value, other.average.state[name])
