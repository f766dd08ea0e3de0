"""Weights from a seed, in files that are made once and removed at the end, and their generators."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path

import pytest
import torch

from photochrom.colorize.generator import Generator, load_generator
from tests.colorize.generator.reference import blank, state_of


@pytest.fixture(scope="session")
def reference_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Return what gives the file of artistic, stable or the critic, of up to 874 MB."""
    folder = tmp_path_factory.mktemp("reference")

    @cache
    def file(name: str) -> Path:
        path = folder / f"{name}.pth"
        torch.save({"model": state_of(blank(name))}, path)
        return path

    yield file
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def generator(reference_file: Callable[[str], Path]) -> Callable[[str], Generator]:
    """Return what gives artistic or stable in float32; one is held at a time."""

    @lru_cache(maxsize=1)
    def load(model: str) -> Generator:
        weights = reference_file(model)
        return load_generator(model, weights=weights, device="cpu", precision="float32")

    return load
