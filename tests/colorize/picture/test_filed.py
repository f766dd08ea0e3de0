"""A photo whose luma lies in a file is the same photo, in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from photochrom.colorize.picture import Photo, PrintRecipe
from photochrom.colorize.picture.filed import FiledPlane
from photochrom.colorize.picture.reading import upright as upright_module
from tests.colorize.picture.lightbox import ORIGIN, grain, plate_for, shelve
from tests.colorize.picture.test_photo import TURNS

RECIPES = [PrintRecipe(format="tiff"), PrintRecipe(), PrintRecipe(format="png", long_side=100)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_a_filed_photo_is_the_same(
    orientation: int, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bands that do not divide its height."""
    monkeypatch.setattr(upright_module, "_BAND_PIXELS", 70_000)
    samples = grain(517, 401, bits=bits)
    path = shelve(tmp_path, samples, extratags=[(274, 3, 1, orientation, True)])
    held, filed = Photo.open(path), Photo.open(path, scratch=tmp_path)
    assert isinstance(filed.luma, FiledPlane)
    assert (filed.luma.shape, filed.luma.dtype) == (held.luma.shape, held.luma.dtype)
    upright = TURNS[orientation](samples) if orientation > 1 else samples
    assert np.array_equal(held.luma[:], upright)
    assert np.array_equal(filed.luma[:], upright)
    assert filed.luma_sha256 == held.luma_sha256
    tone = held.tone_table("negative")
    assert filed.tone_table("negative").sha256 == tone.sha256
    assert np.array_equal(filed.square(64, tone), held.square(64, tone))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.format))
def test_its_print_has_the_same_bytes(recipe: PrintRecipe, tmp_path: Path) -> None:
    path = shelve(tmp_path, grain(517, 401, bits=16))
    made = []
    for scratch in (None, tmp_path):
        opened = Photo.open(path, scratch=scratch)
        target = tmp_path / f"print.{recipe.suffix}"
        plate = plate_for(opened, tone=opened.tone_table("negative"))
        made.append(plate.print_on(opened, ORIGIN).save(target, recipe))
    assert made[0] == made[1]


def test_rows_are_read_as_slices_are(tmp_path: Path) -> None:
    samples = grain(20, 7, bits=16)
    plane = FiledPlane.new(tmp_path, samples.shape, np.uint16)
    plane[slice(0, 20), slice(None)] = samples
    for rows in (slice(3, 9), slice(None), slice(18, 99), slice(-2, None), slice(9, 9)):
        assert np.array_equal(plane[rows], samples[rows])
    plane[slice(None), slice(2, 4)] = samples[:, :2]
    samples[:, 2:4] = samples[:, :2].copy()
    assert np.array_equal(plane[:], samples)
    assert list(tmp_path.iterdir()) == [], "its file has no name"


def test_a_file_cut_short_is_no_picture(tmp_path: Path) -> None:
    plane = FiledPlane.new(tmp_path, (4, 5), np.uint8)
    os.truncate(plane.file, 12)
    with pytest.raises(OSError, match="ends at byte 12"):
        plane[:]


SIDE = 9000
PROGRAM = f"""
import sys
from pathlib import Path
from photochrom.colorize.picture import Painter, Photo, Plate, PrintRecipe
import numpy as np
folder = Path(sys.argv[1])
opened = Photo.open(folder / "scan.tif", scratch=folder)
tone = opened.tone_table("auto")
opened.square(256, tone)
plate = Plate(np.full((256, 256, 2), 140, np.uint8), tone, Painter("none", "0" * 64, 256))
plate.print_on(opened).save(folder / "print.jpg", PrintRecipe(long_side={SIDE // 3}))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_it_takes_little_memory(tmp_path: Path) -> None:
    """The luma alone would be 162 MB."""
    rows = (np.full((100, SIDE), 300 * at, np.uint16) for at in range(SIDE // 100))
    tifffile.imwrite(
        tmp_path / "scan.tif",
        rows,
        shape=(SIDE, SIDE),
        dtype=np.uint16,
        rowsperstrip=100,
        photometric="minisblack",
    )
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    (tmp_path / "scan.tif").unlink()
    assert int(said) * 1024 < 160_000_000
