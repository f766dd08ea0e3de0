"""Recipes: the shipped ones say what their sources say, and mistakes are told in a line."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import pytest
from pydantic import ValidationError

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training.phases import CriticPhase, GanPhase, GeneratorPhase, Phase
from photochrom.colorize.training.recipe import Recipe, recipe_names, shipped_recipe
from tests.colorize.training import tiny

ORIGINALS = ("artistic", "stable", "video")
PRETRAINING = {  # size, batch, share, frozen, first and last layers' rate, warm-up
    "artistic": [
        (64, 88, 1.0, True, 1e-4, 1e-3, 0.8),
        (64, 88, 1.0, False, 3e-7, 3e-4, 1e-8),
        (128, 22, 1.0, False, 1e-7, 1e-4, 1e-8),
        (192, 11, 0.5, False, 5e-8, 5e-5, 1e-8),
    ],
    "stable": [
        (64, 88, 1.0, True, 1e-4, 1e-3, 0.8),
        (64, 88, 1.0, False, 3e-7, 3e-4, 1e-8),
        (128, 20, 1.0, False, 1e-7, 1e-4, 1e-8),
        (192, 8, 0.5, False, 5e-8, 5e-5, 1e-8),
    ],
    "video": [(192, 8, 0.25, False, 5e-8, 5e-5, 1e-8)],
}
GAN = {  # rate, batch, weights of the critic's verdict and of the content
    "artistic": (1e-5, 9, 1.0, 2.0),
    "stable": (2e-5, 5, 1.0, 1.5),
    "video": (5e-6, 5, 1.0, 1.5),
}


def shipped(name: str) -> Recipe:
    return Recipe.model_validate(shipped_recipe(name))


def of_kind(phases: tuple[Phase, ...], kind: type[Phase]) -> list[int]:
    return [number for number, phase in enumerate(phases) if isinstance(phase, kind)]


def test_the_shipped_recipes_are_whole() -> None:
    assert recipe_names() == ["artistic", "pocket", "stable", "video"]
    assert [shipped(name).family for name in recipe_names()] == recipe_names()


def test_the_shipped_recipes_say_what_they_are() -> None:
    for name in recipe_names():
        text = (files("photochrom.colorize.training") / f"recipes/{name}.toml").read_text()
        assert text.startswith("# ")
        assert tomllib.loads(text)["family"] == name
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", ORIGINALS)
class TestOriginals:
    def test_the_generator_learns_as_in_the_notebooks(self, name: str) -> None:
        recipe = shipped(name)
        learned = [
            (p.size, p.batch, p.share, p.frozen, p.first_rate, p.rate, p.warm_up)
            for p in recipe.generator_phases
        ]
        assert learned == PRETRAINING[name]
        for phase in recipe.generator_phases:
            assert (phase.epochs, phase.weight_decay) == (1.0, 1e-3)
            assert (phase.betas, phase.least_beta) == ((0.95, 0.99), 0.85)
            assert phase.schedule == "one_cycle"

    def test_the_critic_learns_as_in_the_notebooks(self, name: str) -> None:
        recipe = shipped(name)
        assert [(p.size, p.batch, p.epochs, p.rate, p.share) for p in recipe.critic_phases] == [
            (128, 64, 6, 1e-3, 0.085),
            (192, 16, 4, 1e-4, 0.085),
        ]
        assert [p.first_cycle_only for p in recipe.critic_phases] == [True, False]
        assert (recipe.critic.kind, recipe.critic.width) == ("patches", 256)
        assert {p.weight_decay for p in recipe.critic_phases} == {1e-3}

    def test_both_learn_in_turn_as_in_the_notebooks(self, name: str) -> None:
        (phase,) = shipped(name).gan_phases
        assert (
            phase.rate,
            phase.batch,
            phase.critic_weight,
            phase.content_weight,
        ) == GAN[name]
        assert (phase.size, phase.share, phase.epochs, phase.frozen) == (192, 0.03, 1.0, True)
        assert (phase.betas, phase.weight_decay) == ((0.0, 0.9), 1e-3)
        assert (phase.schedule, phase.critic_rate_factor) == ("constant", 5.0)
        assert (phase.critic_threshold, phase.generator_threshold) == (0.65, None)
        assert (phase.check_steps, phase.keep_checks, phase.patience) == (100, True, 0)

    def test_squares_and_losses_are_the_notebooks(self, name: str) -> None:
        recipe = shipped(name)
        augment, content = recipe.augment, recipe.content
        assert (augment.zoom, augment.lighting, augment.warp, augment.rotation) == (
            *(1.2, 0.5, 0.25, 10.0),
        )
        crop = recipe.crop
        assert (crop.whole, crop.part_side, crop.ratio, crop.flip) == (0, (1, 1), 0, 0.5)
        assert (content.pixels, content.features, content.encoder) == (
            *(1.0, (20.0, 70.0, 10.0), "vgg16_bn"),
        )
        assert recipe.validation.share == 0.1
        worn = recipe.degrade
        assert (worn.emulsion, worn.tone, worn.soft, worn.grain) == (0, 0, 0, 0)
        speckle = (worn.speckle, worn.speckle_share, worn.speckle_strength)
        assert speckle == (0.8 if name == "video" else 0.0, (0.001, 0.4), 30)

    def test_cycles_repeat_critic_and_gan(self, name: str) -> None:
        phases = shipped(name).phases()
        cycles = 1 if name == "video" else 5
        assert len(of_kind(phases, GanPhase)) == cycles
        assert len(of_kind(phases, CriticPhase)) == cycles + 1
        first = len(PRETRAINING[name])
        assert of_kind(phases, GeneratorPhase) == list(range(first))
        assert [p.size for p in phases[first:]] == [128, 192, 192, *[192, 192] * (cycles - 1)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"colour": 1}, "colour\n  Extra inputs"),
        ({"gan_phases": [{**tiny.GAN, "speed": 1}]}, "gan_phases.0.speed"),
        ({"generator_phases": [], "critic_phases": [], "gan_phases": []}, "no phases"),
        ({"generator_phases": [], "cycles": 0}, "no phases"),
        ({"content": {"calm": 1.0}}, "nothing to learn"),
        ({"content": {"features": [0.0] * 5, "encoder": "lite0"}}, "nothing to learn"),
        ({"content": {"classes": 1.0}}, "classes teach pocket no colour"),
        ({"content": {"features": [1.0], "encoder": "lite0"}}, "lite0 has 5"),
        ({"content": {"features": [1.0] * 5}}, "vgg16_bn has 3"),
        ({"content": {"features": [1.0, -1.0, 0.0]}}, "each 0 or more"),
        ({"content": {"chroma": 1.0, "vivid": 0.5}}, "classes must not be 0"),
        ({"family": "stable"}, "classes are pocket's"),
        ({"generator_phases": [{**tiny.PHASE, "size": 48}]}, "multiples of 32"),
        ({"generator_phases": [{**tiny.PHASE, "size": 40}]}, "multiple of 16"),
        ({"generator_phases": [{**tiny.PHASE, "size": 16}]}, "greater than or equal to 32"),
        ({"critic": {"kind": "patches", "width": 8}}, "64 pixels or more"),
        ({"validation": {"size": 48}}, "multiple of 32"),
        ({"validation": {"share": 1.0}}, "less than 1"),
        ({"family": "sepia"}, "'pocket', 'artistic', 'stable' or 'video'"),
    ],
    ids=str,
)
def test_mistakes_are_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        tiny.recipe(**changes)


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(SettingsError, match=r"^sepia: no such recipe; there are artistic, pocket,"):
        shipped_recipe("sepia")
