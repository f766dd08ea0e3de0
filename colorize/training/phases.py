"""The stretches of a training, and what is decided for each."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from photochrom.colorize.training.settings import Settings


class Phase(Settings):
    """One stretch of learning at one size; an epoch is all photographs once, or a share of them."""

    kind: ClassVar[str]

    size: int = Field(ge=32, le=1024, multiple_of=16, description="the squares' side in pixels")
    batch: int = Field(ge=1, description="squares a step for each worker")
    epochs: float = Field(1.0, gt=0, description="how often each photograph comes")
    share: float = Field(1.0, gt=0, le=1, description="of the photographs that take part")
    rate: float = Field(gt=0, description="the learning rate at its peak, of the last layers")
    first_rate: float | None = Field(
        None, gt=0, description="of the first layers; those between lie between"
    )
    schedule: Literal["one_cycle", "constant"] = Field(
        "one_cycle", description="cosine up and down, or one rate throughout"
    )
    warm_up: float = Field(0.3, gt=0, lt=1, description="the share of steps before the peak")
    betas: tuple[float, float] = Field((0.9, 0.99), description="Adam's")
    least_beta: float | None = Field(None, description="the first beta at the rate's peak")
    weight_decay: float = Field(1e-3, ge=0, description="decoupled, as in AdamW")
    keep_checks: bool = Field(
        False, description="keep each measurement's weights, to choose by eye"
    )
    longest_gradient: float | None = Field(None, gt=0, description="longer ones are shortened")


class GeneratorPhase(Phase):
    """The generator learns from the content loss alone."""

    kind = "generator"

    frozen: bool = Field(False, description="only the layers after the encoder learn")


class CriticPhase(Phase):
    """The critic learns to tell photographs from what the generator, held still, makes."""

    kind = "critic"

    first_cycle_only: bool = Field(False, description="leave it out when the cycle repeats")


class GanPhase(Phase):
    """Both learn in turn: a step of the generator whenever the critic is good enough."""

    kind = "gan"

    frozen: bool = Field(True, description="only the layers after the encoder learn")
    critic_weight: float = Field(1.0, description="of the critic's verdict in what is minimised")
    content_weight: float = Field(1.0, description="of the content loss")
    critic_rate_factor: float = Field(5.0, gt=0, description="the critic's rate, in generator's")
    critic_threshold: float | None = Field(
        0.65, description="the generator's turn comes when the critic's loss is below"
    )
    generator_threshold: float | None = Field(
        None, description="the critic's comes when the generator's is below; none: at once"
    )
    check_steps: int = Field(100, ge=1, description="steps between two measurements")
    patience: int = Field(0, ge=0, description="measurements without gain that end it; 0: never")
