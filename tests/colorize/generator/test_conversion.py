from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from photochrom.colorize.errors import ModelError, WrongWeights
from photochrom.colorize.generator import conversion, load_generator
from photochrom.colorize.generator.conversion import convert
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.generator.weights import METADATA_KEY, Weights, digest, read_weights
from tests.colorize.generator.published import made_up, publish


@pytest.fixture(autouse=True)
def _no_large_files_left(tmp_path: Path) -> Iterator[None]:
    yield
    for file in tmp_path.iterdir():
        file.unlink()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_converted_file_holds_the_same_numbers_and_where_they_are_from(
    tmp_path: Path, zipped: bool
) -> None:
    source = publish("artistic", tmp_path / "ColorizeArtistic_gen.pth", zipped=zipped)
    made = convert(source)
    assert made.file == tmp_path / "ColorizeArtistic_gen.safetensors"
    assert made.sha256 == hashlib.sha256(made.file.read_bytes()).hexdigest()
    assert made.bytes == made.file.stat().st_size
    assert made.model == find_model("artistic")
    assert not made.was_there
    found = read_weights(made.file)
    wanted = made_up("artistic")
    assert set(found.tensors) == set(wanted)
    assert all(torch.equal(found.tensors[name], wanted[name]) for name in wanted)
    assert found.facts == {
        "family": "deoldify",
        "layout": "artistic",
        "model": "artistic",
        "source": "ColorizeArtistic_gen.pth",
        "source_sha256": digest(source),
    }


def test_a_source_that_changes_while_it_is_read_is_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = publish("artistic", tmp_path / "some.pth", zipped=True)

    def read_and_spoil(file: Path) -> Weights:
        weights = read_weights(file)
        with file.open("ab") as stream:
            stream.write(b"more")
        return weights

    monkeypatch.setattr(conversion, "read_weights", read_and_spoil)
    with pytest.raises(WrongWeights, match="changed while it was read"):
        convert(source)
    assert [file.name for file in tmp_path.iterdir()] == ["some.pth"]


def test_number_formats_and_odd_strides_are_stored_as_they_should_be(tmp_path: Path) -> None:
    tensors = made_up("artistic")
    square = "layers.10.layers.0.0.weight_orig"
    tensors[square] = torch.randn(tensors[square].shape).transpose(0, 1)
    tensors["layers.1.weight"] = torch.randn(512, dtype=torch.float64)
    tensors["layers.1.bias"] = torch.randn(513).bfloat16()[1:]
    torch.save(tensors, tmp_path / "some.pth")
    found = read_weights(convert(tmp_path / "some.pth").file).tensors
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    source = publish("artistic", tmp_path / "a.pth")
    first, second = (
        convert(source, tmp_path / name) for name in ("1.safetensors", "2.safetensors")
    )
    assert first.sha256 == second.sha256
    again = convert(source, tmp_path / "1.safetensors")
    assert again.was_there
    assert again.sha256 == first.sha256
    other = publish("artistic", tmp_path / "b.pth", seed=1)
    assert convert(other).sha256 != first.sha256


def test_what_is_there_already_is_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    out.write_text("mine")
    with pytest.raises(ModelError, match=r"mine\.safetensors is there already and differs"):
        convert(publish("artistic", tmp_path / "a.pth"), out)
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "mine.safetensors"]


def test_safetensors_can_be_imported_too_but_not_onto_themselves(tmp_path: Path) -> None:
    made = convert(publish("artistic", tmp_path / "a.pth")).file
    content = made.read_bytes()
    with pytest.raises(ModelError, match="is there already and differs"):
        convert(made)
    assert made.read_bytes() == content
    assert convert(made, tmp_path / "b.safetensors").model.name == "artistic"


def test_models_of_one_layout_must_be_told_apart(tmp_path: Path) -> None:
    source = publish("stable", tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"fits stable and video, .* say which with --as"):
        convert(source)
    facts = read_weights(convert(source, name="video").file).facts
    assert (facts["model"], facts["layout"]) == ("video", "stable")


def test_weights_imported_as_another_model_are_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "video.safetensors"
    facts = {"family": "deoldify", "layout": "stable", "model": "video"}
    save_file({"lonely": torch.zeros(1)}, file, metadata={METADATA_KEY: json.dumps(facts)})
    with pytest.raises(WrongWeights, match="says it was imported as video, not as stable"):
        load_generator("stable", weights=file, device="cpu")
    with pytest.raises(WrongWeights, match=r"fits another network: missing layers\.0\.0\.weight"):
        load_generator("video", weights=file, device="cpu")


def test_another_models_weights_are_refused(tmp_path: Path) -> None:
    source = publish("stable", tmp_path / "a.pth")
    with pytest.raises(WrongWeights, match="holds weights of stable or video, not of artistic"):
        convert(source, name="artistic")
    with pytest.raises(ModelError, match="no model is called 'sepia'"):
        convert(source, name="sepia")
    critic = publish("critic", tmp_path / "critic.pth")
    with pytest.raises(WrongWeights, match="holds a critic, not a generator"):
        convert(critic)
    pocket = find_model("pocket").embedded
    assert pocket is not None
    with pytest.raises(WrongWeights, match="holds a pocket, not a generator"):
        convert(Path(shutil.copy(pocket, tmp_path / "pocket.pth")))
    torch.save({"lonely": torch.ones(1)}, tmp_path / "lonely.pth")
    with pytest.raises(WrongWeights, match="holds nothing that this release knows"):
        convert(tmp_path / "lonely.pth")
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layers.3.0.0.weight_orig": None}, r"missing layers\.3\.0\.0\.weight_orig$"),
        ({"layers.12.bias": torch.zeros(3)}, r"extra layers\.12\.bias$"),
        ({"layers.1.weight": torch.zeros(511)}, r"layers\.1\.weight is \(511,\), not \(512,\)$"),
        (
            {"layers.1.weight": None, "layers.1.weigth": torch.zeros(512)},
            r"missing layers\.1\.weight; extra layers\.1\.weigth$",
        ),
    ],
    ids=["missing", "extra", "of another shape", "misspelt"],
)
def test_weights_that_are_not_whole_are_refused(
    tmp_path: Path, change: dict[str, Tensor | None], told: str
) -> None:
    tensors = made_up("artistic") | change
    whole = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    torch.save(whole, tmp_path / "part.pth")
    with pytest.raises(WrongWeights, match=rf"another network \(artistic by the .*: {told}"):
        convert(tmp_path / "part.pth")
    with pytest.raises(WrongWeights, match=rf"another network \(artistic by the .*: {told}"):
        load_generator("artistic", weights=tmp_path / "part.pth", device="cpu")
    assert [file.name for file in tmp_path.iterdir()] == ["part.pth"]


def test_old_files_may_lack_counters(tmp_path: Path) -> None:
    tensors = made_up("artistic")
    old = {name: t for name, t in tensors.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(tensors)
    torch.save(old, tmp_path / "old.pth")
    assert set(read_weights(convert(tmp_path / "old.pth").file).tensors) == set(old)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    source = publish("artistic", tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"cannot write .*none/out\.safetensors"):
        convert(source, tmp_path / "none" / "out.safetensors")
