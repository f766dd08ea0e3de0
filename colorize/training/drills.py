"""One step of each kind of phase, and what of it must be remembered between steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from photochrom.colorize.training.critics import critic_loss, fooling_loss
from photochrom.colorize.training.features import FrozenEncoder
from photochrom.colorize.training.phases import CriticPhase, GanPhase, GeneratorPhase, Phase
from photochrom.colorize.training.pupils import Answer, Lesson
from photochrom.colorize.training.schedule import first_beta, rate_share, rates
from photochrom.colorize.training.studio import Studio
from photochrom.colorize.training.team import Team

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


class Drill:
    """What a phase does with each lesson; the state is what a checkpoint keeps of it."""

    def step(self, lesson: Lesson, progress: float) -> Losses:
        """Learn from a lesson and return the losses by name."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return what another drill of this phase needs to go on."""
        raise NotImplementedError

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        raise NotImplementedError


class GeneratorDrill(Drill):
    """The generator learns from the content loss."""

    def __init__(self, studio: Studio, phase: GeneratorPhase, team: Team) -> None:
        self.studio = studio
        studio.pupil.hold(phase.frozen)
        self.pupil = team.shared(studio.pupil)
        self.learning = Learning(studio.pupil.groups(), phase)

    def step(self, lesson: Lesson, progress: float) -> Losses:
        """Compare the answer with the truth, term by term."""
        self.studio.pupil.train()
        with self.studio.arithmetic():
            answer = self.pupil(lesson.grey, lesson.rgb)
            terms = self.studio.content(answer, lesson)
        self.learning.step(torch.stack(list(terms.values())).sum(), progress)
        self.studio.average.follow(self.studio.pupil.network)
        return {name: term.item() for name, term in terms.items()}

    def state(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return {"generator": self.learning.optimiser.state_dict()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take the optimiser's state."""
        self.learning.optimiser.load_state_dict(state["generator"])


class CriticDrill(Drill):
    """The critic learns to tell photographs from what the still generator makes of their grey."""

    def __init__(self, studio: Studio, phase: Phase, team: Team, factor: float = 1.0) -> None:
        self.studio = studio
        self.team = team
        self.let_learn()
        self.critic = team.shared(studio.critic)
        self.learning = Learning([list(studio.critic.parameters())], phase, factor)

    def let_learn(self) -> None:
        """Let every weight of the critic learn, but none of a frozen encoder's."""
        self.studio.critic.requires_grad_(True)
        for part in self.studio.critic.modules():
            if isinstance(part, FrozenEncoder):
                part.requires_grad_(False)

    def step(self, lesson: Lesson, progress: float) -> Losses:
        """Let the critic judge both; the loss is the same on every worker."""
        self.studio.pupil.eval()
        self.studio.critic.train()
        with self.studio.arithmetic():
            with torch.no_grad():
                made = self.studio.pupil(lesson.grey, lesson.rgb).picture
            loss = critic_loss(self.critic, lesson.picture, made)
        self.learning.step(loss, progress)
        return {"critic": self.team.mean(loss)}

    def state(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return {"critic": self.learning.optimiser.state_dict()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take the optimiser's state."""
        self.learning.optimiser.load_state_dict(state["critic"])


class GanDrill(Drill):
    """Critic and generator in turn; thresholds on their losses decide whose turn it is."""

    def __init__(self, studio: Studio, phase: GanPhase, team: Team) -> None:
        self.studio = studio
        self.phase = phase
        self.team = team
        studio.pupil.hold(phase.frozen)
        self.pupil = team.shared(studio.pupil)
        self.learning = Learning(studio.pupil.groups(), phase)
        self.critic = CriticDrill(studio, phase, team, phase.critic_rate_factor)
        self.generators_turn = False

    def step(self, lesson: Lesson, progress: float) -> Losses:
        """Let whose turn it is learn, and decide whose is next."""
        if not self.generators_turn:
            losses = self.critic.step(lesson, progress)
            threshold = self.phase.critic_threshold
            self.generators_turn = threshold is None or losses["critic"] < threshold
            return losses
        losses, total = self._teach_generator(lesson, progress)
        threshold = self.phase.generator_threshold
        self.generators_turn = threshold is not None and total >= threshold
        return losses

    def _teach_generator(self, lesson: Lesson, progress: float) -> tuple[Losses, float]:
        studio, phase = self.studio, self.phase
        studio.pupil.train()
        studio.critic.eval().requires_grad_(False)
        with studio.arithmetic():
            answer: Answer = self.pupil(lesson.grey, lesson.rgb)
            terms = studio.content(answer, lesson)
            content = torch.stack(list(terms.values())).sum()
            fooling = fooling_loss(studio.critic, answer.picture)
            loss = phase.critic_weight * fooling + phase.content_weight * content
        self.learning.step(loss, progress)
        studio.average.follow(studio.pupil.network)
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


def drill_for(studio: Studio, phase: Phase, team: Team) -> Drill:
    """Return the drill of a phase."""
    if isinstance(phase, GeneratorPhase):
        return GeneratorDrill(studio, phase, team)
    if isinstance(phase, GanPhase):
        return GanDrill(studio, phase, team)
    assert isinstance(phase, CriticPhase)
    return CriticDrill(studio, phase, team)
