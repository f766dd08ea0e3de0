"""The training recipe: all that decides what a generator learns, given the photographs.

Shipped ones lie in `recipes/`; every number in a recipe can be changed by whoever trains.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field, model_validator

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training.content import Content
from photochrom.colorize.training.critics import CriticSettings
from photochrom.colorize.training.degrade import Degrade
from photochrom.colorize.training.phases import CriticPhase, GanPhase, GeneratorPhase, Phase
from photochrom.colorize.training.settings import Settings
from photochrom.colorize.training.squares import Augment, Crop


class Validation(Settings):
    """How a generator is measured on photographs that it never learns from."""

    share: float = Field(
        0.1, ge=0, lt=1, description="held out, where the manifest has no column `split`"
    )
    photographs: int = Field(256, ge=2, description="measured on, at most, of those held out")
    size: int = Field(160, ge=32, multiple_of=32, description="their squares' side")
    minutes: float = Field(10.0, gt=0, description="between two measurements")
    figure: Literal["content", "kernel_distance"] = Field(
        "content", description="what chooses the best of a GAN phase; less is better"
    )
    shown: int = Field(8, ge=1, description="held-out photographs on each sample sheet")


class Recipe(Settings):
    """All that decides what a generator learns, given the photographs."""

    family: Literal["pocket", "artistic", "stable", "video"]
    seed: int = Field(0, ge=0, description="decides all chance, with the number of workers")
    backbone: str = Field("", description="the encoder's ImageNet weights; empty: pocket's own")
    start: str = Field("", description="the generator's weights to go on from")
    saturation: float = Field(1.0, gt=0, description="by which a pocket's chroma is scaled in use")
    average: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights; 0: none")
    held_blocks: int = Field(5, ge=0, le=16, description="of pocket's encoder that never learn")
    filters_learn: bool = Field(False, description="pocket's depthwise filters learn too")
    side: int = Field(320, ge=64, description="photographs are kept at this shorter side")
    trim_borders: bool = Field(False, description="cut off the dark borders of scanned slides")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the arithmetic")
    crop: Crop = Crop()
    augment: Augment = Augment()
    degrade: Degrade = Degrade()
    content: Content = Content()
    critic: CriticSettings = CriticSettings()
    generator_phases: tuple[GeneratorPhase, ...] = ()
    cycles: int = Field(1, ge=0, description="how often critic and GAN phases repeat")
    critic_phases: tuple[CriticPhase, ...] = ()
    gan_phases: tuple[GanPhase, ...] = ()
    validation: Validation = Validation()

    @model_validator(mode="after")
    def _whole(self) -> Recipe:
        if not self.phases():
            raise ValueError("no phases: give generator_phases, critic_phases or gan_phases")
        content = self.content
        if not (content.pixels or any(content.features) or content.chroma or content.classes):
            raise ValueError("content: every term has weight 0, so there is nothing to learn")
        if self.family != "pocket" and (content.chroma or content.classes):
            raise ValueError("content: chroma and classes are pocket's; use pixels and features")
        if self.family == "pocket" and any(phase.size % 32 for phase in self.phases()):
            raise ValueError("size: pocket's squares are multiples of 32")
        if self.family == "pocket" and not content.colours():
            raise ValueError("content: classes teach pocket no colour: give chroma or another")
        judged = [p.size for p in self.phases() if not isinstance(p, GeneratorPhase)]
        if self.critic.kind == "patches" and min(judged, default=64) < 64:
            raise ValueError("size: the critic of patches needs squares of 64 pixels or more")
        return self

    def phases(self) -> tuple[Phase, ...]:
        """Return what is done, in order: generator phases, then cycles of critic and GAN."""
        done: list[Phase] = list(self.generator_phases)
        for cycle in range(self.cycles):
            done += [p for p in self.critic_phases if cycle == 0 or not p.first_cycle_only]
            done += self.gan_phases
        return tuple(done)


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes."""
    folder = files("photochrom.colorize.training") / "recipes"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def shipped_recipe(name: str) -> dict[str, Any]:
    """Return a shipped recipe's values; raises SettingsError for a name that there is not."""
    if name not in recipe_names():
        raise SettingsError(f"{name}: no such recipe; there are {', '.join(recipe_names())}")
    text = (files("photochrom.colorize.training") / f"recipes/{name}.toml").read_text("utf-8")
    return tomllib.loads(text)
