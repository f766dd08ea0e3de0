"""The prover that lies beside the results: it accepts true prints and finds every lie."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.toning.tone import ToneSetting
from photochrom.jobs import spec
from tests.colorize.picture.lightbox import (
    ORIGIN,
    Samples,
    grain,
    plate_for,
    scene,
    shelve,
    shelve_packed,
    slow_luma,
    strong_chroma,
)

SCRIPT = Path(spec.__file__).with_name("verify.py")


def by_pillow(samples: Samples, **options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        Image.fromarray(samples).save(folder / "original.png", **options)
        return folder / "original.png"

    return write


def by_tifffile(samples: Samples, **options: Any) -> Callable[[Path], Path]:
    return lambda folder: shelve(folder, samples, **options)


def by_hand(bits: int, photometric: str) -> Callable[[Path], Path]:
    values = grain(61, 47, bits=16) >> 16 - bits
    return lambda folder: shelve_packed(folder, values, bits, photometric)


def turned(orientation: int) -> dict[str, Any]:
    return {"extratags": [(274, 3, 1, orientation, True)]}


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[274] = orientation
    return made


ORIGINALS: dict[str, Callable[[Path], Path]] = {
    "grey 8-bit png": by_pillow(grain(61, 47)),
    "grey 16-bit png": by_pillow(grain(61, 47, bits=16)),
    "rgb 8-bit png": by_pillow(grain(61, 47, 3)),
    "1-bit png": by_pillow(grain(61, 47) > 99),
    "turned png": by_pillow(grain(61, 47), exif=exif(6)),
    "grey 8-bit tiff": by_tifffile(grain(61, 47)),
    "grey 16-bit tiff": by_tifffile(grain(61, 47, bits=16)),
    "smooth 16-bit tiff": by_tifffile(scene(200, 301, 16)),
    "deflate tiff": by_tifffile(grain(61, 47, bits=16), compression="adobe_deflate"),
    "zstd tiff": by_tifffile(grain(61, 47, bits=16), compression="zstd"),
    "miniswhite 8": by_tifffile(grain(61, 47), photometric="miniswhite"),
    "miniswhite 16": by_tifffile(grain(61, 47, bits=16), photometric="miniswhite"),
    "1-bit miniswhite": by_tifffile(grain(61, 47) > 99, photometric="miniswhite"),
    "24-bit rgb": by_tifffile(grain(61, 47, 3)),
    "48-bit rgb": by_tifffile(grain(61, 47, 3, bits=16)),
    "48-bit planar": by_tifffile(
        np.moveaxis(grain(61, 47, 3, bits=16), -1, 0), photometric="rgb", planarconfig="separate"
    ),
    "rgb + infrared": by_tifffile(
        grain(61, 47, 4, bits=16), photometric="rgb", extrasamples=["unspecified"]
    ),
    "big-endian": by_tifffile(grain(61, 47, bits=16), byteorder=">"),
    "one pixel": by_tifffile(grain(1, 1)),
    "one row": by_tifffile(grain(1, 700, bits=16)),
    "one column": by_tifffile(grain(700, 1)),
    "2 bits": by_hand(2, "minisblack"),
    "4 bits": by_hand(4, "miniswhite"),
    "10 bits": by_hand(10, "miniswhite"),
    "12 bits": by_hand(12, "minisblack"),
    "14 bits": by_hand(14, "minisblack"),
    "12-bit miniswhite": by_hand(12, "miniswhite"),
    "float": by_tifffile(np.random.default_rng(3).random((61, 47), np.float32)),
} | {f"orientation {n}": by_tifffile(grain(61, 47, bits=16), **turned(n)) for n in range(2, 9)}


def verify(*files: Path) -> tuple[int, str]:
    command = [sys.executable, str(SCRIPT), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def prepared(
    folder: Path,
    original: Path,
    ending: str = "tif",
    tone: ToneSetting = "positive",
    size: int = 16,
) -> tuple[Plate, list[Path]]:
    """Print an original; return its plate and the files that prove the print."""
    photo = Photo.open(original)
    table = photo.tone_table(tone)
    plate = plate_for(photo, strong_chroma(size), table)
    files = [original, folder / "plate.png", folder / f"print.{ending}"]
    plate.print_on(photo, ORIGIN).save(files[2])
    files[1].write_bytes(plate.png)
    if tone == "negative":
        files.append(folder / "tone.bin")
        files[3].write_bytes(table.to_bytes())
    return plate, files


@pytest.mark.parametrize("kind", ORIGINALS)
def test_true_prints_are_exact(kind: str, tmp_path: Path) -> None:
    _, files = prepared(tmp_path, ORIGINALS[kind](tmp_path))
    assert verify(*files) == (0, "luma: exact\ncolour: exact\n")


@pytest.mark.parametrize("bits", [8, 16])
def test_true_png_prints_are_exact(bits: int, tmp_path: Path) -> None:
    _, files = prepared(tmp_path, shelve(tmp_path, grain(50, 70, bits=bits)), "png")
    assert verify(*files) == (0, "luma: exact\ncolour: exact\n")


@pytest.mark.parametrize("bits", [8, 16])
def test_a_negative_with_its_table(bits: int, tmp_path: Path) -> None:
    original = shelve(tmp_path, scene(90, 70, bits))
    _, files = prepared(tmp_path, original, tone="negative")
    assert verify(*files) == (0, "luma: exact\ncolour: exact\n")
    code, said = verify(*files[:3])
    assert code == 4
    assert "luma: exact" not in said


@pytest.mark.parametrize("size", [1, 3, 64])
def test_any_plate_size(size: int, tmp_path: Path) -> None:
    _, files = prepared(tmp_path, shelve(tmp_path, grain(45, 83)), size=size)
    assert verify(*files)[0] == 0


def altered(path: Path, change: Callable[[Samples], None]) -> None:
    rgb = tifffile.imread(path)
    change(rgb)
    tifffile.imwrite(path, rgb, photometric="rgb", metadata=None)


@pytest.mark.parametrize("bits", [8, 16])
def test_one_step_of_luma_is_found(bits: int, tmp_path: Path) -> None:
    _, files = prepared(tmp_path, shelve(tmp_path, scene(50, 60, bits)))

    def lighten(rgb: Samples) -> None:
        rgb[20, 30, 1] += 2  # two steps of green are one of luma

    altered(files[2], lighten)
    assert verify(*files) == (
        4,
        "luma: 1 of 3000 pixels differ\ncolour: 1 of 3000 pixels differ\n",
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_another_colour_of_the_same_luma_is_found(bits: int, tmp_path: Path) -> None:
    _, files = prepared(tmp_path, shelve(tmp_path, scene(50, 60, bits)))

    def fade(rgb: Samples) -> None:
        before = slow_luma(rgb)[20:25, 30:35]
        rgb[20:25, 30:35] = before[..., None]

    before = tifffile.imread(files[2])
    altered(files[2], fade)
    changed = np.count_nonzero((before != tifffile.imread(files[2])).any(axis=-1))
    assert changed > 20
    assert verify(*files) == (
        4,
        f"luma: exact\ncolour: {changed} of 3000 pixels differ\n",
    )


def test_another_plate_is_found(tmp_path: Path) -> None:
    _, files = prepared(tmp_path, shelve(tmp_path, scene(50, 60)))
    files[1].write_bytes(plate_for(Photo.open(files[0]), strong_chroma(seed=9)).png)
    code, said = verify(*files)
    assert code == 4
    assert said.startswith("luma: exact\ncolour: ")
    assert not said.endswith("exact\n")


def test_another_size_is_no_proof(tmp_path: Path) -> None:
    _, files = prepared(tmp_path, shelve(tmp_path, scene(50, 60)))
    small = tifffile.imread(files[2])[:-1]
    tifffile.imwrite(files[2], small, photometric="rgb", metadata=None)
    code, said = verify(*files)
    assert code == 4
    assert said.startswith("not a full-size print")


def test_without_files_it_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ORIGINAL PLATE PRINT" in done.stderr


def test_it_needs_no_photochrom() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= {"numpy", "tifffile", "PIL"}
