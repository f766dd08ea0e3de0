"""What a training writes is what a generator is loaded from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from photochrom.colorize import Colorizer, load_generator
from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify
from photochrom.colorize.generator.weights import read_weights
from photochrom.colorize.training.export import export_network, half
from tests.colorize.generator.small import small_network
from tests.colorize.training import tiny


def as_networks(family: str, state: dict[str, torch.Tensor]) -> Any:
    """Return what an export looks at."""
    recipe = SimpleNamespace(family=family, saturation=1.25)
    return SimpleNamespace(recipe=recipe, average=SimpleNamespace(state=state))


def test_pockets_weights_paint(tmp_path: Path) -> None:
    networks = tiny.networks(tiny.recipe(saturation=1.5))
    with torch.no_grad():
        networks.average.state["chroma.bias"].copy_(torch.tensor([0.4, 0.2]))
    export_network(networks, tmp_path / "ours.safetensors")
    colorizer = Colorizer.load("pocket", weights=tmp_path / "ours.safetensors")
    squares = np.full((1, 64, 64), 128, np.uint8)
    chroma = colorizer.generator.chroma(squares)
    assert chroma[..., 1].mean() > 132  # redder than grey
    facts = read_weights(tmp_path / "ours.safetensors").facts
    assert facts == {"family": "pocket", "saturation": 1.5}
    assert (tmp_path / "ours.safetensors").stat().st_mode & 0o777 == 0o644


def test_the_averaged_weights_are_written_matrices_in_half(tmp_path: Path) -> None:
    networks = tiny.networks(tiny.recipe())
    with torch.no_grad():
        networks.generator.network.chroma.bias.fill_(9.0)  # type: ignore[union-attr, operator]
    export_network(networks, tmp_path / "ours.safetensors")
    with safe_open(tmp_path / "ours.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert tensors["chroma.bias"].abs().max() == 0
    assert tensors["chroma.weight"].dtype == torch.float16
    assert tensors["chroma.bias"].dtype == torch.float32
    assert not any(name.endswith("num_batches_tracked") for name in tensors)


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    networks = tiny.networks(tiny.recipe())
    for name in ("one", "two"):
        export_network(networks, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_deoldifys_are_named_as_its_checkpoints_are(tmp_path: Path) -> None:
    state = small_network("deep").state_dict()
    export_network(as_networks("artistic", state), tmp_path / "ours.safetensors")
    found = read_weights(tmp_path / "ours.safetensors")
    assert found.facts == {"model": "artistic"}
    assert found.tensors.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in found.tensors.items())


@pytest.mark.slow
def test_a_deoldify_of_full_size_loads_as_a_generator(tmp_path: Path) -> None:
    with torch.device("meta"):
        names = DeOldify(LAYOUTS["artistic"]).state_dict()
    state = {
        name: torch.zeros(value.shape, dtype=value.dtype)
        if not value.ndim
        else torch.full(value.shape, 0.01)
        for name, value in names.items()
    }
    export_network(as_networks("artistic", state), tmp_path / "ours.safetensors")
    file = tmp_path / "ours.safetensors"
    generator = load_generator("artistic", weights=file, precision="float32")
    assert generator.chroma(np.zeros((1, 64, 64), np.uint8)).shape == (1, 64, 64, 2)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = {"a": torch.tensor([[1.0, float("nan")]]), "b": torch.ones(2)}
    for family in ("pocket", "artistic"):
        with pytest.raises(ModelError, match=r"^the weights are not finite: a$"):
            export_network(as_networks(family, state), tmp_path / "ours.safetensors")
    assert not (tmp_path / "ours.safetensors").exists()
    with pytest.raises(ModelError, match="not finite in half precision: big"):
        half({"big": torch.full((2, 2), 1e6)})
