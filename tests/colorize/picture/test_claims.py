"""The table of TIFFs that we claim to read: each is put together by hand, and its samples compared.

`pytest --collect-only -q` on this file prints it. 16-bit minimum-is-white, which other libraries
turn over or leave as it is, and RGB in planes are where a reader would lie.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from photochrom.colorize.picture import Photo
from tests.colorize.picture.handmade import COMPRESSIONS, tiff
from tests.colorize.picture.lightbox import Samples, grain, slow_luma

DEPTHS = (1, 2, 4, 8, 10, 12, 14, 16)
GREY = [(tone, bits, "grey") for tone in ("minisblack", "miniswhite") for bits in DEPTHS]
RGB = [("rgb", bits, planes) for bits in (8, 12, 14, 16) for planes in ("pixels", "planes")]
TABLE = [
    (*kind, compression, order)
    for kind, compression, order in product(GREY + RGB, COMPRESSIONS, ("little", "big"))
]


def spread_slowly(values: Samples, bits: int) -> Samples:
    """Repeat each value's bits from the top, as strings."""
    full = 8 if bits <= 8 else 16
    repeated = [int((f"{value:0{bits}b}" * 8)[:full], 2) for value in range(1 << bits)]
    return np.array(repeated, np.uint8 if full == 8 else np.uint16)[values]


@pytest.mark.parametrize(("tone", "bits", "planes", "compression", "order"), TABLE)
def test_claimed(
    tone: str, bits: int, planes: str, compression: str, order: str, tmp_path: Path
) -> None:
    shape = (19, 27) if planes == "grey" else (19, 27, 3)
    values = grain(*shape, bits=16) >> 16 - bits
    path = tmp_path / "claimed.tif"
    path.write_bytes(
        tiff(
            values,
            bits,
            tone,
            compression=compression,
            planar=planes == "planes",
            order="<" if order == "little" else ">",
        )
    )
    light = (1 << bits) - 1 - values if tone == "miniswhite" else values
    wanted = spread_slowly(light, bits)
    wanted = wanted if planes == "grey" else slow_luma(wanted)
    photo = Photo.open(path)
    assert photo.bits == (8 if bits <= 8 else 16)
    assert np.array_equal(photo.luma, wanted)
    assert photo.header.tone_evidence == (
        "photometric: minimum is white" if tone == "miniswhite" else ""
    )
