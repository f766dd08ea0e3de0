"""TIFF prints: how they are laid out and packed, for readers that never heard of us."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture import Photo, PrintRecipe
from photochrom.colorize.picture.luma import strip_rows
from photochrom.colorize.picture.printing import tiff_encoder
from photochrom.colorize.picture.vips import pyvips
from tests.colorize.picture.lightbox import ORIGIN, grain, mild_chroma, plate_for, scene, shelve

WIDE = (300, 700)


def printed(folder: Path, recipe: PrintRecipe, bits: int = 16) -> Path:
    """Print a smooth photo that fills several strips, tiles in part, and return the file."""
    photo = Photo.open(shelve(folder, scene(*WIDE, bits)))
    path = folder / "print.tif"
    plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path, recipe)
    return path


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw"])
@pytest.mark.parametrize("tiled", [False, True])
def test_the_layout_is_as_ordered(compression: str, tiled: bool, tmp_path: Path) -> None:
    recipe = PrintRecipe.model_validate(
        {"format": "tiff", "compression": compression, "tiled": tiled}
    )
    with tifffile.TiffFile(printed(tmp_path, recipe)) as tiff:
        page = tiff.pages.first
        codes = {"none": "NONE", "deflate": "ADOBE_DEFLATE", "lzw": "LZW"}
        assert tifffile.COMPRESSION(page.compression).name == codes[compression]
        assert page.predictor == (1 if compression == "none" else 2)
        assert page.is_tiled is tiled
        assert not tiff.is_bigtiff
        if tiled:
            assert (page.tilewidth, page.tilelength) == (256, 256)
            assert len(page.dataoffsets) == 2 * 3
        else:
            assert page.rowsperstrip == strip_rows(WIDE[1])
            assert len(page.dataoffsets) > 2


@pytest.mark.parametrize("tiled", [False, True])
def test_packing_changes_no_sample(tiled: bool, tmp_path: Path) -> None:
    seen = []
    for compression in ("none", "deflate", "lzw"):
        recipe = PrintRecipe.model_validate(
            {"format": "tiff", "compression": compression, "tiled": tiled}
        )
        path = printed(tmp_path, recipe)
        seen.append((tifffile.imread(path), path.stat().st_size))
        assert np.array_equal(seen[0][0], pyvips.Image.new_from_file(str(path)).numpy())
    assert all(np.array_equal(samples, seen[0][0]) for samples, _ in seen)
    assert seen[1][1] < 0.7 * seen[0][1]
    assert seen[2][1] < seen[0][1], "without differences LZW would make it larger"


@pytest.mark.parametrize("tiled", [False, True])
def test_what_may_pass_4_gib_is_a_bigtiff(
    tiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = WIDE[0] * WIDE[1] * 6
    recipe = PrintRecipe(format="tiff", tiled=tiled)
    for threshold, big in ((size, True), (size + 1, False)):
        monkeypatch.setattr(tiff_encoder, "_BIGTIFF_FROM", threshold)
        path = printed(tmp_path, recipe)
        with tifffile.TiffFile(path) as tiff:
            assert tiff.is_bigtiff is big
        assert pyvips.Image.new_from_file(str(path)).width == WIDE[1]


def test_a_wrong_predictor_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_encoder, "_differences", lambda samples: samples)
    with pytest.raises(ProofError):
        printed(tmp_path, PrintRecipe(format="tiff", compression="deflate"))


def test_blocks_fill_tiles_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles smaller and larger than the blocks that come."""
    photo = Photo.open(shelve(tmp_path, grain(700, 700)))
    for side in (16, 64, 512):
        monkeypatch.setattr(tiff_encoder, "TILE", side)
        path = tmp_path / f"{side}.tif"
        plate_for(photo).print_on(photo).save(path, PrintRecipe(format="tiff", tiled=True))
    first, *others = (tifffile.imread(tmp_path / f"{side}.tif") for side in (16, 64, 512))
    assert all(np.array_equal(first, other) for other in others)
