"""Checkpoints: read back exactly, and refused where they are damaged or another's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from photochrom.colorize.errors import ModelError
from photochrom.colorize.training.curve import Curve
from photochrom.colorize.training.record import Record
from photochrom.colorize.training.team import Team
from photochrom.colorize.training.trainer import WEIGHTS, Trainer
from tests.colorize.training import tiny
from tests.colorize.training.tiny import FolderKeep, train

SHORT = {"generator_phases": [], "critic_phases": [], "gan_phases": [tiny.GAN]}


@pytest.fixture
def keep(tmp_path: Path) -> FolderKeep:
    """Return what a short trainer kept, but for its weights."""
    keep = FolderKeep(tmp_path)
    train(tiny.recipe(**SHORT), keep)
    (tmp_path / WEIGHTS).unlink()
    return keep


def newest(keep: FolderKeep) -> Path:
    return keep.folder / keep.keys("checkpoints")[-1]


def again(keep: FolderKeep) -> Trainer:
    return train(tiny.recipe(**SHORT), keep)


def test_nothing_kept_is_the_beginning(tmp_path: Path) -> None:
    assert Record(FolderKeep(tmp_path), Team()).newest() is None


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    record, curve = Record(FolderKeep(tmp_path), Team()), Curve()
    curve.add({"chroma": 1.0})
    curve.add({"chroma": 2.0})
    curve.close_line({"phase": 0, "step": 2}, {"mae": 3.0})
    state: dict[str, Any] = {
        name: {} for name in ("position", "update", "best", "generator", "critic", "average")
    }
    record.save(0, 2, {**state, "average_steps": 7, "best": {"w": torch.ones(2)}}, curve)
    found = record.newest()
    assert found is not None
    assert found["average_steps"] == 7
    assert torch.equal(found["best"]["w"], torch.ones(2))
    assert found["curve"] == [{"phase": 0, "step": 2, "chroma": 1.5, "mae": 3.0}]
    (line,) = (tmp_path / "curve.csv").read_text().splitlines()[1:]
    assert line.startswith("0,,2,,,,,,1.5,")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_one_that_is_cut_short_is_told(keep: FolderKeep, share: float) -> None:
    whole = newest(keep).read_bytes()
    newest(keep).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"^checkpoints/001-00000000\.pt is damaged \(.*remove it"):
        again(keep)


def test_one_changed_byte_among_the_weights_is_told(keep: FolderKeep) -> None:
    whole = bytearray(newest(keep).read_bytes())
    whole[len(whole) // 2] ^= 1
    newest(keep).write_bytes(whole)
    with pytest.raises(ModelError, match=r"does not match its checksum\); remove it to go on"):
        again(keep)


def test_without_a_damaged_one_it_goes_on_from_the_one_before(keep: FolderKeep) -> None:
    last = newest(keep)
    last.unlink()
    assert newest(keep).name == "000-00000002.pt"
    again(keep)
    assert (keep.folder / WEIGHTS).exists()
    assert newest(keep) == last


def test_what_wants_to_be_run_is_not(keep: FolderKeep) -> None:
    with newest(keep).open("wb") as stream:
        torch.save({"position": io.StringIO}, stream)
    with pytest.raises(ModelError, match=r"is damaged \(Weights only load failed"):
        again(keep)


def test_no_checkpoint_and_another_trainings_are_told(keep: FolderKeep) -> None:
    torch.save({"weights": torch.ones(1)}, newest(keep))
    with pytest.raises(ModelError, match="is no checkpoint of a training"):
        again(keep)
    newest(keep).unlink()
    other = tiny.recipe(**SHORT | {"critic": {"kind": "features", "width": 16}})
    with pytest.raises(ModelError, match="the checkpoint is another training's"):
        train(other, keep)
