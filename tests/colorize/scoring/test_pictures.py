from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Plate
from photochrom.colorize.picture.luma import luma
from photochrom.colorize.picture.vips import pyvips
from photochrom.colorize.scoring.figures import colourfulness_hs
from photochrom.colorize.scoring.pictures import ColourPhoto, Pair, saturated
from tests.colorize.scoring.shown import Rgb, photograph


def saved(folder: Path, rgb: Rgb, name: str = "a.png", **options: object) -> Path:
    path = folder / name
    Image.fromarray(rgb).save(path, **options)
    return path


def test_samples_come_as_they_are_where_nothing_is_to_do(tmp_path: Path) -> None:
    rgb = photograph("chelsea")
    opened = ColourPhoto.open(saved(tmp_path, rgb), side=256)
    assert np.array_equal(opened.rgb, rgb)
    assert np.array_equal(opened.photo.luma, luma(rgb))
    assert opened.in_colour


def test_muted_colours_count_and_a_grey_scans_noise_does_not(tmp_path: Path) -> None:
    picture = photograph("chelsea")
    muted = ColourPhoto.open(saved(tmp_path, saturated(picture, 0.15)), side=256)
    assert muted.in_colour
    assert not muted.photo.in_colour  # jobs take it for a toned print, and paint it
    noise = np.random.default_rng(1).normal(0, 1, picture.shape)
    scan = (luma(picture)[..., None] + noise).clip(0, 255).astype(np.uint8)
    assert not ColourPhoto.open(saved(tmp_path, scan), side=256).in_colour


def test_the_longer_side_shrinks_and_the_photo_stays_whole(tmp_path: Path) -> None:
    rgb = photograph("rocket", 600)
    opened = ColourPhoto.open(saved(tmp_path, rgb), side=100)
    assert max(opened.rgb.shape) == 100
    assert opened.photo.luma.shape == rgb.shape[:2]
    assert np.abs(opened.rgb.mean((0, 1)) - rgb.mean((0, 1))).max() < 1


def test_a_turned_photograph_is_upright(tmp_path: Path) -> None:
    rgb = photograph("coffee")
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = ColourPhoto.open(saved(tmp_path, rgb, exif=exif), side=256)
    assert np.array_equal(opened.rgb, np.rot90(rgb, -1))
    assert opened.photo.luma.shape == opened.rgb.shape[:2]


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    rgb = photograph("coffee")
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, rgb.astype(np.uint16) * 257, photometric="rgb", metadata=None)
    assert np.array_equal(ColourPhoto.open(path, side=256).rgb, rgb)


def test_a_wide_gamut_is_brought_to_srgb(tmp_path: Path) -> None:
    stripes = np.array([[[200, 60, 60], [128, 128, 128]]] * 8, np.uint8).repeat(4, 1)
    profile = bytes(pyvips.Image.profile_load("p3"))
    opened = ColourPhoto.open(saved(tmp_path, stripes, icc_profile=profile), side=256)
    red, grey = opened.rgb[0, 0].astype(int), opened.rgb[0, -1].astype(int)
    assert red[0] > 205
    assert red[1] < 58
    assert np.abs(grey - 128).max() <= 1


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, photograph("rocket"), "a.jpg", quality=95)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError) as caught:
        ColourPhoto.open(path, side=64)
    assert caught.value.reason == Fault.CORRUPT


def test_a_plate_is_laid_on_the_pictures_own_luma(tmp_path: Path) -> None:
    opened = ColourPhoto.open(saved(tmp_path, photograph("chelsea")), side=120)
    (plate,) = Colorizer.load("echo").paint([opened.photo], 64)
    assert isinstance(plate, Plate)
    painted = opened.painted(plate)
    assert np.array_equal(luma(painted), luma(opened.rgb))
    assert colourfulness_hs(painted) > 0


@given(seed=st.integers(0, 999), factor=st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_saturation_never_moves_luma(seed: int, factor: float) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    assert np.array_equal(luma(saturated(picture, factor)), luma(picture))


def test_saturation_scales_what_is_there() -> None:
    picture = photograph("coffee")
    half = saturated(picture, 0.5)
    assert colourfulness_hs(half) == pytest.approx(0.5 * colourfulness_hs(picture), rel=0.08)
    assert colourfulness_hs(saturated(picture, 0.0)) == 0
    assert saturated(picture, 1.0) is picture


def test_next_to_one_is_next_to_nothing() -> None:
    """A picture that was merged once is not paled by being merged again."""
    merged = saturated(photograph("chelsea"), 0.6)
    again = saturated(merged, 1 + 1e-9)
    assert np.abs(again.astype(int) - merged.astype(int)).mean() < 0.001


def test_a_pair_has_the_smaller_size() -> None:
    large, small = photograph("rocket", 200), photograph("rocket", 90)
    for painted, truth in ((large, small), (small, large)):
        pair = Pair.of("rocket", painted, truth)
        assert pair.painted.shape == pair.truth.shape == small.shape
        assert np.abs(pair.painted.astype(int) - pair.truth.astype(int)).mean() < 8


def test_pictures_of_other_shapes_are_no_pair() -> None:
    with pytest.raises(SourceError, match="painted 200 x 133, but the truth is 200 x 200"):
        Pair.of("x", photograph("coffee"), photograph("astronaut"))
