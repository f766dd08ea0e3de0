"""HEIC and AVIF: grey, colour and depth; upright once; several pictures; and without the extra."""

from __future__ import annotations

import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.reading.decoders import open_source
from tests.colorize.picture.lightbox import Samples, scene
from tests.colorize.picture.test_claims import spread_slowly
from tests.data.darkroom import grey_profile

pillow_heif = pytest.importorskip("pillow_heif", reason="needs photochrom[heif]")
RGB = np.stack([scene(128, 160), 255 - scene(128, 160), scene(128, 160) // 2], -1)


def heic(path: Path, *pictures: Samples, **options: object) -> Path:
    """Write pictures by x265, without loss but for the turn into YCbCr."""
    file = pillow_heif.HeifFile()
    for each in pictures:
        mode = {(2, 1): "L", (2, 2): "I;16", (3, 1): "RGB", (3, 2): "RGB;16"}
        kind = mode[each.ndim, each.itemsize]
        file.add_frombytes(kind, each.shape[1::-1], each.tobytes())
    file.save(path, quality=-1, chroma=444, **options)
    return path


def rows_of(path: Path) -> Samples:
    return np.concatenate(list(open_source(path).rows()))


def test_grey_heic(tmp_path: Path) -> None:
    photo = Photo.open(heic(tmp_path / "grey.heic", scene(128, 160)))
    assert np.array_equal(photo.luma, scene(128, 160))
    assert (photo.header.format, photo.header.channels, photo.header.dpi) == ("heic", 1, None)
    assert photo.header.decoder.startswith("libheif 1.")


def test_colour_heic(tmp_path: Path) -> None:
    assert np.abs(rows_of(heic(tmp_path / "rgb.heic", RGB)).astype(int) - RGB).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_ten_bits_reach_white(channels: int, tmp_path: Path) -> None:
    """The encoder keeps the upper ten of sixteen bits, rounded."""
    values = scene(128, 160, 16) if channels == 1 else RGB.astype(np.uint16) * 257
    values[:64, :80] = 65535
    got = rows_of(heic(tmp_path / "ten.heic", values))
    assert np.abs(got.astype(int) - values).max() <= 64 * channels
    assert got[8, 8].min() == 65535
    assert Photo.open(tmp_path / "ten.heic").bits == 16


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_upright_once(kind: str, orientation: int, tmp_path: Path) -> None:
    """The writer turns EXIF's orientation into the container's, which the library applies."""
    exif = Image.Exif()
    exif[270], exif[274] = "The ferry", orientation
    path = tmp_path / f"turned.{kind}"
    if kind == "heic":
        pillow_heif.from_pillow(Image.fromarray(RGB)).save(path, exif=exif.tobytes(), quality=90)
    else:
        Image.fromarray(RGB).save(path, exif=exif, quality=90)
    turned = np.rot90(scene(128, 160), {1: 0, 3: 2, 6: -1, 8: 1}[orientation]).astype(float)
    photo = Photo.open(path)
    assert photo.luma.shape == turned.shape
    assert (photo.header.description, photo.header.orientation) == ("The ferry", 1)
    assert np.corrcoef(photo.luma.ravel(), _luma(turned).ravel())[0, 1] > 0.99


def _luma(red: Samples) -> Samples:
    return 0.299 * red + 0.587 * (255 - red) + 0.057 * red


def test_what_it_carries(tmp_path: Path) -> None:
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    file = pillow_heif.from_pillow(Image.fromarray(RGB))
    file.info["icc_profile"], file.info["icc_profile_type"] = grey_profile(), "prof"
    file.save(tmp_path / "carries.heic", xmp=xmp)
    header = Photo.open(tmp_path / "carries.heic").header
    assert (header.icc, header.xmp) == (grey_profile(), xmp)


def test_the_main_one_of_several(tmp_path: Path) -> None:
    grey = scene(128, 160)
    path = heic(tmp_path / "three.heic", grey // 2, grey, grey // 3, primary_index=1)
    photo = Photo.open(path)
    assert np.array_equal(photo.luma, grey)
    assert photo.header.note == "the main one of 3 pictures"


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif(bits: int, tmp_path: Path) -> None:
    values = spread_slowly(np.stack([scene(64, 80, 16) >> 16 - bits] * 3, -1), bits)
    coded = (values >> (values.itemsize * 8 - bits)).astype(values.dtype)
    (tmp_path / "lossless.avif").write_bytes(
        imagecodecs.avif_encode(coded, level=100, bitspersample=bits)
    )
    photo = Photo.open(tmp_path / "lossless.avif")
    assert np.array_equal(photo.luma, values[..., 0])
    assert (photo.header.format, photo.bits) == ("avif", 8 if bits == 8 else 16)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = heic(tmp_path / "grey.heic", scene(128, 160))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"photochrom\[heif\]") as caught:
        Photo.open(path)
    assert caught.value.reason is Fault.UNSUPPORTED
