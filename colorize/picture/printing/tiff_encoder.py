"""Write TIFF prints by tifffile, as the rows come: strips or tiles, packed by imagecodecs.

Packed samples are first replaced by their differences along the row (the horizontal predictor):
scans have grain, and without it deflate saves little and LZW nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import tifffile

from photochrom.colorize.picture.luma import Samples, type_of
from photochrom.colorize.picture.printing.canvas import DESCRIPTION, Canvas

Compression = Literal["none", "deflate", "lzw"]

TILE = 256
"""The side of a tile in pixels."""

_BIGTIFF_FROM = (1 << 32) - (1 << 25)
_XMP, _IPTC = 700, 33723
_CARRIED_TEXT = (271, 272, 306, 315, 33432)  # Make, Model, DateTime, Artist, Copyright
_LEVEL = 4  # of libdeflate; beyond it a scan's grain takes longer and hardly less room


def write_tiff(
    path: Path,
    canvas: Canvas,
    blocks: Iterator[Samples],
    compression: Compression = "none",
    tiled: bool = False,
) -> None:
    """Write RGB rows as they come, in strips of the blocks' height or in square tiles."""
    tags: list[tuple[Any, ...]] = [(_XMP, 1, len(canvas.xmp), canvas.xmp, True)]
    tags += [
        (tag, 2, 0, str(canvas.exif[tag]), True) for tag in _CARRIED_TEXT if tag in canvas.exif
    ]
    tags.append((DESCRIPTION, 2, 0, canvas.description.encode(), True))
    if canvas.iptc:
        tags.append((_IPTC, 7, len(canvas.iptc), canvas.iptc, True))
    layout = {"tile": (TILE, TILE)} if tiled else {"rowsperstrip": canvas.rows}
    pack, code = _PACKING[compression]
    with tifffile.TiffWriter(path, byteorder="<", bigtiff=canvas.bytes >= _BIGTIFF_FROM) as writer:
        writer.write(
            map(pack, _tiles(blocks, canvas) if tiled else blocks),
            shape=(canvas.height, canvas.width, 3),
            dtype=type_of(canvas.bits),
            photometric="rgb",
            compression=code,
            predictor=code is not None,
            iccprofile=canvas.icc,
            resolution=canvas.dpi,
            resolutionunit="INCH" if canvas.dpi else None,
            software=False,
            metadata=None,
            extratags=tags,
            **layout,
        )


def _tiles(blocks: Iterator[Samples], canvas: Canvas) -> Iterator[Samples]:
    """Cut blocks into tiles, row by row of them; what lies outside the picture is black."""
    across = -(-canvas.width // TILE)
    band = np.zeros((TILE, across * TILE, 3), type_of(canvas.bits))
    filled = 0

    def cut() -> Iterator[Samples]:
        band[filled:] = 0
        for at in range(across):
            yield band[:, at * TILE : (at + 1) * TILE]

    for block in blocks:
        while len(block):
            taken = block[: TILE - filled]
            band[filled : filled + len(taken), : canvas.width] = taken
            filled += len(taken)
            block = block[len(taken) :]
            if filled == TILE:
                yield from cut()
                filled = 0
    if filled:
        yield from cut()


def _differences(samples: Samples) -> Samples:
    """Return each sample (n, m, 3) less its left neighbour's, wrapping around."""
    steps = samples.copy()
    steps[:, 1:] -= samples[:, :-1]
    return steps


def _plain(samples: Samples) -> bytes:
    return samples.tobytes()


def _deflated(samples: Samples) -> bytes:
    return bytes(imagecodecs.deflate_encode(_differences(samples).tobytes(), _LEVEL))


def _lzw(samples: Samples) -> bytes:
    return bytes(imagecodecs.lzw_encode(_differences(samples).tobytes()))


_PACKING: dict[Compression, tuple[Callable[[Samples], bytes], str | None]] = {
    "none": (_plain, None),
    "deflate": (_deflated, "adobe_deflate"),
    "lzw": (_lzw, "lzw"),
}
