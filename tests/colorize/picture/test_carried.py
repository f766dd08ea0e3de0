"""What a print carries over: EXIF without its orientation, the resolution, the tone curve."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from photochrom.colorize.picture import Photo, PrintRecipe
from photochrom.colorize.picture.marking.marks import SENTENCE
from photochrom.colorize.picture.printing.icc import rgb_profile
from tests.colorize.picture.lightbox import ORIGIN, mild_chroma, plate_for, scene, shelve
from tests.data.darkroom import grey_profile

FORMATS = ["tif", "png", "jpg", "webp"]


def exif_of(path: Path) -> Image.Exif:
    with Image.open(path) as image:
        return image.getexif()


def turned_jpeg(folder: Path, orientation: int = 6) -> Photo:
    exif = Image.Exif()
    exif[274], exif[270], exif[315] = orientation, "The pier", "A. Stieglitz"
    exif[271], exif[306] = "Phase One", "1911:05:04 10:00:00"
    exif.get_ifd(0x8769)[36867] = "1911:05:04 10:00:00"
    path = folder / "original.jpg"
    Image.fromarray(scene(40, 64)).save(path, exif=exif, dpi=(300, 200))
    return Photo.open(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_exif_comes_along_upright(ending: str, tmp_path: Path) -> None:
    photo = turned_jpeg(tmp_path)
    path = tmp_path / f"print.{ending}"
    plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path)
    exif = exif_of(path)
    assert exif.get(274, 1) == 1
    assert exif[270] == f"The pier {SENTENCE}"
    assert exif[315] == "A. Stieglitz"
    assert exif[271] == "Phase One"
    with Image.open(path) as image:
        assert image.size == (40, 64)
    assert np.abs(Photo.open(path).luma.astype(int) - photo.luma).max() < 16


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_the_date_of_exposure_comes_along(ending: str, tmp_path: Path) -> None:
    photo = turned_jpeg(tmp_path)
    path = tmp_path / f"print.{ending}"
    plate_for(photo).print_on(photo, ORIGIN).save(path)
    assert exif_of(path).get_ifd(0x8769)[36867] == "1911:05:04 10:00:00"


@pytest.mark.parametrize("ending", ["tif", "png", "jpg"])
@pytest.mark.parametrize(("orientation", "wanted"), [(1, (300, 200)), (6, (200, 300))])
def test_resolution_is_upright(
    ending: str, orientation: int, wanted: tuple[int, int], tmp_path: Path
) -> None:
    photo = turned_jpeg(tmp_path, orientation)
    path = tmp_path / f"print.{ending}"
    plate_for(photo).print_on(photo, ORIGIN).save(path)
    exif = exif_of(path)
    assert (float(exif[282]), float(exif[283])) == pytest.approx(wanted, abs=0.1)
    assert exif[296] == 2, "inches"
    assert Photo.open(path).dpi == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("ending", ["tif", "png", "jpg"])
def test_a_smaller_print_has_no_resolution_of_the_original(ending: str, tmp_path: Path) -> None:
    photo = turned_jpeg(tmp_path)
    path = tmp_path / f"print.{ending}"
    recipe = PrintRecipe(format={"tif": "tiff", "jpg": "jpeg"}.get(ending, "png"), long_side=20)
    plate_for(photo).print_on(photo, ORIGIN).save(path, recipe)
    with Image.open(path) as image:
        dpi = image.info.get("dpi", (1, 1))
    assert max(float(value) for value in dpi) < 100


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("blob", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0" * 40])
def test_broken_exif_is_left_behind(blob: bytes, tmp_path: Path) -> None:
    path = tmp_path / "original.jpg"
    Image.fromarray(scene(20, 30)).save(path, exif=blob)
    photo = Photo.open(path)
    plate_for(photo).print_on(photo, ORIGIN).save(tmp_path / "print.jpg")
    assert exif_of(tmp_path / "print.jpg")[270] == SENTENCE


def icc_in(path: Path) -> bytes:
    with Image.open(path) as image:
        found = image.info["icc_profile"]
    assert isinstance(found, bytes)
    return found


def to_srgb(samples: NDArray[np.uint8], icc: bytes) -> NDArray[np.int64]:
    """Show samples under a profile by lcms, as sRGB."""
    image = Image.fromarray(samples)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    shown = ImageCms.profileToProfile(
        image, profile, ImageCms.createProfile("sRGB"), intent, outputMode="RGB"
    )
    assert shown is not None
    return np.asarray(shown).astype(np.int64)


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def display(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Encode light in [0, 1] as sRGB in [0, 255]."""
    curve = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    return np.asarray(255 * curve)


def shows(icc: bytes, light: NDArray[np.float64]) -> bool:
    """Tell whether the neutrals of an RGB profile stay neutral and give this light."""
    shown = to_srgb(np.repeat(RAMP[..., None], 3, axis=2), icc)
    neutral = (shown.max(axis=2) - shown.min(axis=2)).max() <= 1
    return bool(neutral and np.abs(shown - display(light)[..., None]).max() <= 1)


@pytest.mark.parametrize("gamma", [1.0, 1.75, 2.25])
@pytest.mark.parametrize("ending", FORMATS)
def test_neutrals_follow_the_grey_curve(gamma: float, ending: str, tmp_path: Path) -> None:
    """A print under its profile shows its neutrals as the original showed under its own."""
    photo = Photo.open(shelve(tmp_path, RAMP, iccprofile=grey_profile(gamma)))
    path = tmp_path / f"print.{ending}"
    neutral = np.full((16, 16, 2), 128, np.uint8)
    plate_for(photo, neutral).print_on(photo, ORIGIN).save(path)
    icc = icc_in(path)
    assert icc[16:20] == b"RGB "
    assert shows(icc, (RAMP / 255) ** gamma)


def with_curve(curve: bytes, space: bytes = b"XYZ ", tag: bytes = b"kTRC") -> bytes:
    """Give the grey profile another curve, or what stands for it, and connection space."""
    plain = grey_profile()
    (count,) = struct.unpack_from(">I", plain, 128)
    tags = {}
    for index in range(count):
        name, offset, size = struct.unpack_from(">4sII", plain, 132 + 12 * index)
        tags[name] = plain[offset : offset + size]
    del tags[b"kTRC"]
    tags[tag] = curve
    table, body, start = struct.pack(">I", count), b"", 132 + 12 * count
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I", start + len(body)) + plain[4:20] + space + plain[24:128]
    return head + table + body


def test_a_sampled_curve_is_kept() -> None:
    values = np.rint(np.linspace(0, 1, 64) ** 1.5 * 65535).astype(">u2")
    icc = with_curve(b"curv\0\0\0\0" + struct.pack(">I", 64) + values.tobytes())
    made = rgb_profile(icc)
    assert made is not None
    assert shows(made, np.interp(RAMP / 255, np.linspace(0, 1, 64), values / 65535))


def lightness(icc: bytes, samples: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Show samples under a profile by lcms, as Lab of 8 bits, (..., 3)."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    lab = ImageCms.createProfile("LAB")
    mode = "L" if samples.ndim == 2 else "RGB"
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    transform = ImageCms.buildTransform(profile, lab, mode, "LAB", intent)
    shown = np.asarray(ImageCms.applyTransform(Image.fromarray(samples), transform))
    return shown.astype(np.int64)


def formula(kind: int, *values: float) -> bytes:
    """Return a version 4 curve that is a formula."""
    numbers = (round(value * 65536) for value in values)
    return b"para\0\0\0\0" + struct.pack(f">HH{len(values)}i", kind, 0, *numbers)


def sampled(curve: NDArray[np.float64]) -> bytes:
    values = np.rint(curve * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(curve)) + values.tobytes()


def lut_profile() -> bytes:
    """Make a grey profile that knows no curve, only a table of 256 greys to L*."""
    lightnesses = np.rint(np.linspace(0, 1, 256) ** 0.8 * 0xFF00).astype(">u2")
    head = b"mft2\0\0\0\0" + bytes([1, 3, 2, 0]) + struct.pack(">9i", *(65536, 0, 0, 0) * 2, 65536)
    grid = struct.pack(">6H", 0, 0x8000, 0x8000, 0xFF00, 0x8000, 0x8000)
    inputs = np.rint(lightnesses.astype(float) / 0xFF00 * 65535).astype(">u2").tobytes()
    straight = struct.pack(">2H", 0, 65535) * 3
    table = head + struct.pack(">HH", 256, 2) + inputs + grid + straight
    return with_curve(table, b"Lab ", b"A2B0")


LINE = np.linspace(0, 1, 1024)
GREYS = {
    "gray gamma 2.2": with_curve(b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)),
    "dot gain 20 %": with_curve(sampled(np.clip(LINE + 0.8 * LINE * (LINE - 1), 0, 1) ** 1.1)),
    "sRGB formula": with_curve(formula(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    "gamma formula": with_curve(formula(0, 1.8)),
    "L*": with_curve(sampled(np.where(LINE > 0.08, ((LINE + 0.16) / 1.16) ** 3, LINE / 9.033))),
    "through Lab": with_curve(b"curv\0\0\0\0" + struct.pack(">IH", 1, 256), b"Lab "),
    "through Lab, gamma 1.5": with_curve(formula(0, 1.5), b"Lab "),
    "table": lut_profile(),
}


@pytest.mark.parametrize("name", GREYS)
def test_neutrals_stay_where_the_grey_profile_put_them(name: str) -> None:
    """By littlecms: the same L* out of the print's profile, and no hue."""
    made = rgb_profile(GREYS[name])
    assert made is not None
    before = lightness(GREYS[name], RAMP)
    after = lightness(made, np.repeat(RAMP[..., None], 3, axis=2))
    assert np.ptp(before[..., 0]) > 200, "the profile shows something"
    assert np.abs(after - before).max() <= 1


def test_a_grey_profile_that_nobody_can_read_is_dropped() -> None:
    assert rgb_profile(with_curve(b"none" + bytes(9))) is None


@pytest.mark.parametrize("ending", FORMATS)
def test_an_rgb_profile_is_passed_on(ending: str, tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb = np.repeat(scene(20, 30)[..., None], 3, axis=2)
    photo = Photo.open(shelve(tmp_path, rgb, iccprofile=icc))
    plate_for(photo).print_on(photo, ORIGIN).save(tmp_path / f"print.{ending}")
    assert icc_in(tmp_path / f"print.{ending}") == icc


@pytest.mark.parametrize("icc", [None, b"", b"short", bytes(200), grey_profile()[:140]])
def test_what_is_no_profile_is_dropped(icc: bytes | None) -> None:
    assert rgb_profile(icc) is None


def test_without_a_profile_there_is_none(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(20, 30)))
    plate_for(photo).print_on(photo, ORIGIN).save(tmp_path / "print.tif")
    with tifffile.TiffFile(tmp_path / "print.tif") as tiff:
        assert 34675 not in tiff.pages.first.tags
