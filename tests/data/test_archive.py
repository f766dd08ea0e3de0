"""The sample archive is what its manifest says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms

ARCHIVE = Path(__file__).with_name("archive")
REASONS = {"corrupt", "empty", "not_an_image", "unsupported"}


def _rows() -> list[dict[str, str]]:
    with (ARCHIVE / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _page(uri: str) -> tifffile.TiffPage:
    with tifffile.TiffFile(ARCHIVE / uri) as tif:
        page = tif.pages.first
        assert isinstance(page, tifffile.TiffPage)
        return page


def _vips(uri: str) -> pyvips.Image:
    return pyvips.Image.new_from_file(str(ARCHIVE / uri), fail_on="error")


def test_manifest_and_files_agree() -> None:
    found = {path.relative_to(ARCHIVE).as_posix() for path in ARCHIVE.rglob("*") if path.is_file()}
    listed = [row["uri"] for row in _rows()]
    assert sorted(found - {"manifest.csv", "CREDITS.md"}) == sorted(listed)
    assert len({row["row_id"] for row in _rows()}) == len(listed)


def test_rows_use_the_known_words() -> None:
    for row in _rows():
        outcome, _, reason = row["expect"].partition(":")
        assert row["tone"] in {"positive", "negative", ""}
        assert row["collection"] == row["uri"].split("/")[0]
        assert {"colorized": {""}, "skipped": {"already_colour"}, "failed": REASONS}[outcome] >= {
            reason
        }


def test_every_file_is_credited_under_a_free_licence() -> None:
    lines = (ARCHIVE / "CREDITS.md").read_text(encoding="utf-8").splitlines()
    credits_ = {line.split("`")[1]: line.split(" | ") for line in lines if line.startswith("| `")}
    for row in _rows():
        assert credits_[row["uri"]][3] == row["rights"]
        assert row["rights"] in {"Public domain", "CC0 1.0", "CC BY 2.0"}


def test_archive_is_small() -> None:
    size = sum(path.stat().st_size for path in ARCHIVE.rglob("*") if path.is_file())
    assert size < 5_000_000


@pytest.mark.parametrize(
    ("uri", "photometric", "bits", "byteorder", "compression"),
    [
        ("buildings/chambord.tif", "MINISBLACK", 8, ">", "LZW"),
        ("buildings/petra.tif", "RGB", 16, "<", "ADOBE_DEFLATE"),
        ("glass-plates/carcassonne.tif", "MINISBLACK", 16, "<", "NONE"),
        ("glass-plates/chenonceau.tif", "MINISWHITE", 8, "<", "NONE"),
        ("glass-plates/machu-picchu.tif", "MINISWHITE", 16, "<", "NONE"),
        ("negatives/cow.tif", "MINISBLACK", 16, "<", "NONE"),
    ],
)
def test_tiffs_are_what_they_claim(
    uri: str, photometric: str, bits: int, byteorder: str, compression: str
) -> None:
    page = _page(uri)
    assert tifffile.PHOTOMETRIC(page.photometric).name == photometric
    assert page.bitspersample == bits
    assert page.parent.byteorder == byteorder
    assert tifffile.COMPRESSION(page.compression).name == compression


@pytest.mark.parametrize(
    "uri", ["glass-plates/carcassonne.tif", "glass-plates/machu-picchu.tif", "negatives/cow.tif"]
)
def test_sixteen_bits_are_used(uri: str) -> None:
    low_bytes = tifffile.imread(ARCHIVE / uri) & 0xFF
    assert np.bincount(low_bytes.ravel(), minlength=256).min() > 0


def test_glass_plate_says_what_it_is() -> None:
    page = _page("glass-plates/carcassonne.tif")
    assert page.description.startswith("The walls of Carcassonne")
    assert page.get_resolution("INCH") == (600, 600)
    icc = _vips("glass-plates/carcassonne.tif").get("icc-profile-data")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
    assert (profile.xcolor_space.strip(), profile.version) == ("GRAY", 2.4)


@pytest.mark.parametrize("uri", ["glass-plates/chenonceau.tif", "glass-plates/machu-picchu.tif"])
def test_miniswhite_shows_a_positive(uri: str) -> None:
    picture = _vips(uri).numpy().astype(np.float64)
    sky, ground = np.array_split(picture, 2)
    assert sky[: len(sky) // 4].mean() > 1.2 * ground[-len(ground) // 4 :].mean()


def test_rebate_of_the_negative_is_brighter_than_its_picture() -> None:
    film = tifffile.imread(ARCHIVE / "negatives/cow.tif")
    picture = film[26:-26, 26:-26]
    rebate = np.concatenate([film[:26].ravel(), film[-26:].ravel()])
    assert rebate.min() > picture.max()


def test_scan_is_grey_but_for_noise() -> None:
    scan = tifffile.imread(ARCHIVE / "buildings/petra.tif").astype(np.int64)
    spread = scan.max(axis=-1) - scan.min(axis=-1)
    assert 0 < spread.max() <= 2 * 257 + 1


def test_portrait_lies_on_its_side() -> None:
    with Image.open(ARCHIVE / "portraits/eileen-collins.jpg") as image:
        exif = image.getexif()
        assert image.mode == "RGB"
        assert exif[0x0112] == 6
        assert [exif[tag] for tag in (0x010E, 0x013B)] == ["Eileen Collins, astronaut", "NASA"]
        red, green, blue = np.moveaxis(np.asarray(image), -1, 0)
    assert np.array_equal(red, green)
    assert np.array_equal(green, blue)


def test_one_photograph_is_there_twice() -> None:
    first, again = ("portraits/grace-hopper.jpg", "oddities/grace-hopper-again.jpg")
    assert (ARCHIVE / first).read_bytes() == (ARCHIVE / again).read_bytes()


def test_pictures_to_colorize_decode() -> None:
    for row in _rows():
        if row["expect"] == "colorized":
            image = _vips(row["uri"])
            assert image.avg() > 0
            assert max(image.width, image.height) >= 500


def test_file_cut_short_is_refused() -> None:
    with pytest.raises(pyvips.Error, match="premature end"):
        _vips("oddities/dahlia-cut-short.jpg").avg()


def test_oddities_are_odd() -> None:
    assert (ARCHIVE / "oddities/empty.tif").stat().st_size == 0
    assert (ARCHIVE / "oddities/letter.jpg").read_bytes().isascii()
    with Image.open(ARCHIVE / "oddities/chelsea.tif") as image:
        assert (image.format, image.n_frames) == ("GIF", 3)  # type: ignore[attr-defined]
