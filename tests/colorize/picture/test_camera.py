"""Camera scans: DNGs put together by hand, developed as the settings in their decoder say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.reading.decoders import open_source
from tests.colorize.picture.dng import TOP, dng
from tests.colorize.picture.lightbox import Samples, grain, scene

pytest.importorskip("rawpy", reason="needs photochrom[raw]")
SHAPE = (64, 96)


def srgb(values: Samples) -> Samples:
    """IEC 61966-2-1, slowly."""
    light = values / TOP
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(curve * 65535)


@pytest.mark.parametrize("thumbnail", [False, True])
def test_linear_values_get_srgbs_curve(thumbnail: bool, tmp_path: Path) -> None:
    values = np.stack([grain(*SHAPE, bits=16) >> 2] * 3, -1)
    photo = Photo.open(dng(tmp_path / "linear.dng", values, thumbnail=thumbnail))
    assert np.abs(photo.luma - srgb(values[..., 0])).max() < 14, "a step in the dark is 13"
    assert (photo.header.format, photo.bits, photo.header.channels) == ("raw", 16, 3)


@pytest.mark.parametrize("level", [40, 4000, 16000])
def test_nothing_follows_the_content(level: int, tmp_path: Path) -> None:
    """A dark frame stays dark: no brightness is guessed, and no white is looked for."""
    values = np.full(SHAPE, level, np.uint16)
    photo = Photo.open(dng(tmp_path / "flat.dng", values, thumbnail=True))
    assert np.abs(photo.luma - srgb(values)).max() < 6


def test_a_filter_array_is_not_read_as_grey(tmp_path: Path) -> None:
    """Red light alone: every pixel is red, those behind green and blue glass too."""
    values = np.full(SHAPE, 100, np.uint16)
    values[::2, ::2] = 12000
    rows = np.concatenate(list(open_source(dng(tmp_path / "red.dng", values)).rows()))
    inner = rows[8:-8, 8:-8].reshape(-1, 3)
    assert inner[:, 0].min() > 50000
    assert inner[:, 1:].max() < 20000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int, tmp_path: Path) -> None:
    values = np.stack([scene(*SHAPE, 16) >> 2] * 3, -1)
    straight = Photo.open(dng(tmp_path / "straight.dng", values)).luma
    path = dng(tmp_path / "turned.dng", values, (274, 3, 1, orientation, True))
    photo = Photo.open(path)
    assert photo.header.orientation == orientation
    assert photo.luma.shape == (straight.T if orientation >= 5 else straight).shape


def test_the_same_samples_with_any_threads(tmp_path: Path) -> None:
    path = dng(tmp_path / "grain.dng", grain(256, 256, bits=16) >> 2)
    code = "import sys; from photochrom.colorize import Photo\n"
    code += "print(Photo.open(sys.argv[1]).luma_sha256)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, str(path)],
            env=os.environ | {"OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert digests == {Photo.open(path).luma_sha256 + "\n"}


def test_its_decoder_says_how(tmp_path: Path) -> None:
    decoder = Photo.open(dng(tmp_path / "how.dng", scene(*SHAPE, 16) >> 2)).header.decoder
    assert decoder.startswith("libraw 0.")
    assert " rawpy 0." in decoder
    assert decoder.endswith("(AHD, sRGB, as the camera balanced)")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("thumbnail", [False, True])
def test_a_cut_one_is_corrupt(share: float, thumbnail: bool, tmp_path: Path) -> None:
    whole = dng(tmp_path / "whole.dng", grain(*SHAPE, bits=16) >> 2, thumbnail=thumbnail)
    content = whole.read_bytes()
    (tmp_path / "cut.dng").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(SourceError) as caught:
        Photo.open(tmp_path / "cut.dng")
    assert caught.value.reason is Fault.CORRUPT


def test_the_limit_stands_before_development(tmp_path: Path) -> None:
    path = dng(tmp_path / "large.dng", scene(*SHAPE, 16) >> 2, thumbnail=True)
    with pytest.raises(SourceError, match="96 x 64") as caught:
        Photo.open(path, max_pixels=96 * 64 - 1)
    assert caught.value.reason is Fault.TOO_LARGE


@pytest.mark.parametrize("thumbnail", [False, True])
def test_without_the_extra(
    thumbnail: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dng(tmp_path / "original.dng", scene(*SHAPE, 16) >> 2, thumbnail=thumbnail)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(SourceError, match=r"photochrom\[raw\]") as caught:
        Photo.open(path)
    assert caught.value.reason is Fault.UNSUPPORTED


def test_a_thumbnail_is_not_the_picture(tmp_path: Path) -> None:
    """A first page that calls itself reduced, with the picture in a directory below it."""
    with tifffile.TiffWriter(tmp_path / "below.tif") as writer:
        small, large = grain(8, 12), grain(64, 96)
        common: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
        writer.write(small, subifds=1, subfiletype=1, **common)
        writer.write(large, subfiletype=0, **common)
    with pytest.raises(SourceError, match="thumbnail") as caught:
        Photo.open(tmp_path / "below.tif")
    assert caught.value.reason is Fault.UNSUPPORTED
