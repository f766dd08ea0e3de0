"""What a print costs: CPU-seconds and peak memory, beside plain numpy and libvips programs.

    python tests/benchmarks/render.py --rounds 2

Every line is a process of its own; they take turns, and the least of the rounds is shown. Ours
counts everything between a scan on disk and a proven print: the file's sha256, decoding, its luma's
sha256, the generator's square, merging, encoding, the samples' sha256, decoding the print again,
and its file's sha256. The others decode, scale, stretch the colour, merge and encode, and prove
nothing: `numpy` on whole arrays in float32 (with OpenCV where it can be imported), `vips` in two
streaming passes. Importing is counted for nobody. The floor is what ours hashes, at this
processor's rate, and one pass over the file to write and two to read it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SQUARE = 256
ACCESS = 3000
LINES = {
    "100 MP 16-bit TIFF -> 48-bit TIFF": ("grey.tif", "tif", 0),
    "100 MP 16-bit TIFF -> JPEG": ("grey.tif", "jpg", 0),
    "50 MP JPEG -> JPEG": ("grey.jpg", "jpg", 0),
    f"100 MP 16-bit TIFF -> JPEG of {ACCESS}": ("grey.tif", "jpg", ACCESS),
    f"50 MP JPEG -> JPEG of {ACCESS}": ("grey.jpg", "jpg", ACCESS),
}


def main() -> None:
    """Measure, and print a table."""
    options = _options()
    if options.one:
        name, source, target, long_side = options.one
        run_one(PROGRAMS[name], Path(source), Path(target), int(long_side))
        return
    with tempfile.TemporaryDirectory(prefix="render-", dir=options.folder) as made:
        folder = Path(made)
        subprocess.run([sys.executable, __file__, "--one", "draw", made, made, "0"], check=True)
        print(f"{'':44}{'CPU-s':>8}{'wall s':>8}{'peak MB':>9}{'MB out':>8}")
        for title, (source, ending, long_side) in LINES.items():
            if options.only in title:
                compare(title, folder / source, folder / f"print.{ending}", long_side, options)


def compare(
    title: str, source: Path, target: Path, long_side: int, options: argparse.Namespace
) -> None:
    """Let all programs take turns at one line; the least of the rounds counts."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for name in options.programs.split(";"):
            words = [__file__, "--one", name, str(source), str(target), str(long_side)]
            answer = subprocess.run([sys.executable, *words], capture_output=True, text=True)
            if answer.returncode:
                raise SystemExit(answer.stderr)
            found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
            if name not in best or found["cpu"] < best[name]["cpu"]:
                best[name] = found
            size = target.stat().st_size if target.exists() else 0
            best[name]["out"] = size / 1e6
            target.unlink(missing_ok=True)
    print(title)
    for name, found in best.items():
        figures = f"{found['cpu']:8.2f}{found['wall']:8.2f}{found['peak']:9.0f}{found['out']:8.1f}"
        print(f"  {name:42}{figures}", flush=True)


def run_one(program: Callable[..., Any], source: Path, target: Path, long_side: int) -> None:
    """Run a program here and tell what it took; the first call imports, and is not counted."""
    program(None, None, 0)
    began, wall = _cpu(), time.monotonic()
    program(source, target, long_side)
    taken = {"cpu": _cpu() - began, "wall": time.monotonic() - wall, "peak": _peak()}
    print(json.dumps(taken))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> float:
    """Return this process's largest resident set in MB; getrusage counts the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def chroma() -> Any:
    """Make colour such as generators paint: soft patches, now and then too strong for the luma."""
    import numpy as np
    from PIL import Image

    dice = np.random.default_rng(7)
    patches = dice.normal(128, 22, (2, 24, 24)).clip(0, 255).astype(np.uint8)
    soft = [Image.fromarray(patch).resize((SQUARE, SQUARE), 3) for patch in patches]
    return np.stack([np.asarray(plane) for plane in soft], axis=-1)  # (s, s, 2)


def ours(
    source: Path | None, target: Path | None, long_side: int, scratch: Path | None = None
) -> None:
    """Do all that a job does to one photo, except to paint it."""
    from photochrom.colorize.picture import Origin, Painter, Photo, Plate, PrintRecipe, format_of

    if source is None or target is None:
        return
    photo = Photo.open(source, scratch=scratch)
    assert photo.luma_sha256
    tone = photo.tone_table("auto")
    photo.square(SQUARE, tone)
    plate = Plate(chroma(), tone, Painter("none", "0" * 64, SQUARE))
    recipe = PrintRecipe(format=format_of(target), long_side=long_side or None)
    plate.print_on(photo, Origin()).save(target, recipe)


def ours_filed(source: Path | None, target: Path | None, long_side: int) -> None:
    """Do the same with the luma in a file, as jobs do with photos beyond their budget."""
    ours(source, target, long_side, target and target.parent)


def whole(source: Path | None, target: Path | None, long_side: int) -> None:
    """Do it with whole float32 arrays."""
    import numpy as np
    import tifffile
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    if source is None or target is None:
        return
    tiff = source.suffix == ".tif"
    grey = tifffile.imread(source) if tiff else np.asarray(Image.open(source))
    top = 65535 if target.suffix == ".tif" else 255
    light = grey.astype(np.float32) * np.float32(top / (65535 if tiff else 255))
    scaled = Image.fromarray(light)
    scaled.resize((SQUARE, SQUARE), Image.Resampling.BOX)
    if long_side:
        scaled.thumbnail((long_side, long_side), Image.Resampling.BOX, None)
        light = np.asarray(scaled)
    height, width = light.shape
    planes = (chroma().astype(np.float32) - 128) * np.float32(top / 255)
    cb, cr = (_stretched(planes[..., at], width, height) for at in (0, 1))
    rgb = np.stack(
        [light + 1.402 * cr, light - 0.344136 * cb - 0.714136 * cr, light + 1.772 * cb], axis=-1
    )
    rgb = np.clip(np.rint(rgb), 0, top).astype(np.uint16 if top > 255 else np.uint8)
    if target.suffix == ".tif":
        tifffile.imwrite(target, rgb, photometric="rgb", metadata=None)
    else:
        Image.fromarray(rgb).save(target, quality=92, subsampling=0)


def _stretched(plane: Any, width: int, height: int) -> Any:
    try:
        import cv2

        return cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    except ImportError:
        import numpy as np
        from PIL import Image

        return np.asarray(Image.fromarray(plane).resize((width, height), 2))


def vips(source: Path | None, target: Path | None, long_side: int) -> None:
    """Do it as two streaming libvips pipelines: one for the square, one for the print."""
    os.environ.setdefault("VIPS_CONCURRENCY", "1")
    import pyvips

    pyvips.cache_set_max(0)
    if source is None or target is None:
        return
    opened = pyvips.Image.new_from_file(str(source), access="sequential")
    opened.resize(SQUARE / opened.width, vscale=SQUARE / opened.height).write_to_memory()
    grey = pyvips.Image.new_from_file(str(source), access="sequential")
    top = 65535 if target.suffix == ".tif" else 255
    if long_side:
        grey = grey.resize(long_side / max(grey.width, grey.height))
    if grey.format == "ushort" and top == 255:
        grey = grey / 257
    planes = pyvips.Image.new_from_array(chroma()).cast("float") - 128
    across, down = grey.width / SQUARE, grey.height / SQUARE
    colour = planes.resize(across, vscale=down, kernel="linear").crop(0, 0, grey.width, grey.height)
    colour = colour * (top / 255)
    cb, cr = colour[0], colour[1]
    red, blue = grey + 1.402 * cr, grey + 1.772 * cb
    green = grey - 0.344136 * cb - 0.714136 * cr
    kind, space = ("ushort", "rgb16") if top > 255 else ("uchar", "srgb")
    rgb = red.bandjoin([green, blue]).rint().cast(kind).copy(interpretation=space)
    rgb.write_to_file(str(target), **({} if target.suffix == ".tif" else {"Q": 92}))


def floor(source: Path | None, target: Path | None, long_side: int) -> None:
    """Hash and move as many bytes as a 48-bit TIFF must cost, and do nothing else."""
    import numpy as np

    if source is None or target is None or target.suffix != ".tif":
        return
    piece = np.arange(1 << 19, dtype=np.uint16).tobytes()
    size = source.stat().st_size
    _hash_file(source)
    seen = hashlib.sha256()
    for _ in range(size // len(piece)):
        seen.update(piece)
    with target.open("wb") as file:
        for _ in range(3 * size // len(piece)):
            file.write(piece)
            seen.update(piece)
    for _ in range(2):
        _hash_file(target)


def _hash_file(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def draw(folder: Path | None, _: Path | None, __: int) -> None:
    """Make the scans: slopes, waves, black rebate and grain, 11,600 x 8,640 and 8,160 x 6,120."""
    import numpy as np
    import tifffile
    from PIL import Image

    if folder is None:
        return
    y, x = np.mgrid[0:1:540j, 0:1:725j].astype(np.float32)
    scene = 0.08 + 0.75 * x * (1 - y) + 0.15 * y + 0.12 * np.sin(30 * x) * np.cos(23 * y)
    scene[:12] = scene[-12:] = 0.01
    dice = np.random.default_rng(1)
    grain = dice.normal(0, 600, (160, 11600)).astype(np.float32)
    full = Image.fromarray(scene * 65535)

    def strip(top: int) -> Any:
        part = full.resize((11600, 160), 2, (0, top / 16, 725, top / 16 + 10))
        return (np.asarray(part) + np.roll(grain, top, 1)).clip(0, 65535).astype(np.uint16)

    grey = np.concatenate([strip(top) for top in range(0, 8640, 160)])
    profile = {"photometric": "minisblack", "metadata": None, "rowsperstrip": 64}
    tifffile.imwrite(folder / "grey.tif", grey, **profile)
    Image.fromarray((grey[:6120, :8160] >> 8).astype(np.uint8)).save(
        folder / "grey.jpg", quality=92
    )


PROGRAMS: dict[str, Callable[..., None]] = {
    "photochrom": ours,
    "photochrom, luma in a file": ours_filed,
    "numpy": whole,
    "vips": vips,
    "floor": floor,
    "draw": draw,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", help="where scans and prints lie meanwhile, 1.2 GB")
    parser.add_argument("--only", default="", help="lines whose title contains this")
    parser.add_argument("--programs", default=";".join(list(PROGRAMS)[:-1]))
    parser.add_argument(
        "--one", nargs=4, metavar=("PROGRAM", "SCAN", "PRINT", "SIDE"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
