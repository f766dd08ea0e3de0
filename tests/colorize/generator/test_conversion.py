from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from photochrom.colorize.errors import ModelError, WrongWeights
from photochrom.colorize.generator.conversion import convert
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.generator.weights import digest, read_weights
from tests.colorize.generator.published import made_up, publish


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


def test_number_formats_and_odd_strides_are_stored_as_they_should_be(tmp_path: Path) -> None:
    tensors = made_up("artistic")
    tensors["filler.9"] = torch.randn(3, 2).T
    tensors["filler.10"] = torch.randn(3).half()
    tensors["filler.12"] = tensors["filler.11"]
    tensors["filler.13"] = tensors["filler.11"][1:]
    torch.save(tensors, tmp_path / "some.pth")
    found = read_weights(convert(tmp_path / "some.pth").file).tensors
    assert torch.equal(found["filler.9"], tensors["filler.9"])
    assert found["filler.10"].dtype == torch.float16
    assert torch.equal(found["filler.12"], tensors["filler.11"])
    assert torch.equal(found["filler.13"], tensors["filler.11"][1:])


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
    video, stable = (convert(source, tmp_path / name, name) for name in ("video", "stable"))
    assert video.sha256 != stable.sha256
    assert read_weights(video.file).facts["model"] == "video"
    assert read_weights(video.file).facts["layout"] == "stable"


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


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    tensors = made_up("artistic")
    del tensors["filler.7"]
    torch.save(tensors, tmp_path / "part.pth")
    with pytest.raises(WrongWeights, match="has 322 names of artistic's 323"):
        convert(tmp_path / "part.pth")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    source = publish("artistic", tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"cannot write .*none/out\.safetensors"):
        convert(source, tmp_path / "none" / "out.safetensors")
