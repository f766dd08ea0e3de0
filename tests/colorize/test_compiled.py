"""A compiled generator: the same plates, and plain words where there is no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.reading.source import Header
from tests.colorize.picture.lightbox import scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = """
from photochrom.colorize import Colorizer
from photochrom.colorize.errors import ModelError
try:
    Colorizer.load("pocket", device="cpu", threads=1, compiled=True).warm_up(64, 1)
except ModelError as error:
    print(error)
"""


def test_no_compiler_is_a_model_error_that_says_so(tmp_path: Path) -> None:
    changes = {"CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, env=os.environ | changes, capture_output=True, text=True, check=True
    )
    assert "No working C++ compiler found" in done.stdout
    assert "needs a C++ compiler such as g++" in done.stdout
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of torch
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_compiled_plates_are_the_same_within_a_level() -> None:
    luma = scene(40, 50)
    photo = Photo(Header("tiff", "test", 50, 40, 8, 1), luma, "00" * 32)
    plates: list[Plate] = []
    for compiled in (False, True):
        colorizer = Colorizer.load("pocket", device="cpu", threads=1, compiled=compiled)
        if compiled:
            assert colorizer.warm_up(64, 1) > 0
        (made,) = colorizer.paint([photo], 64)
        assert isinstance(made, Plate)
        plates.append(made)
    plain, compiled_plate = (plate.chroma.astype(int) for plate in plates)
    assert np.abs(plain - compiled_plate).max() <= 1
    assert plates[0].chroma_mean > 1
