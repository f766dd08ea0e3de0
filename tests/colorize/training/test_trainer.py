"""Whole trainings, tiny ones: to their end, and to the same end from wherever they were killed."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from photochrom.colorize import load_generator
from photochrom.colorize.errors import ModelError
from photochrom.colorize.training import trainer as trainings
from photochrom.colorize.training.recipe import Recipe
from photochrom.colorize.training.trainer import WEIGHTS
from tests.colorize.training import tiny
from tests.colorize.training.tiny import FolderKeep, train


class Killed(BaseException):
    """Ends a trainer as a signal would: nobody catches it."""


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the clock every other step, and report each."""
    monkeypatch.setattr(trainings, "LOOK_STEPS", 2)
    monkeypatch.setattr(trainings, "REPORT_SECONDS", -1.0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def stopping() -> Recipe:
    """Return a recipe whose GAN phases go astray, so that they are stopped and the best is kept."""
    gan = {**tiny.GAN, "rate": 1e-2, "critic_threshold": None, "content_weight": 0.0}
    return tiny.recipe(cycles=2, gan_phases=[{**gan, "epochs": 3, "patience": 1}])


def sha256(keep: FolderKeep) -> str:
    return hashlib.sha256((keep.folder / WEIGHTS).read_bytes()).hexdigest()


def curve(keep: FolderKeep) -> list[dict[str, str]]:
    """Return a curve's lines, without the seconds."""
    with (keep.folder / "curve.csv").open() as lines:
        return [{k: v for k, v in line.items() if k != "seconds"} for line in csv.DictReader(lines)]


@dataclass(frozen=True)
class Unbroken:
    """A trainer of `stopping` in one go: what it kept, what it put there, and its steps."""

    keep: FolderKeep
    puts: list[str]
    steps: int


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    keep = FolderKeep(tmp_path_factory.mktemp("unbroken"))
    puts, steps = list[str](), list[Mapping[str, Any]]()
    keep.before = puts.append
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "LOOK_STEPS", 2)
        patch.setattr(trainings, "REPORT_SECONDS", -1.0)
        train(stopping(), keep, report=steps.append)
    return Unbroken(keep, puts, len(steps))


def test_a_course_comes_to_its_end(tmp_path: Path) -> None:
    keep, told = FolderKeep(tmp_path), list[Mapping[str, Any]]()
    trainer = train(tiny.recipe(), keep, report=told.append)
    assert [(one["phase"], one["kind"], one["step"], one["steps"]) for one in told] == [
        *[(0, "generator", step, 4) for step in (1, 2, 3, 4)],
        *[(1, "critic", step, 2) for step in (1, 2)],
        *[(2, "gan", step, 4) for step in (1, 2, 3, 4)],
    ]
    assert {one["phases"] for one in told} == {3}
    assert [(line["phase"], line["step"]) for line in curve(keep)] == [
        *[("0", "2"), ("0", "4"), ("1", "2"), ("2", "2"), ("2", "4")],
    ]
    last = curve(keep)[-1]
    assert float(last["mae"]) > 0
    assert float(last["content"]) > 0
    assert last["photographs"] == "20"
    assert trainer.position.phase == 3
    assert keep.keys("sheets")[0] == "sheets/000-00000002.jpg"
    assert load_generator("pocket", weights=tmp_path / WEIGHTS).name == "pocket"


def test_only_the_last_two_checkpoints_stay(tmp_path: Path) -> None:
    keep, kept = FolderKeep(tmp_path), list[int]()
    keep.before = lambda _: kept.append(len(keep.keys("checkpoints")))
    train(tiny.recipe(), keep)
    assert max(kept) == 2
    assert keep.keys("checkpoints") == [
        "checkpoints/002-00000002.pt",
        "checkpoints/003-00000000.pt",
    ]


def test_the_same_seed_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    keeps = [FolderKeep(tmp_path / str(number)) for number in range(3)]
    for keep, seed in zip(keeps, (0, 0, 1), strict=True):
        train(tiny.recipe(seed=seed), keep)
    assert sha256(keeps[0]) == sha256(keeps[1]) != sha256(keeps[2])
    assert curve(keeps[0]) == curve(keeps[1])


def test_gan_phases_that_gain_no_more_stop_and_give_back_their_best(unbroken: Unbroken) -> None:
    lines = curve(unbroken.keep)
    for phase in (2, 4):
        figures = [float(line["content"]) for line in lines if line["phase"] == str(phase)]
        assert len(figures) == figures.index(min(figures)) + 2 < 6  # a check in vain, and the end
        after = [line for line in lines if line["phase"] == str(phase + 1)]
        for line in after:  # of a critic phase, in which the generator stands still
            assert float(line["content"]) == pytest.approx(min(figures), abs=1e-4)
    assert unbroken.steps < 4 + 2 + 12 + 2 + 12


CHECKPOINTS = (  # of `stopping`, in their order
    *("000-00000002", "001-00000000", "002-00000000", "002-00000002", "003-00000000"),
    *("004-00000000", "004-00000002", "005-00000000"),
)


def ends_alike(keep: FolderKeep, unbroken: FolderKeep) -> None:
    """Go on with a killed trainer and compare its end with that of one that was not."""
    keep.before = keep.after = lambda _: None
    train(stopping(), keep)
    assert sha256(keep) == sha256(unbroken)
    assert curve(keep) == curve(unbroken)


def test_these_are_its_checkpoints(unbroken: Unbroken) -> None:
    found = [key[len("checkpoints/") : -len(".pt")] for key in unbroken.puts if "check" in key]
    assert tuple(found) == CHECKPOINTS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint", "when"),
    [*((one, "after") for one in CHECKPOINTS), *((one, "before") for one in CHECKPOINTS[1::3])],
)
def test_killed_at_a_checkpoint_it_comes_to_the_same_end(
    unbroken: Unbroken, tmp_path: Path, checkpoint: str, when: str
) -> None:
    """Before one, its curve is kept already: the curve is longer than what is gone on from."""
    keep = FolderKeep(tmp_path)

    def kill(key: str) -> None:
        if key == f"checkpoints/{checkpoint}.pt":
            raise Killed

    setattr(keep, when, kill)
    with pytest.raises(Killed):
        train(stopping(), keep)
    ends_alike(keep, unbroken.keep)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 8, 13])
def test_killed_anywhere_it_comes_to_the_same_end(
    unbroken: Unbroken, tmp_path: Path, step: int
) -> None:
    keep, count = FolderKeep(tmp_path), iter(range(1, 99))

    def kill(_: Mapping[str, Any]) -> None:
        if next(count) == step:
            raise Killed

    assert step < unbroken.steps
    with pytest.raises(Killed):
        train(stopping(), keep, report=kill)
    ends_alike(keep, unbroken.keep)


def test_killed_before_the_weights_are_kept_it_only_writes_them(
    unbroken: Unbroken, tmp_path: Path
) -> None:
    keep, told = FolderKeep(tmp_path), list[Mapping[str, Any]]()
    (tmp_path / "checkpoints").mkdir()
    last = f"checkpoints/{CHECKPOINTS[-1]}.pt"
    unbroken.keep.get(last, tmp_path / last)
    train(stopping(), keep, report=told.append)
    assert sha256(keep) == sha256(unbroken.keep)
    assert told == []


def test_checks_of_a_gan_phase_need_no_checkpoints(unbroken: Unbroken, tmp_path: Path) -> None:
    keep, puts = FolderKeep(tmp_path), list[str]()
    keep.before = puts.append

    def kill(told: Mapping[str, Any]) -> None:
        if (told["phase"], told["step"]) == (4, 3):
            raise Killed

    with pytest.raises(Killed):
        train(stopping(), keep, report=kill, checkpoint_minutes=1e9)
    kept = [key for key in puts if key.startswith("checkpoints/")]
    assert kept == [f"checkpoints/00{phase}-00000000.pt" for phase in (1, 2, 3, 4)]
    ends_alike(keep, unbroken.keep)


def test_without_held_out_photographs_it_learns_unmeasured(tmp_path: Path) -> None:
    keep = FolderKeep(tmp_path)
    trainer = train(tiny.recipe(), keep, held_out=0)
    assert (tmp_path / WEIGHTS).exists()
    assert not (tmp_path / "sheets").exists()
    assert {line["mae"] for line in curve(keep)} == {""}
    assert not trainer.best
    assert len(curve(keep)) == 5


def test_the_kernel_distance_may_choose_where_no_feature_is_learned_from(tmp_path: Path) -> None:
    keep = FolderKeep(tmp_path)
    validation = {"size": 32, "photographs": 2, "minutes": 1e9, "figure": "kernel_distance"}
    content = {"chroma": 1.0, "encoder": "lite0"}
    phases: dict[str, Any] = {"generator_phases": [], "critic_phases": []}
    train(tiny.recipe(validation=validation, content=content, **phases), keep)
    assert all(float(line["kernel_distance"]) for line in curve(keep))
    assert {line["features"] for line in curve(keep)} == {""}


def test_candidates_are_kept_if_asked(tmp_path: Path) -> None:
    keep = FolderKeep(tmp_path)
    gan = {**tiny.GAN, "keep_checks": True}
    train(tiny.recipe(generator_phases=[], critic_phases=[], gan_phases=[gan]), keep)
    kept = keep.keys("candidates")
    assert kept == [f"candidates/000-0000000{step}.safetensors" for step in (2, 4)]
    assert load_generator("pocket", weights=tmp_path / kept[0]).weights_sha256


def test_losses_that_are_no_numbers_end_it_at_once(tmp_path: Path) -> None:
    wild = {**tiny.PHASE, "rate": 1e30, "schedule": "constant"}
    with pytest.raises(ModelError, match=r"^phase 1, step \d: the losses are no numbers any more"):
        train(tiny.recipe(generator_phases=[wild]), FolderKeep(tmp_path))
