from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator import load_generator
from photochrom.colorize.generator.lite0 import Lite0
from photochrom.colorize.generator.weights import digest
from photochrom.colorize.training.encoder import load_encoder, rename
from photochrom.colorize.training.pretrain import Pretrain, begin, pretrain, teach
from photochrom.colorize.training.state import CHECKPOINT, TrainingState
from photochrom.colorize.training.validate import held_out, measure
from tests.colorize.training.tiny import shelf

SHORT = Pretrain(steps=4, batch=2, size=64, late_size=96, rate=1e-3, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shelf(tmp_path_factory.mktemp("photos"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_training_writes_a_loadable_generator_and_its_curve(photos: Path, tmp_path: Path) -> None:
    file = pretrain(photos, None, tmp_path, SHORT)
    plates = load_generator("pocket", weights=file).chroma(np.full((1, 64, 64), 99, np.uint8))
    assert plates.shape == (1, 64, 64, 2)
    with (tmp_path / "curve.csv").open() as lines:
        curve = list(csv.DictReader(lines))
    assert [line["step"] for line in curve] == ["1", "2", "3", "4"]
    assert float(curve[-1]["mae_grey"]) > 5
    assert all(float(line["chroma"]) > 0 for line in curve)


def test_the_same_seed_gives_the_same_bytes_even_when_interrupted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_two(state: TrainingState, *rest: Any) -> tuple[float, ...]:
        if state.step == 2:
            raise KeyboardInterrupt
        return teach(state, *rest)

    whole = pretrain(photos, None, tmp_path / "whole", SHORT)
    with monkeypatch.context() as patch:
        patch.setattr("photochrom.colorize.training.pretrain.teach", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            pretrain(photos, None, tmp_path / "resumed", SHORT)
    resumed = pretrain(photos, None, tmp_path / "resumed", SHORT)
    other = pretrain(photos, None, tmp_path / "other", replace(SHORT, seed=1))
    assert digest(whole) == digest(resumed)
    assert digest(whole) != digest(other)


def test_a_checkpoint_of_another_training_is_refused(photos: Path, tmp_path: Path) -> None:
    pretrain(photos, None, tmp_path, replace(SHORT, steps=1))
    saved = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del saved["network"]["chroma.weight"]
    torch.save(saved, tmp_path / CHECKPOINT)
    with pytest.raises(ModelError, match="is of another training"):
        pretrain(photos, None, tmp_path, SHORT)


def test_the_rate_warms_up_and_falls() -> None:
    shares = [SHORT.rate_share(progress) for progress in (0.0, 0.03, 0.5, 1.0)]
    assert shares[0] < 0.05 < shares[3] + 0.05
    assert shares[1] > 0.95 > shares[2] > shares[3] > 0


def test_predicting_grey_measures_as_grey(photos: Path) -> None:
    images = held_out(photos)["books"]
    found = measure(lambda grey: torch.zeros(len(grey), 2, 32, 32), images, 64)
    assert found.photos == 2
    assert found.mae == found.mae_grey > 5
    assert found.ratio < 0.05


def test_frozen_blocks_and_spatial_filters_stay_as_they_were(photos: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder.pth"
    torch.manual_seed(5)
    torch.save(package_names(Lite0()), encoder)
    pretrain(photos, encoder, tmp_path / "run", replace(SHORT, steps=2, frozen_blocks=3))
    saved = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["network"]
    given = torch.load(encoder, weights_only=True)
    kept = "encoder.blocks.2.project.conv.weight"
    learned = "encoder.blocks.3.project.conv.weight"
    assert torch.equal(saved[kept], given["_blocks.2._project_conv.weight"])
    assert not torch.equal(saved[learned], given["_blocks.3._project_conv.weight"])
    spatial = "encoder.blocks.3.depthwise.conv.weight"
    assert torch.equal(saved[spatial], given["_blocks.3._depthwise_conv.weight"])


def test_the_packages_names_are_ours(tmp_path: Path) -> None:
    torch.manual_seed(6)
    released, ours = Lite0(), Lite0()
    file = tmp_path / "encoder.pth"
    torch.save(package_names(released) | {"_fc.weight": torch.zeros(2)}, file)
    load_encoder(ours, file)
    assert torch.equal(ours.stem.conv.weight, released.stem.conv.weight)
    torch.save({"_conv_stem.weight": released.stem.conv.weight}, file)
    with pytest.raises(ModelError, match="is not EfficientNet-Lite0"):
        load_encoder(ours, file)


def package_names(encoder: Lite0) -> dict[str, torch.Tensor]:
    """Return the encoder's weights under the names of the released package."""
    theirs = {}
    for block in range(len(encoder.blocks)):
        for layer in ("expand_conv", "depthwise_conv", "project_conv", "bn0", "bn1", "bn2"):
            theirs |= _released(encoder, f"_blocks.{block}._{layer}")
    return theirs | _released(encoder, "_conv_stem") | _released(encoder, "_bn0")


def _released(encoder: Lite0, layer: str) -> dict[str, torch.Tensor]:
    mine = rename(f"{layer}.x").removesuffix(".x") + "."
    state = encoder.state_dict()
    return {k.replace(mine, f"{layer}."): v for k, v in state.items() if k.startswith(mine)}


def test_begin_without_an_encoder_learns_everywhere(photos: Path) -> None:
    from photochrom.colorize.training.data import read_manifest, read_photos

    rows = read_manifest(photos, "train")
    state = begin(read_photos(photos, [(row, 1.0) for row in rows]), None, SHORT)
    assert all(parameter.requires_grad for parameter in state.network.parameters())
