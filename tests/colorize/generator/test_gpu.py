"""The same plates from a GPU, through the same code; skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.generator import load_generator
from photochrom.colorize.generator.inference import inference_form
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.printing.plate import Fallback
from tests.colorize.generator.small import LAYOUTS, pictures, small_network, trained_state

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize(
    ("precision", "most", "mean"),
    [("float32", 2, 0.1), ("bfloat16", 24, 1.5), ("float16", 6, 0.5)],  # a CPU's bfloat16: 14, 1.0
)
def test_a_gpu_paints_what_a_cpu_paints(precision: str, most: int, mean: float) -> None:
    grain = np.random.default_rng(1).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    squares = np.kron(grain, np.ones((1, 16, 16), np.uint8))  # (3, 256, 256)
    wanted = load_generator("pocket", device="cpu", precision="float32").chroma(squares)
    generator = load_generator("pocket", device="cuda", precision=precision)
    assert generator.device.startswith("cuda")
    difference = np.abs(generator.chroma(squares).astype(int) - wanted)
    assert difference.max() <= most
    assert difference.mean() <= mean


def test_a_batch_on_a_gpu_is_so_many_photos() -> None:
    squares = np.random.default_rng(2).integers(0, 256, (4, 144, 144), dtype=np.uint8)
    generator = load_generator("pocket", device="cuda")
    alone = np.concatenate([generator.chroma(square[None]) for square in squares])
    assert np.abs(generator.chroma(squares).astype(int) - alone).max() <= 1


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize(("precision", "most"), [("float32", 0.02), ("bfloat16", 0.3)])
def test_deoldify_on_a_gpu_answers_as_the_plain_network(
    kind: str, precision: str, most: float
) -> None:
    plain, rebuilt = small_network(kind).eval(), small_network(kind).eval()
    state = trained_state(kind)
    for network in (plain, rebuilt):
        network.load_state_dict(state)
    dtype, device = getattr(torch, precision), torch.device("cuda")
    inference_form(rebuilt, dtype, device)
    x = pictures(2, 112)
    with torch.inference_mode():
        answer = rebuilt(x.to(device, dtype)).cpu()
        assert (answer - plain(x)).abs().max() < most


@contextmanager
def memory(size: int) -> Iterator[None]:
    """Let torch have so many bytes of the GPU's memory."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(
        size / torch.cuda.get_device_properties(0).total_memory
    )
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_batch_without_room_leaves_room_for_its_photos(tmp_path: Path) -> None:
    grain = np.random.default_rng(3).integers(0, 256, (600, 700), dtype=np.uint8)
    Image.fromarray(grain).save(tmp_path / "grain.png")
    photos = [Photo.open(tmp_path / "grain.png")] * 24
    colorizer = Colorizer.load("pocket", device="cuda", precision="bfloat16")
    torch.cuda.reset_peak_memory_stats()
    colorizer.paint(photos[:2], 560)
    with memory(torch.cuda.max_memory_reserved()):
        made = colorizer.paint(photos, 560, smallest=160)
    assert all(isinstance(plate, Plate) for plate in made)
    assert {plate.fallback for plate in made if isinstance(plate, Plate)} <= {
        Fallback.HALVED,
        Fallback.ONE_AT_A_TIME,
    }
