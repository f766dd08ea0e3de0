"""One step of each kind of phase, and what of it must be remembered between steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from photochrom.colorize.training.critics import critic_loss, fooling_loss
from photochrom.colorize.training.features import FrozenEncoder
from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.phases import CriticPhase, GanPhase, GeneratorPhase, Phase
from photochrom.colorize.training.schedule import first_beta, rate_share, rates
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.trainable import Answer, Batch

Losses = dict[str, float]


class Learning:
    """An optimiser over layer groups, whose rates and beta follow the phase."""

    def __init__(self, groups: list[list[nn.Parameter]], phase: Phase, factor: float = 1.0) -> None:
        self.phase = phase
        learning = [[p for p in group if p.requires_grad] for group in groups]
        peaks = [rate * factor for rate in rates(phase, len(groups))]
        told = [
            {"params": group, "peak": peak}
            for group, peak in zip(learning, peaks, strict=True)
            if group
        ]
        self.optimiser = torch.optim.AdamW(
            told, lr=peaks[-1], betas=phase.betas, weight_decay=phase.weight_decay
        )

    def step(self, loss: Tensor, progress: float) -> None:
        """Follow the loss downhill once, as far as the phase's progress allows."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.phase.longest_gradient is not None:
            parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.phase.longest_gradient)
        share, beta = rate_share(self.phase, progress), first_beta(self.phase, progress)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share
            group["betas"] = (beta, self.phase.betas[1])
        self.optimiser.step()


class Update:
    """What a phase does with each batch; the state is what a checkpoint keeps of it."""

    def step(self, batch: Batch, progress: float) -> Losses:
        """Learn from a batch and return the losses by name."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return what another update of this phase needs to go on."""
        raise NotImplementedError

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        raise NotImplementedError


class GeneratorUpdate(Update):
    """The generator learns from the content loss."""

    def __init__(self, networks: Networks, phase: GeneratorPhase, team: Team) -> None:
        self.networks = networks
        networks.generator.hold(phase.frozen)
        self.generator = team.shared(networks.generator)
        self.learning = Learning(networks.generator.groups(), phase)

    def step(self, batch: Batch, progress: float) -> Losses:
        """Compare the answer with the truth, term by term."""
        self.networks.generator.train()
        with self.networks.arithmetic():
            answer = self.generator(batch.grey, batch.rgb)
            terms = self.networks.content(answer, batch)
        self.learning.step(torch.stack(list(terms.values())).sum(), progress)
        self.networks.average.follow(self.networks.generator.network)
        return {name: term.item() for name, term in terms.items()}

    def state(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return {"generator": self.learning.optimiser.state_dict()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take the optimiser's state."""
        self.learning.optimiser.load_state_dict(state["generator"])


class CriticUpdate(Update):
    """The critic learns to tell photographs from what the still generator makes of their grey."""

    def __init__(self, networks: Networks, phase: Phase, team: Team, factor: float = 1.0) -> None:
        self.networks = networks
        self.team = team
        self.let_learn()
        self.critic = team.shared(networks.critic)
        self.learning = Learning([list(networks.critic.parameters())], phase, factor)

    def let_learn(self) -> None:
        """Let every weight of the critic learn, but none of a frozen encoder's."""
        self.networks.critic.requires_grad_(True)
        for part in self.networks.critic.modules():
            if isinstance(part, FrozenEncoder):
                part.requires_grad_(False)

    def step(self, batch: Batch, progress: float) -> Losses:
        """Let the critic judge both; the loss is the same on every worker."""
        self.networks.generator.eval()
        self.networks.critic.train()
        with self.networks.arithmetic():
            with torch.no_grad():
                made = self.networks.generator(batch.grey, batch.rgb).picture
            loss = critic_loss(self.critic, batch.picture, made)
        self.learning.step(loss, progress)
        return {"critic": self.team.mean(loss)}

    def state(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return {"critic": self.learning.optimiser.state_dict()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take the optimiser's state."""
        self.learning.optimiser.load_state_dict(state["critic"])


class GanUpdate(Update):
    """Critic and generator in turn; thresholds on their losses decide whose turn it is."""

    def __init__(self, networks: Networks, phase: GanPhase, team: Team) -> None:
        self.networks = networks
        self.phase = phase
        self.team = team
        networks.generator.hold(phase.frozen)
        self.generator = team.shared(networks.generator)
        self.learning = Learning(networks.generator.groups(), phase)
        self.critic = CriticUpdate(networks, phase, team, phase.critic_rate_factor)
        self.generators_turn = False

    def step(self, batch: Batch, progress: float) -> Losses:
        """Let whose turn it is learn, and decide whose is next."""
        if not self.generators_turn:
            losses = self.critic.step(batch, progress)
            threshold = self.phase.critic_threshold
            self.generators_turn = threshold is None or losses["critic"] < threshold
            return losses
        losses, total = self._teach_generator(batch, progress)
        threshold = self.phase.generator_threshold
        self.generators_turn = threshold is not None and total >= threshold
        return losses

    def _teach_generator(self, batch: Batch, progress: float) -> tuple[Losses, float]:
        networks, phase = self.networks, self.phase
        networks.generator.train()
        networks.critic.eval().requires_grad_(False)
        with networks.arithmetic():
            answer: Answer = self.generator(batch.grey, batch.rgb)
            terms = networks.content(answer, batch)
            content = torch.stack(list(terms.values())).sum()
            fooling = fooling_loss(networks.critic, answer.picture)
            loss = phase.critic_weight * fooling + phase.content_weight * content
        self.learning.step(loss, progress)
        networks.average.follow(networks.generator.network)
        losses = {name: term.item() for name, term in terms.items()}
        self.critic.let_learn()
        return losses | {"fooling": fooling.item()}, self.team.mean(loss)

    def state(self) -> dict[str, Any]:
        """Return both optimisers' states, and whose turn it is."""
        turn = {"generators_turn": self.generators_turn}
        generator = {"generator": self.learning.optimiser.state_dict()}
        return self.critic.state() | generator | turn

    def resume(self, state: dict[str, Any]) -> None:
        """Take both optimisers' states, and whose turn it is."""
        self.critic.resume(state)
        self.learning.optimiser.load_state_dict(state["generator"])
        self.generators_turn = state["generators_turn"]


def update_for(networks: Networks, phase: Phase, team: Team) -> Update:
    """Return the update of a phase."""
    if isinstance(phase, GeneratorPhase):
        return GeneratorUpdate(networks, phase, team)
    if isinstance(phase, GanPhase):
        return GanUpdate(networks, phase, team)
    assert isinstance(phase, CriticPhase)
    return CriticUpdate(networks, phase, team)
