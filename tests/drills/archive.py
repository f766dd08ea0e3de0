"""A small archive of generated photographs, some of which do harm to whoever decodes them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
from numpy.typing import NDArray
from PIL import Image

KILLS = b"this photo kills its worker"
SEGFAULTS = b"this photo's decoder reads where there is nothing"
EATS = b"this photo's decoder wants all memory there is"
HANGS = b"this photo never ends"

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Sheet:
    """One generated photograph: its name and its file's bytes."""

    name: str
    data: bytes


def sheets(count: int, harm: Mapping[int, bytes] | None = None) -> list[Sheet]:
    """Make photographs of 96x80 to 300x200 pixels; those numbered in `harm` carry its mark."""
    return [_sheet(number, (harm or {}).get(number)) for number in range(count)]


def manifest(entries: list[dict[str, object]]) -> bytes:
    """Return a manifest with these columns as Parquet."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(entries), sink)
    return sink.getvalue()


def _sheet(number: int, mark: bytes | None) -> Sheet:
    grey = _scene(number)
    shallow, deep = (grey * 255).astype(np.uint8), (grey * 65535).astype(np.uint16)
    if mark is not None:
        return Sheet(f"{number:03}.tif", _tiff(deep, mark))
    match number % 5:
        case 0:
            return Sheet(f"{number:03}.tif", _tiff(shallow))
        case 1:
            return Sheet(f"{number:03}.tif", _tiff(deep))
        case 2:
            return Sheet(f"{number:03}.png", _saved(shallow, "PNG"))
        case 3:
            return Sheet(f"{number:03}.png", _saved(deep, "PNG"))
        case _:
            return Sheet(f"{number:03}.jpg", _saved(shallow, "JPEG"))


def _scene(number: int) -> NDArray[np.float64]:
    """Draw a slope, a disc and grain, in [0, 1]."""
    dice = np.random.default_rng(number)
    height, width = int(dice.integers(80, 201)), int(dice.integers(96, 301))
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    disc = (x - dice.random()) ** 2 + (y - dice.random()) ** 2 < 0.04
    grain = dice.normal(0, 0.02, (height, width))
    scene: NDArray[np.float64] = np.clip(0.2 + 0.5 * x + 0.2 * y - 0.3 * disc + grain, 0, 1)
    return scene


def _tiff(samples: Samples, mark: bytes = b"") -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="minisblack", description=mark or None)
    return file.getvalue()


def _saved(samples: Samples, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, kind)
    return file.getvalue()
