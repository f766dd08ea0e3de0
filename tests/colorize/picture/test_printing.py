"""Prints: true facts, the same bytes twice, proven by decoding; no file where the proof fails."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, JpegImagePlugin

from photochrom.colorize.errors import PrintError, ProofError
from photochrom.colorize.picture import Origin, Photo, PrintFacts, PrintRecipe, ToneTable, format_of
from photochrom.colorize.picture.luma import luma_sha256
from photochrom.colorize.picture.printing import encoders, printing, rendering, tiff_encoder
from photochrom.colorize.picture.printing.merge import merge
from photochrom.colorize.picture.printing.plate import Upsampled
from photochrom.colorize.picture.scaling import area, fit
from photochrom.colorize.picture.toning.tone import ToneSetting
from tests.colorize.picture.lightbox import (
    ORIGIN,
    Samples,
    grain,
    mild_chroma,
    plate_for,
    scene,
    shelve,
    slow_luma,
    strong_chroma,
)

LOSSLESS = [
    PrintRecipe(format="tiff"),
    PrintRecipe(format="tiff", compression="deflate"),
    PrintRecipe(format="tiff", compression="lzw", tiled=True),
    PrintRecipe(format="tiff", tiled=True),
    PrintRecipe(format="png"),
]
WEBP = PrintRecipe(format="webp", lossless=True)
RECIPES = [*LOSSLESS, WEBP, PrintRecipe(format="jpeg"), PrintRecipe(format="webp", quality=80)]
RECIPES += [recipe.model_copy(update={"long_side": 64}) for recipe in RECIPES]


def name_of(recipe: PrintRecipe) -> str:
    words = [recipe.format, recipe.compression, "tiled" * recipe.tiled, "exact" * recipe.exact]
    return "-".join(filter(None, [*words, str(recipe.long_side or "full")]))


def seen_by_others(path: Path) -> Samples:
    """Decode a print with a library that had no part in proving it."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    if path.suffix == ".png":
        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def expected(photo: Photo, tone: ToneTable, recipe: PrintRecipe) -> Samples:
    """Make a print's luma the slow way round: tone, then size, then depth."""
    size = fit(photo.width, photo.height, recipe.long_side)
    plane = area(tone.apply(photo.luma), *size)
    if photo.bits == 16 and recipe.format in {"jpeg", "webp"}:
        plane = ((plane.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)
    return plane


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("setting", ["positive", "negative"])
@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_facts_are_true(
    recipe: PrintRecipe, setting: ToneSetting, bits: int, tmp_path: Path
) -> None:
    photo = Photo.open(shelve(tmp_path, scene(90, 131, bits)))
    tone = photo.tone_table(setting)
    plate = plate_for(photo, mild_chroma(), tone)
    path = tmp_path / f"print.{recipe.suffix}"
    facts = plate.print_on(photo, ORIGIN).save(path, recipe)

    wanted = expected(photo, tone, recipe)
    got = seen_by_others(path)
    cb, cr = Upsampled(plate.chroma, *wanted.shape[::-1]).rows(0, len(wanted))
    rgb, scaled = merge(wanted, cb, cr, facts.bits)
    error = np.abs(slow_luma(got).astype(int) - wanted)
    exact = recipe.format in {"tiff", "png"} or recipe.lossless
    content = path.read_bytes()
    assert (facts.height, facts.width) == wanted.shape
    assert (facts.bits, got.dtype) == (wanted.dtype.itemsize * 8, wanted.dtype)
    assert facts.output_bytes == len(content)
    assert facts.output_sha256 == hashlib.sha256(content).hexdigest()
    assert facts.output_format == recipe.format
    assert facts.chroma_scaled_fraction == scaled / wanted.size
    if exact:
        assert np.array_equal(got, rgb)
        assert facts.luma_proof == "exact"
        assert (facts.luma_max_error, facts.luma_mean_error) == (0, 0)
        assert facts.luma_sha256 == luma_sha256(wanted)
    else:
        assert facts.luma_proof == "measured"
        assert abs(facts.luma_max_error - error.max()) <= 1, "another decoder may round otherwise"
        assert facts.luma_mean_error == pytest.approx(error.mean(), abs=0.3)
        assert 0 < facts.luma_mean_error < 3
        assert np.abs(got.astype(int) - rgb).mean() < 6
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["original.tif", path.name]


@pytest.mark.parametrize("recipe", LOSSLESS, ids=name_of)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (401, 701)])
def test_strong_colour_at_every_size(
    recipe: PrintRecipe, bits: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    """Samples of every value, in more than one strip and TIFF segment."""
    photo = Photo.open(shelve(tmp_path, grain(*shape, bits=bits)))
    plate = plate_for(photo)
    path = tmp_path / f"print.{recipe.suffix}"
    facts = plate.print_on(photo, ORIGIN).save(path, recipe)
    cb, cr = Upsampled(plate.chroma, photo.width, photo.height).rows(0, photo.height)
    rgb, scaled = merge(photo.luma, cb, cr, bits)
    got = seen_by_others(path)
    assert np.array_equal(got, rgb)
    assert np.array_equal(slow_luma(got), photo.luma)
    assert facts.luma_sha256 == photo.luma_sha256
    assert facts.chroma_scaled_fraction == scaled / photo.luma.size


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_the_same_order_gives_the_same_bytes(recipe: PrintRecipe, tmp_path: Path) -> None:
    original = shelve(tmp_path, scene(90, 131, 16), description="Twice")
    facts = []
    for name in ("first", "second"):
        photo = Photo.open(original)
        path = tmp_path / f"{name}.{recipe.suffix}"
        facts.append(plate_for(photo).print_on(photo, ORIGIN).save(path, recipe))
    assert facts[0] == facts[1]
    first, second = ((tmp_path / f"{name}.{recipe.suffix}") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_another_origin_changes_the_marks_alone(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(30, 40)))
    print_of = plate_for(photo).print_on
    first = print_of(photo, ORIGIN).save(tmp_path / "a.tif")
    later = Origin("ef" * 32, "photochrom test", "2027-01-01T00:00:00+00:00")
    second = print_of(photo, later).save(tmp_path / "b.tif")
    assert first.output_sha256 != second.output_sha256
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), tifffile.imread(tmp_path / "b.tif"))


def test_quality_counts(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(200, 200)))
    made = [
        plate_for(photo).print_on(photo).save(tmp_path / f"{q}.jpg", PrintRecipe(quality=q))
        for q in (50, 95)
    ]
    assert made[0].output_bytes < made[1].output_bytes
    assert made[0].luma_mean_error > made[1].luma_mean_error


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.tif", "tiff"),
        ("a.TIFF", "tiff"),
        ("a.b.png", "png"),
        ("a.JPG", "jpeg"),
        ("a.jpeg", "jpeg"),
        ("a.webp", "webp"),
    ],
)
def test_the_ending_names_the_format(name: str, wanted: str) -> None:
    assert format_of(name) == wanted


@pytest.mark.parametrize("name", ["print.gif", "print", "print.jp2", ".tif", "print.tif.txt"])
def test_an_unknown_ending_is_refused(name: str, tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(9, 9)))
    with pytest.raises(PrintError, match="end it in one of"):
        plate_for(photo).print_on(photo).save(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["original.tif"]


def test_plates_only_prints_nothing(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(9, 9)))
    with pytest.raises(PrintError, match="plates only"):
        plate_for(photo).print_on(photo).save(tmp_path / "a.tif", PrintRecipe(format="none"))
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize(("ending", "width"), [("jpg", 65_501), ("webp", 16_384)])
def test_a_print_too_wide_for_its_format(
    ending: str, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Photo.open(shelve(tmp_path, grain(2, width)))
    monkeypatch.setattr(rendering, "merge", None)  # it must not come so far
    with pytest.raises(
        PrintError, match=rf"{width} x 2 pixels are too large .* {width - 1:,} a side"
    ):
        plate_for(photo).print_on(photo).save(tmp_path / f"print.{ending}")
    assert [file.name for file in tmp_path.iterdir()] == ["original.tif"]


WRITERS = {"tif": "write_tiff", "png": "write_png", "webp": "write_vips"}


def flipping(write: Callable[..., None]) -> Callable[..., None]:
    """Make an encoder that changes one sample by one step on its way."""

    def broken(path: Path, canvas: Any, blocks: Iterator[Samples], *args: Any, **kw: Any) -> None:
        def changed() -> Iterator[Samples]:
            for number, block in enumerate(blocks):
                if number == 0:
                    block = block.copy()
                    block[-1, -1, 2] ^= 1
                yield block

        write(path, canvas, changed(), *args, **kw)

    return broken


@pytest.mark.parametrize(("ending", "width"), [("jpg", 65_500), ("webp", 16_383)])
def test_a_print_as_wide_as_its_format(ending: str, width: int, tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(2, width)))
    assert plate_for(photo).print_on(photo).save(tmp_path / f"print.{ending}").width == width


@pytest.mark.parametrize(("quality", "kept"), [(89, False), (90, True)])
def test_jpeg_halves_its_colour_below_90(quality: int, kept: bool, tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(60, 60)))
    plate_for(photo).print_on(photo).save(tmp_path / "print.jpg", PrintRecipe(quality=quality))
    with Image.open(tmp_path / "print.jpg") as image:
        assert (JpegImagePlugin.get_sampling(image) == 0) is kept


def test_jpeg_cannot_be_lossless() -> None:
    with pytest.raises(ValueError, match="choose tiff, png or webp"):
        PrintRecipe(format="jpeg", lossless=True)


def narrower(write: Callable[..., None]) -> Callable[..., None]:
    """Make an encoder that loses the last column."""

    def broken(path: Path, canvas: Any, blocks: Iterator[Samples], *args: Any, **kw: Any) -> None:
        thin = (np.ascontiguousarray(block[:, :-1]) for block in blocks)
        write(path, replace(canvas, width=canvas.width - 1), thin, *args, **kw)

    return broken


def off_by_one(
    plane: Samples, cb: np.ndarray[Any, Any], cr: np.ndarray[Any, Any], bits: int
) -> tuple[Samples, int]:
    rgb, scaled = merge(plane, cb, cr, bits)
    rgb[0, 0, 1] ^= 2
    return rgb, scaled


def refuses(path: Path, photo: Photo) -> None:
    recipe = PrintRecipe(format=format_of(path), lossless=path.suffix == ".webp")
    with pytest.raises(ProofError):
        plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path, recipe)
    assert [file.name for file in path.parent.iterdir()] == ["original.tif"]


@pytest.mark.parametrize(("ending", "writer"), list(WRITERS.items()))
@pytest.mark.parametrize("breaking", [flipping, narrower])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_broken_encoder_is_caught(
    ending: str,
    writer: str,
    breaking: Callable[..., Callable[..., None]],
    bits: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo = Photo.open(shelve(tmp_path, scene(30, 40, bits)))
    monkeypatch.setattr(printing, writer, breaking(getattr(printing, writer)))
    refuses(tmp_path / f"print.{ending}", photo)


@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_wrong_merge_is_caught(
    ending: str, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Photo.open(shelve(tmp_path, scene(30, 40, bits)))
    monkeypatch.setattr(rendering, "merge", off_by_one)
    refuses(tmp_path / f"print.{ending}", photo)


def test_a_jpeg_of_another_size_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = Photo.open(shelve(tmp_path, scene(30, 40)))
    monkeypatch.setattr(printing, "write_vips", narrower(encoders.write_vips))
    refuses(tmp_path / "print.jpg", photo)


def test_an_older_print_outlives_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Photo.open(shelve(tmp_path, scene(30, 40)))
    path = tmp_path / "print.tif"
    facts = plate_for(photo).print_on(photo, ORIGIN).save(path)
    monkeypatch.setattr(rendering, "merge", off_by_one)
    with pytest.raises(ProofError):
        plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == facts.output_sha256
    assert sorted(file.name for file in tmp_path.iterdir()) == ["original.tif", "print.tif"]


def test_an_unmarked_print_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(path: Path, canvas: Any, blocks: Iterator[Samples], *args: Any) -> None:
        tiff_encoder.write_tiff(path, replace(canvas, xmp=b" "), blocks, *args)

    photo = Photo.open(shelve(tmp_path, scene(30, 40)))
    monkeypatch.setattr(printing, "write_tiff", forgetful)
    refuses(tmp_path / "print.tif", photo)


def test_an_encoder_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(path: Path, canvas: Any, blocks: Iterator[Samples], *_: Any) -> None:
        path.write_bytes(next(blocks).tobytes())
        raise OSError(28, "No space left on device")

    photo = Photo.open(shelve(tmp_path, scene(30, 40)))
    monkeypatch.setattr(printing, "write_tiff", cut)
    with pytest.raises(OSError, match="No space"):
        plate_for(photo).print_on(photo).save(tmp_path / "print.tif")
    assert [file.name for file in tmp_path.iterdir()] == ["original.tif"]


@pytest.mark.parametrize("long_side", [None, 16, 17, 100, 5000])
def test_sizes(long_side: int | None, tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(61, 163)))
    recipe = PrintRecipe(format="png", long_side=long_side)
    facts = plate_for(photo).print_on(photo).save(tmp_path / "print.png", recipe)
    assert facts.width == min(long_side or 163, 163)
    assert facts.height == pytest.approx(61 * facts.width / 163, abs=0.5)


def test_the_photo_is_not_touched(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, grain(30, 40)))
    before = photo.luma.copy()
    plate_for(photo, strong_chroma()).print_on(photo).save(tmp_path / "print.tif")
    assert np.array_equal(photo.luma, before)
    assert luma_sha256(photo.luma) == photo.luma_sha256


def test_facts_are_plain() -> None:
    assert list(PrintFacts.__dataclass_fields__) == [
        *("output_bytes", "output_sha256", "output_format", "width", "height", "bits"),
        *("luma_sha256", "luma_proof", "luma_max_error", "luma_mean_error"),
        "chroma_scaled_fraction",
    ]
