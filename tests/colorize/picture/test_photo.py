"""Every kind of file that archives hold, written by others, against the samples put into it."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from photochrom.colorize.picture import Photo, ToneTable
from photochrom.colorize.picture.luma import luma_sha256
from photochrom.colorize.picture.toning.tone import ToneSetting
from tests.colorize.picture.lightbox import (
    Samples,
    grain,
    scene,
    shelve,
    shelve_packed,
    slow_luma,
)

SIZE = (37, 53)
GREY8, GREY16 = grain(*SIZE), grain(*SIZE, bits=16)
RGB8, RGB16 = grain(*SIZE, 3), grain(*SIZE, 3, bits=16)

TIFFS: dict[str, tuple[Samples, dict[str, Any]]] = {
    "raw": (GREY16, {}),
    "lzw": (GREY16, {"compression": "lzw", "predictor": True}),
    "deflate": (GREY16, {"compression": "adobe_deflate"}),
    "zstd": (GREY16, {"compression": "zstd"}),
    "zstd-predictor": (GREY8, {"compression": "zstd", "predictor": True}),
    "packbits": (GREY8, {"compression": "packbits"}),
    "jpeg2000": (GREY16, {"compression": "jpeg2000"}),
    "jpeg-xl": (GREY16, {"compression": "jpegxl", "compressionargs": {"lossless": True}}),
    "webp": (RGB8, {"compression": "webp", "compressionargs": {"lossless": True}}),
    "tiled": (GREY16, {"tile": (16, 32)}),
    "tiled-zstd": (GREY8, {"tile": (16, 16), "compression": "zstd"}),
    "strips": (GREY16, {"rowsperstrip": 5}),
    "big-endian": (GREY16, {"byteorder": ">"}),
    "big-endian-zstd": (GREY16, {"byteorder": ">", "compression": "zstd"}),
    "bigtiff": (GREY16, {"bigtiff": True}),
    "bigtiff-big-endian": (GREY8, {"bigtiff": True, "byteorder": ">"}),
    "grey8": (GREY8, {}),
    "rgb8": (RGB8, {}),
    "rgb16": (RGB16, {}),
    "rgb16-big-endian": (RGB16, {"byteorder": ">"}),
    "rgb8-zstd": (RGB8, {"compression": "zstd"}),
    "rgb16-lzw": (RGB16, {"compression": "lzw", "predictor": True}),
}


def luma_of(samples: Samples) -> Samples:
    return samples if samples.ndim == 2 else slow_luma(samples[..., :3])


def check(path: Path, wanted: Samples) -> Photo:
    """Open a file and hold its luma against what was put into it."""
    photo = Photo.open(path)
    assert photo.luma.dtype == wanted.dtype
    assert np.array_equal(photo.luma, wanted)
    assert (photo.height, photo.width) == wanted.shape
    assert photo.bits == wanted.dtype.itemsize * 8
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.luma_sha256 == luma_sha256(wanted)
    assert photo.luma.flags.c_contiguous
    return photo


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff(kind: str, tmp_path: Path) -> None:
    samples, options = TIFFS[kind]
    photo = check(shelve(tmp_path, samples, **options), luma_of(samples))
    assert photo.header.format == "tiff"
    assert photo.header.channels == (1 if samples.ndim == 2 else 3)
    assert photo.header.decoder.split()[0] in {"libvips", "tifffile"}


@pytest.mark.parametrize("samples", [GREY8, GREY16], ids=["8", "16"])
@pytest.mark.parametrize("compression", [None, "lzw", "zstd"])
def test_minimum_is_white(samples: Samples, compression: str | None, tmp_path: Path) -> None:
    path = shelve(tmp_path, ~samples, photometric="miniswhite", compression=compression)
    photo = check(path, samples)
    assert photo.header.tone_evidence == "photometric: minimum is white"
    assert photo.tone_table("auto").evidence.endswith("; photometric: minimum is white")


@pytest.mark.parametrize("samples", [RGB8, RGB16], ids=["8", "16"])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_planar_rgb(samples: Samples, compression: str | None, tmp_path: Path) -> None:
    planes = np.moveaxis(samples, -1, 0)
    path = shelve(tmp_path, planes, planarconfig="separate", compression=compression)
    check(path, slow_luma(samples))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_infrared_is_left_out(bits: int, compression: str | None, tmp_path: Path) -> None:
    samples = grain(*SIZE, 4, bits=bits)
    path = shelve(tmp_path, samples, extrasamples=["unspecified"], compression=compression)
    check(path, slow_luma(samples[..., :3]))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_alpha_of_a_grey_is_left_out(bits: int, compression: str | None, tmp_path: Path) -> None:
    samples = grain(*SIZE, 2, bits=bits)
    path = shelve(
        tmp_path,
        samples,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        compression=compression,
    )
    check(path, np.ascontiguousarray(samples[..., 0]))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_one_bit(photometric: str, tmp_path: Path) -> None:
    lines = grain(*SIZE) > 127
    path = shelve(tmp_path, lines, photometric=photometric)
    white = lines if photometric == "minisblack" else ~lines
    check(path, white.astype(np.uint8) * 255)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_twelve_bits(photometric: str, tmp_path: Path) -> None:
    values = grain(*SIZE, bits=16) >> 4
    values[0, :2] = 0, 4095
    black = values if photometric == "minisblack" else 4095 - values
    wanted = black.astype(np.int64) * 16 + black // 256
    assert {0, 65535} <= set(wanted.ravel().tolist())
    check(shelve_packed(tmp_path, values, 12, photometric), wanted.astype(np.uint16))


def test_float_between_0_and_1(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).random(SIZE).astype(np.float32)
    samples[0, :2] = 0, 1
    wanted = [[round(65535 * value) for value in row] for row in samples.astype(float).tolist()]
    check(shelve(tmp_path, samples), np.array(wanted, np.uint16))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits(bits: int, photometric: str, tmp_path: Path) -> None:
    values = grain(*SIZE) >> 8 - bits
    wide = values * (255 // (2**bits - 1))
    wanted = wide if photometric == "minisblack" else 255 - wide
    check(shelve_packed(tmp_path, values, bits, photometric), wanted)


def test_first_page_of_many(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for samples in (GREY16, GREY16[:5, :7], GREY16 // 2):
            writer.write(samples, photometric="minisblack", metadata=None)
    check(path, GREY16)


def pillow(image: Image.Image, **options: Any) -> Callable[[Path], None]:
    return lambda path: image.save(path, **options)


def vips(samples: Samples, **options: Any) -> Callable[[Path], None]:
    space = {(2, 1): "b-w", (2, 2): "grey16", (3, 1): "srgb", (3, 2): "rgb16"}
    image = pyvips.Image.new_from_array(samples).copy(
        interpretation=space[samples.ndim, samples.itemsize]
    )
    return lambda path: image.write_to_file(str(path), **options)


def _palette() -> Image.Image:
    image = Image.fromarray(GREY8, "P")
    image.putpalette(grain(256, 3, seed=8).tobytes())
    return image


def _alpha(mode: str) -> Image.Image:
    return Image.fromarray(grain(*SIZE, len(mode)), mode)


LOSSLESS: dict[str, tuple[Callable[[Path], None], str, Samples]] = {
    "png8": (pillow(Image.fromarray(GREY8)), "png", GREY8),
    "png16": (pillow(Image.fromarray(GREY16)), "png", GREY16),
    "png16-vips": (vips(GREY16), "png", GREY16),
    "png-rgb8": (pillow(Image.fromarray(RGB8)), "png", slow_luma(RGB8)),
    "png-rgb16": (
        lambda path: imagecodecs.imwrite(path, RGB16, codec="png"),
        "png",
        slow_luma(RGB16),
    ),
    "png-interlaced": (vips(RGB8, interlace=True), "png", slow_luma(RGB8)),
    "png-palette": (
        pillow(_palette()),
        "png",
        slow_luma(np.asarray(_palette().convert("RGB"))),
    ),
    "png-1bit": (
        pillow(Image.fromarray(GREY8 > 127)),
        "png",
        (GREY8 > 127).astype(np.uint8) * 255,
    ),
    "png-rgba": (
        pillow(_alpha("RGBA")),
        "png",
        slow_luma(np.asarray(_alpha("RGBA"))[..., :3]),
    ),
    "png-la": (pillow(_alpha("LA")), "png", np.asarray(_alpha("LA"))[..., 0]),
    "webp": (
        pillow(Image.fromarray(RGB8), lossless=True),
        "webp",
        slow_luma(RGB8),
    ),
    "tiff-by-vips-tiled": (
        vips(RGB16, tile=True, tile_width=16, tile_height=16, compression="deflate"),
        "tif",
        slow_luma(RGB16),
    ),
    "tiff-by-pillow": (pillow(Image.fromarray(GREY16), compression="tiff_lzw"), "tif", GREY16),
    "tiff-group-4": (
        pillow(Image.fromarray(GREY8 > 127), compression="group4"),
        "tif",
        (GREY8 > 127).astype(np.uint8) * 255,
    ),
    "tiff-palette": (
        pillow(_palette()),
        "tif",
        slow_luma(np.asarray(_palette().convert("RGB"))),
    ),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_by_other_writers(kind: str, tmp_path: Path) -> None:
    write, ending, wanted = LOSSLESS[kind]
    path = tmp_path / f"original.{ending}"
    write(path)
    check(path, wanted)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_what_another_decoder_gives(mode: str, progressive: bool, tmp_path: Path) -> None:
    samples = scene(64, 90)
    if mode == "RGB":
        samples = np.stack([samples, 255 - samples, samples // 2], axis=-1)
    path = tmp_path / "original.jpg"
    Image.fromarray(samples).save(path, quality=90, progressive=progressive)
    with Image.open(path) as image:
        wanted = luma_of(np.asarray(image)).astype(int)
    photo = Photo.open(path)
    assert np.abs(photo.luma - wanted).max() <= 1
    assert (photo.header.format, photo.header.channels) == ("jpeg", len(mode))
    assert photo.header.decoder.startswith("libvips 8.")


def test_lossy_webp_is_what_another_decoder_gives(tmp_path: Path) -> None:
    path = tmp_path / "original.webp"
    Image.fromarray(scene(64, 90)).convert("RGB").save(path, quality=80)
    with Image.open(path) as image:
        wanted = slow_luma(np.asarray(image.convert("RGB"))).astype(int)
    assert np.abs(Photo.open(path).luma - wanted).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_stands_upright(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(scene(24, 40)).save(path, quality=95, exif=exif, dpi=(300, 150))
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    photo = Photo.open(path)
    assert photo.luma.shape == wanted.shape
    assert np.abs(photo.luma - wanted).max() <= 1
    assert photo.dpi == pytest.approx((150, 300) if orientation >= 5 else (300, 150), abs=0.1)


TURNS: dict[int, Callable[[Samples], Samples]] = {
    1: lambda plane: plane,
    2: np.fliplr,
    3: lambda plane: np.rot90(plane, 2),
    4: np.flipud,
    5: lambda plane: np.fliplr(np.rot90(plane, -1)),
    6: lambda plane: np.rot90(plane, -1),
    7: lambda plane: np.fliplr(np.rot90(plane, 1)),
    8: lambda plane: np.rot90(plane, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_tiff_stands_upright(orientation: int, compression: str | None, tmp_path: Path) -> None:
    path = shelve(
        tmp_path, GREY16, compression=compression, extratags=[(274, 3, 1, orientation, True)]
    )
    check(path, np.ascontiguousarray(TURNS[orientation](GREY16)))


def test_the_name_says_nothing(tmp_path: Path) -> None:
    path = shelve(tmp_path, GREY8, "really.jpg")
    assert check(path, GREY8).header.format == "tiff"


def triangles(old: int, new: int) -> NDArray[np.float64]:
    """Return the weights (new, old) of a bilinear filter as wide as what each pixel covers."""
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    away = np.abs(np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.maximum(1 - away, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("tone", ["positive", "negative"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(64, 64), (200, 33), (7, 90), (16, 16), (1, 1)])
def test_square_is_the_toned_luma_at_8_bits_bilinearly(
    shape: tuple[int, int], bits: int, tone: ToneSetting, tmp_path: Path
) -> None:
    photo = Photo.open(shelve(tmp_path, grain(*shape, bits=bits)))
    table = photo.tone_table(tone)
    square = photo.square(16, table)
    assert square.dtype == np.uint8
    assert square.shape == (16, 16)
    toned = np.rint(table.apply(photo.luma) * 255.0 / ((1 << bits) - 1))
    wanted = triangles(shape[0], 16) @ toned @ triangles(shape[1], 16).T
    assert np.abs(square - wanted).max() <= 1.01, "rounded once across and once down"
    assert photo.square(16, table) is square


def test_square_of_a_negative_is_dark_where_it_is_light(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(64, 64, 16)))
    square, dark = (photo.square(16, photo.tone_table(tone)) for tone in ("positive", "negative"))
    assert np.corrcoef(dark.ravel(), square.ravel())[0, 1] < -0.8


def test_square_stretches_an_oblong(tmp_path: Path) -> None:
    """The filter reaches four old pixels to both sides: an eighth of the one next to the edge."""
    plane = np.zeros((8, 64), np.uint8)
    plane[:, 32:] = 200
    square = Photo.open(shelve(tmp_path, plane)).square(16, ToneTable("positive", "", 8))
    assert square.tolist() == [[0] * 7 + [25, 175] + [200] * 7] * 16


@pytest.mark.parametrize(("bits", "tone", "planes"), [(8, "positive", 0), (16, "negative", 1)])
def test_square_takes_one_more_plane_of_8_bits_at_most(
    bits: int, tone: ToneSetting, planes: int, tmp_path: Path
) -> None:
    photo = Photo.open(shelve(tmp_path, grain(2000, 2000, bits=bits)))
    table = photo.tone_table(tone)
    tracemalloc.start()
    try:
        photo.square(64, table)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    strips_and_tables = 3_000_000
    assert peak < planes * photo.luma.size + strips_and_tables
