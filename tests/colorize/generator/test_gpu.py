"""The same plates from a GPU, through the same code; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photochrom.colorize.generator import load_generator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize(("precision", "most"), [("float32", 2), ("bfloat16", 12), ("float16", 6)])
def test_a_gpu_paints_what_a_cpu_paints(precision: str, most: int) -> None:
    grain = np.random.default_rng(1).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    squares = np.kron(grain, np.ones((1, 16, 16), np.uint8))  # (3, 256, 256)
    wanted = load_generator("pocket", device="cpu").chroma(squares).astype(int)
    generator = load_generator("pocket", device="cuda", precision=precision)
    assert generator.device.startswith("cuda")
    assert np.abs(generator.chroma(squares) - wanted).max() <= most


def test_a_batch_on_a_gpu_is_so_many_photos() -> None:
    squares = np.random.default_rng(2).integers(0, 256, (4, 144, 144), dtype=np.uint8)
    generator = load_generator("pocket", device="cuda")
    alone = np.concatenate([generator.chroma(square[None]) for square in squares])
    assert np.abs(generator.chroma(squares).astype(int) - alone).max() <= 1
