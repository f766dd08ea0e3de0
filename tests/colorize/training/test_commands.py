from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from photochrom.colorize.generator.weights import digest
from photochrom.colorize.training import credits, export, pretrain, validate
from photochrom.colorize.training.data import read_manifest, read_photos
from tests.colorize.training.tiny import shelf

Say = Callable[..., str]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command's main with arguments and return what it prints."""

    def run(main: Callable[[], None], *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def threads() -> int:
    return torch.get_num_threads()


def test_a_checkpoint_is_exported_and_measured(say: Say, tmp_path: Path, threads: int) -> None:
    photos, run, weights = shelf(tmp_path), tmp_path / "run", tmp_path / "mine.safetensors"
    run.mkdir()
    images = read_photos(photos, [(row, 1.0) for row in read_manifest(photos, "train")])
    pretrain.begin(images, None, pretrain.Pretrain(steps=1)).save(run)
    told = say(export.main, "--run", run, "--out", weights, "--saturation", 0.8)
    assert told.split() == [digest(weights), str(weights.stat().st_size)]
    arguments = ("--photos", photos, "--weights", weights, "--size", 64, "--threads", threads)
    lines = say(validate.main, *arguments, "--saturations", 0.5, 1.0).splitlines()
    found = [json.loads(line) for line in lines]
    assert [(line["set"], line["saturation"]) for line in found] == [("books", 0.5), ("books", 1.0)]
    assert found[0]["mae_grey"] == found[1]["mae_grey"] > 5


def test_credits_name_the_sources(say: Say, tmp_path: Path) -> None:
    told = say(credits.main, "--photos", shelf(tmp_path))
    assert "| made here | CC0-1.0 | street | 6 |" in told


def test_a_folder_without_photos_is_a_usage_error(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        say(pretrain.main, "--photos", tmp_path, "--encoder", tmp_path, "--out", tmp_path / "out")
    assert caught.value.code == 2
    assert "holds no manifest.csv" in capsys.readouterr().err
