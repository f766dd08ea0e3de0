"""What a file says of itself and a photo keeps: resolution, profile, EXIF, description."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from photochrom.colorize.picture import Photo
from tests.colorize.picture.lightbox import grain, shelve
from tests.data.darkroom import grey_profile

GREY8, GREY16 = grain(37, 53), grain(37, 53, bits=16)


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_what_is_worth_keeping_is_kept(compression: str | None, tmp_path: Path) -> None:
    profile = grey_profile()
    path = shelve(
        tmp_path,
        GREY16,
        compression=compression,
        iccprofile=profile,
        resolution=(600, 400),
        resolutionunit="INCH",
        description="The harbour, 1911",
    )
    photo = Photo.open(path)
    assert photo.header.icc == profile
    assert photo.dpi == pytest.approx((600, 400), abs=0.1)
    assert photo.header.description == "The harbour, 1911"


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_exif_and_profile_are_kept(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"original.{kind}"
    exif = Image.Exif()
    exif[270], exif[315] = "A market, north side", "A. Stieglitz"
    Image.fromarray(GREY8).save(path, exif=exif, icc_profile=grey_profile(), dpi=(200, 200))
    photo = Photo.open(path)
    assert photo.header.description == "A market, north side"
    assert photo.header.icc == grey_profile()
    kept = Image.Exif()
    assert photo.header.exif is not None
    kept.load(photo.header.exif)
    assert kept[315] == "A. Stieglitz"
    if kind != "webp":
        assert photo.dpi == pytest.approx((200, 200), abs=0.1)


@pytest.mark.parametrize("text", ["North (1)", "a (b) (c", "(", "x, ASCII, 3 components, 3 bytes)"])
def test_brackets_in_an_exif_description(text: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270] = text
    Image.fromarray(GREY8).save(tmp_path / "original.jpg", exif=exif)
    assert Photo.open(tmp_path / "original.jpg").header.description == text


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_a_file_that_says_nothing_has_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"bare.{kind}"
    Image.fromarray(GREY8).save(path)
    header = Photo.open(path).header
    assert (header.dpi, header.icc, header.description, header.orientation) == (None, None, "", 1)
    assert header.tone_evidence == ""


def test_a_latin_description_is_readable(tmp_path: Path) -> None:
    text = "Müller, Café"
    path = shelve(tmp_path, GREY8, extratags=[(270, 2, 0, text.encode("latin-1"), True)])
    assert Photo.open(path).header.description == text
