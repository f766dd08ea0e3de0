from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from photochrom.colorize.errors import ModelError, WrongWeights
from photochrom.colorize.generator import weights_digest
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.generator.pocket import PocketNetwork
from photochrom.colorize.generator.weights import (
    METADATA_KEY,
    check_digest,
    check_fit,
    digest,
    fill,
    read_weights,
)
from photochrom.colorize.training.export import export_pocket
from tests.colorize.generator.published import publish


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "random.safetensors"
    torch.manual_seed(0)
    export_pocket(PocketNetwork().state_dict(), file, saturation=0.5)
    return file


def test_a_filled_network_holds_what_was_exported(exported: Path) -> None:
    torch.manual_seed(0)
    before, after = PocketNetwork(), PocketNetwork()
    weights = read_weights(exported)
    fill(after, weights, exported)
    assert weights.facts == {"family": "pocket", "saturation": 0.5}
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, rtol=1e-3, atol=1e-7)


def test_missing_and_extra_names_are_told(exported: Path, tmp_path: Path) -> None:
    tensors = load_file(exported)
    tensors["strange.weight"] = tensors.pop("chroma.weight")
    file = tmp_path / "other.safetensors"
    save_file(tensors, file)
    with pytest.raises(WrongWeights, match=r"missing chroma\.weight; extra strange\.weight"):
        fill(PocketNetwork(), read_weights(file), file)


@pytest.mark.parametrize(
    ("layout", "words"),
    [("stable", "stable or video"), ("artistic", "artistic"), ("critic", "critic")],
)
def test_another_models_weights_are_called_by_their_name(
    tmp_path: Path, layout: str, words: str
) -> None:
    file = publish(layout, tmp_path / "other.pth")
    told = rf"fits another network \({words} by the looks of it\): missing .*; extra "
    with pytest.raises(WrongWeights, match=told):
        fill(PocketNetwork(), read_weights(file), file)
    file.unlink()  # it is large


def test_old_files_may_lack_counters_alone(exported: Path) -> None:
    whole = read_weights(exported)
    assert not any(name.endswith("num_batches_tracked") for name in whole.tensors)
    check_fit(PocketNetwork(), whole, exported)
    with torch.device("meta"):
        check_fit(PocketNetwork(), whole, exported)


def test_facts_in_another_form_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.safetensors"
    save_file({"lonely": torch.zeros(1)}, file, metadata={METADATA_KEY: "[1]"})
    with pytest.raises(ModelError, match=r"tells its facts in another form: \[1\]"):
        read_weights(file)


def test_a_long_list_of_names_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "empty.safetensors"
    save_file({"lonely": torch.zeros(1)}, file)
    with pytest.raises(WrongWeights, match=r"and \d+ more; extra lonely"):
        fill(PocketNetwork(), read_weights(file), file)


def test_another_shape_is_told(exported: Path, tmp_path: Path) -> None:
    tensors = load_file(exported) | {"chroma.bias": torch.zeros(3)}
    file = tmp_path / "other.safetensors"
    save_file(tensors, file)
    with pytest.raises(WrongWeights, match=r"chroma\.bias is \(3,\), not \(2,\)"):
        fill(PocketNetwork(), read_weights(file), file)


def test_a_broken_file_is_a_model_error(exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.safetensors"
    file.write_bytes(exported.read_bytes()[:10_000])
    with pytest.raises(ModelError, match=r"cut\.safetensors is not a safetensors file"):
        read_weights(file)


def test_a_file_that_is_not_there_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        digest(tmp_path / "none.safetensors")


def test_weights_not_finite_in_half_precision_are_refused(tmp_path: Path) -> None:
    state = {"fine": torch.ones(2, 2), "huge": torch.full((2, 2), 1e6)}
    with pytest.raises(ModelError, match="not finite in half precision: huge"):
        export_pocket(state, tmp_path / "huge.safetensors", saturation=1.0)


def test_a_digest_mismatch_names_both() -> None:
    with pytest.raises(WrongWeights, match="pocket: these weights are sha256 aa, not bb"):
        check_digest("pocket", "aa", "BB")
    check_digest("pocket", "aa", "AA")
    check_digest("pocket", "aa", None)


def test_the_embedded_weights_are_the_pinned_ones_and_the_cards() -> None:
    model = find_model("pocket")
    assert model.embedded is not None
    content = model.embedded.read_bytes()
    assert hashlib.sha256(content).hexdigest() == model.sha256 == weights_digest("pocket")
    assert len(content) == model.bytes
    assert 2e6 < model.bytes < 8e6
    card = model.embedded.with_suffix(".md").read_text()
    assert f"`{model.sha256}`" in card
    assert f"{model.bytes:,} bytes" in card
