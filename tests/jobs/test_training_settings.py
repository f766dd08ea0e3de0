"""What `photochrom train` is told: files, recipes, changes, and mistakes in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training.recipe import Recipe, recipe_names, shipped_recipe
from photochrom.jobs.training import load_training

PLACES = 'manifest = "photos"\noutput = "s3://models/ours"\n'


def written(folder: Path, text: str) -> str:
    (folder / "ours.toml").write_text(text)
    return str(folder / "ours.toml")


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_needs_only_places(name: str) -> None:
    training = load_training(name, "s3://photos/", "s3://models/ours")
    assert training.recipe() == Recipe.model_validate(shipped_recipe(name))
    assert (training.manifest, training.output) == ("s3://photos/", "s3://models/ours")
    assert training.held_out == training.validation.share


def test_paths_in_a_file_are_relative_to_it_and_others_to_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    text = (
        PLACES + 'base = "artistic"\nbackbone = "net/resnet.pth"\n[critic]\nweights = "~/c.pth"\n'
    )
    training = load_training(written(tmp_path, text), changes=["content.encoder_weights=vgg.pth"])
    assert training.manifest == f"file://{tmp_path}/photos"
    assert training.files() == {
        "backbone": f"{tmp_path}/net/resnet.pth",
        "content.encoder_weights": f"{here}/vgg.pth",
        "critic.weights": str(Path("~/c.pth").expanduser()),
    }
    named = load_training("pocket", "photos", "out", ["start=s3://models/first.safetensors"])
    assert (named.manifest, named.output) == (f"file://{here}/photos", f"file://{here}/out")
    assert named.files() == {"start": "s3://models/first.safetensors"}


def test_a_file_may_build_on_a_recipe(tmp_path: Path) -> None:
    text = f"""{PLACES}base = "pocket"
seed = 7
[content]
chroma = 2.0
[[gan_phases]]
size = 64
batch = 2
rate = 1e-4
"""
    training, plain = load_training(written(tmp_path, text)), shipped_recipe("pocket")
    assert training.seed == 7
    assert training.content.chroma == 2.0
    assert training.content.calm == plain["content"]["calm"]
    assert [phase.size for phase in training.gan_phases] == [64]
    assert len(training.generator_phases) == len(plain["generator_phases"])


def test_places_after_the_file_count_more_than_those_in_it(tmp_path: Path) -> None:
    file = written(tmp_path, PLACES + 'base = "pocket"\n')
    training = load_training(file, "s3://a/", "s3://b")
    assert (training.manifest, training.output) == ("s3://a/", "s3://b")


def test_changes_reach_sections_and_entries_of_lists() -> None:
    training = load_training(
        "pocket",
        "a",
        "b",
        [
            "seed=3",
            "run.workers=2",
            "generator_phases.0.epochs=0.5",
            "generator_phases.0.betas=[0.8, 0.9]",
            "validation.share=0",
            'allow=["s3://more/"]',
        ],
    )
    assert (training.seed, training.run.workers, training.held_out) == (3, 2, 0)
    assert training.generator_phases[0].epochs == 0.5
    assert training.generator_phases[0].betas == (0.8, 0.9)
    assert training.allow == ("s3://more/",)
    with pytest.raises(SettingsError, match="0 is none of them, for there are none"):
        load_training("pocket", "a", "b", ["gan_phases=[]", "gan_phases.0.rate=1"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("speed=9", r"speed: no such setting; there are .*\bseed\b"),
        ("generator_phases.0.speed=9", r"generator_phases\.0\.speed: no such setting; .*\bwarm_up"),
        ("generator_phases.9.rate=1", "9 is none of 0 to "),
        ("generator_phases.x.rate=1", "x is none of 0 to "),
        ("run.workers=0", r"run\.workers: Input should be greater than or equal to 1"),
        ("critic.kind=friendly", r"critic\.kind: Input should be 'patches' or 'features'"),
        ("content.features=[1]", "content: Value error, features: lite0 has 5"),
        ("generator_phases.0.size=100", "should be a multiple of 16"),
        ("seed", "write it as section.key=value"),
        ("seed.more=1", "seed is a value, not a section"),
    ],
)
def test_mistakes_are_one_line(change: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        load_training("pocket", "a", "b", [change])
    assert len(str(caught.value).splitlines()) == 1


def test_missing_things_are_one_line(tmp_path: Path) -> None:
    for target, told in (
        ("sepia", "no such recipe; there are artistic, pocket"),
        (str(tmp_path / "none.toml"), "no such file; the shipped recipes are artistic, pocket"),
        (written(tmp_path, "manifest = \n"), "Invalid value"),
    ):
        with pytest.raises(SettingsError, match=told):
            load_training(target, "a", "b")
    with pytest.raises(
        SettingsError, match=r"^pocket: no manifest: name it there, or after pocket"
    ):
        load_training("pocket")
    with pytest.raises(SettingsError, match=r"^pocket: no output"):
        load_training("pocket", "a")
    with pytest.raises(SettingsError, match="sepia: no such recipe"):
        load_training(written(tmp_path, PLACES + 'base = "sepia"\n'))
    with pytest.raises(SettingsError, match="manifest: Value error, must name a place"):
        load_training("pocket", " ", "b")


def test_a_training_survives_its_way_to_workers() -> None:
    training = load_training("stable", "a", "b", ["run.workers=2"])
    assert type(training).model_validate(training.model_dump(mode="json")) == training
