from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError, OutOfMemory, WrongWeights
from photochrom.colorize.generator import Generator, load_generator
from photochrom.colorize.generator import replica as replica_module
from photochrom.colorize.generator.colour import cbcr, lab_to_rgb, rgb_to_lab
from photochrom.colorize.generator.device import computes_in
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.generator.painters import PocketPainter
from photochrom.colorize.generator.pocket import PocketNetwork, fuse
from photochrom.colorize.generator.replica import Replica
from photochrom.colorize.generator.weights import Weights, read_weights
from photochrom.colorize.training.export import export_pocket

embedded = find_model("pocket").embedded
assert embedded
POCKET: Path = embedded


@pytest.fixture(scope="module")
def pocket() -> Generator:
    return load_generator("pocket", device="cpu")


def photographs(count: int, side: int) -> NDArray[np.uint8]:
    """Return grey squares with large shapes, gradients and some grain."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(random.uniform(2, 9) * x + random.uniform(2, 9) * y + i) for i in range(count)]
    grain = random.normal(0, 4, (count, side, side))
    return (127 + 90 * np.stack(waves) + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [16, 64, 144, 256])
def test_plates_have_the_squares_shape(pocket: Generator, side: int) -> None:
    plates = pocket.chroma(photographs(2, side))
    assert plates.shape == (2, side, side, 2)
    assert plates.dtype == np.uint8


def test_pocket_paints_colour(pocket: Generator) -> None:
    plates = pocket.chroma(photographs(2, 128)).astype(int)
    assert np.abs(plates - 128).max() > 3
    assert np.abs(plates - 128).mean() < 60


def test_a_batch_is_as_its_photos_one_by_one(pocket: Generator) -> None:
    squares = photographs(5, 144)
    together = pocket.chroma(squares).astype(int)
    alone = np.concatenate([pocket.chroma(square[None]) for square in squares]).astype(int)
    assert np.abs(together - alone).max() <= 1


def test_an_empty_batch_gives_no_plates(pocket: Generator) -> None:
    assert pocket.chroma(np.empty((0, 64, 64), np.uint8)).shape == (0, 64, 64, 2)


def test_a_view_that_is_not_contiguous_is_painted_alike(pocket: Generator) -> None:
    squares = photographs(2, 64)
    flipped = np.ascontiguousarray(squares[:, :, ::-1])
    np.testing.assert_array_equal(pocket.chroma(squares[:, :, ::-1]), pocket.chroma(flipped))


@pytest.mark.parametrize("bad", [np.zeros((2, 64, 32), np.uint8), np.zeros((1, 64, 64))])
def test_what_is_not_grey_squares_is_refused(pocket: Generator, bad: NDArray[np.uint8]) -> None:
    with pytest.raises(ModelError, match="not grey 8-bit squares"):
        pocket.chroma(bad)


def test_bfloat16_is_close_to_float32(pocket: Generator) -> None:
    if not computes_in("bfloat16", torch.device("cpu")):
        pytest.skip("this CPU has no instructions for bfloat16")
    squares = photographs(2, 128)
    coarse = load_generator("pocket", device="cpu", precision="bfloat16")
    assert coarse.precision == "bfloat16"
    difference = coarse.chroma(squares).astype(int) - pocket.chroma(squares)
    assert np.abs(difference).mean() < 1.5


def test_a_replica_says_what_it_is(pocket: Generator) -> None:
    assert (pocket.name, pocket.device, pocket.precision) == ("pocket", "cpu", "float32")
    assert len(pocket.weights_sha256) == 64


def test_saturation_of_the_file_scales_the_colour(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = PocketNetwork()
    nn.init.constant_(network.chroma.bias, 0.3)  # type: ignore[arg-type]
    squares = np.full((1, 64, 64), 128, np.uint8)
    strengths = []
    for saturation in (0.5, 1.0):
        file = tmp_path / f"{saturation}.safetensors"
        export_pocket(network.state_dict(), file, saturation=saturation)
        plate = load_generator("pocket", weights=file).chroma(squares)
        strengths.append(np.abs(plate.astype(float) - 128).mean())
    assert strengths[0] > 3
    assert strengths[1] == pytest.approx(2 * strengths[0], rel=0.2)


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(WrongWeights, match="family None"):
        load_generator("pocket", weights=file)


def test_fusing_changes_nothing_but_rounding() -> None:
    torch.manual_seed(1)
    network = PocketNetwork().train()
    grey = torch.rand(2, 1, 64, 64) * 255
    with torch.no_grad():
        network(grey)  # gives the normalisations statistics to fold
        before = network.eval()(grey)
        after = fuse(network)(grey)
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-3)


def test_rendering_zero_chroma_is_neutral() -> None:
    painter = PocketPainter(PocketNetwork(), 1.0)
    grey = torch.arange(256.0).reshape(1, 1, 16, 16)
    rgb = painter.render(torch.zeros(1, 2, 8, 8), grey)
    assert (cbcr(rgb) * 255).abs().max() < 0.1
    torch.testing.assert_close(rgb[:, :1] * 255, grey, rtol=0, atol=0.1)


def test_lab_and_back_is_the_same_colour() -> None:
    torch.manual_seed(0)
    rgb = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(rgb)), rgb, rtol=0, atol=1e-5)


def test_lab_of_red_is_the_published_one() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    lab = rgb_to_lab(red).flatten().tolist()
    assert lab == pytest.approx([53.24, 80.09, 67.20], abs=0.05)


def test_cbcr_of_red_is_the_standards() -> None:
    red = torch.tensor([255.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    assert cbcr(red).flatten().tolist() == pytest.approx([-43.03, 127.5], abs=0.01)


def test_a_call_gives_the_networks_own_answer(pocket: Generator) -> None:
    grey = torch.from_numpy(photographs(2, 64))[:, None]  # (2, 1, 64, 64)
    answer = pocket(grey.float())
    assert answer.shape == (2, 2, 32, 32)
    assert answer.dtype == torch.float32
    assert 1 < answer.abs().max() < 128
    embedded = find_model("pocket").embedded
    assert embedded is not None
    painter = PocketPainter(PocketNetwork(), float(read_weights(embedded).facts["saturation"]))
    wanted = 128 + 255 * cbcr(painter.render(answer, grey.float())).permute(0, 2, 3, 1).numpy()
    assert np.abs(pocket.chroma(photographs(2, 64)) - wanted).max() < 0.51


def test_an_answer_that_is_not_finite_is_no_plate() -> None:
    network = PocketNetwork().eval()
    nn.init.constant_(network.chroma.bias, torch.nan)  # type: ignore[arg-type]
    replica = Replica(
        PocketPainter(network, 1.0),
        name="pocket",
        weights_sha256="00" * 32,
        device=torch.device("cpu"),
        precision="float32",
    )
    with pytest.raises(ModelError, match="answer is not finite in float32"):
        replica.chroma(photographs(1, 64))


def test_weights_changed_after_loading_change_no_plate(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(POCKET.read_bytes())
    squares = photographs(1, 64)
    replica = load_generator("pocket", weights=file)
    before = replica.chroma(squares)
    with file.open("r+b") as stream:
        stream.write(bytes(POCKET.stat().st_size))
    np.testing.assert_array_equal(replica.chroma(squares), before)


def test_a_file_that_changes_while_it_is_loaded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(POCKET.read_bytes())

    def read_and_spoil(path: Path) -> Weights:
        weights = read_weights(path)
        with path.open("ab") as stream:
            stream.write(b"more")
        return weights

    monkeypatch.setattr(replica_module, "read_weights", read_and_spoil)
    with pytest.raises(WrongWeights, match="these weights are sha256"):
        load_generator("pocket", weights=file)


def test_an_answer_that_is_no_number_is_an_error() -> None:
    network = PocketNetwork()
    nn.init.constant_(network.chroma.bias, float("nan"))  # type: ignore[arg-type]
    replica = Replica(
        PocketPainter(network, 1.0),
        name="pocket",
        weights_sha256="",
        device=torch.device("cpu"),
        precision="float32",
    )
    with pytest.raises(ModelError, match="not finite in float32"):
        replica.chroma(photographs(1, 64))


def test_many_squares_are_painted_as_few(
    pocket: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    squares = photographs(5, 64)
    together = pocket.chroma(squares).astype(int)
    monkeypatch.setattr(replica_module, "PIXELS_AT_ONCE", 2 * 64 * 64)
    assert np.abs(pocket.chroma(squares) - together).max() <= 1


def test_deoldify_is_not_compiled_for_cpus(tmp_path: Path) -> None:
    file = tmp_path / "some.pth"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="not compiled for CPUs"):
        load_generator("artistic", weights=file, device="cpu", precision="float32", compiled=True)


class Crowded(nn.Module):
    """Has no room at first; what it was given then is held by a circle of references."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[weakref.ref[Tensor]] = []
        self.held: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.held = [given() is not None for given in self.given]
        self.given.append(weakref.ref(x))
        if len(self.given) > 1:
            return x.new_zeros(len(x), 2, *x.shape[2:])
        circle: list[object] = [x]
        circle.append(circle)
        raise torch.OutOfMemoryError("out of memory")


def test_an_attempt_without_room_is_let_go_of_before_the_next() -> None:
    network = Crowded()
    replica = Replica(
        PocketPainter(network, 1.0),  # type: ignore[arg-type]
        name="pocket",
        weights_sha256="00" * 32,
        device=torch.device("cpu"),
        precision="float32",
    )
    gc.disable()
    try:
        with pytest.raises(OutOfMemory):
            replica.chroma(photographs(1, 64))
        assert network.given[0]() is not None
        assert replica.chroma(photographs(1, 64)).shape == (1, 64, 64, 2)
    finally:
        gc.enable()
    assert network.held == [False]
