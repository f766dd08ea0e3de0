"""Camera scans put together by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from tests.colorize.picture.lightbox import Samples

TOP = 16383
CFA, LINEAR = 32803, 34892
EYE = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]  # a matrix of fractions


def tags(count: int) -> list[tuple[Any, ...]]:
    return [
        (271, 2, 0, "Reproduction", True),
        (272, 2, 0, "Stand 1", True),
        (50706, 1, 4, b"\1\4\0\0", True),
        (50708, 2, 0, "Reproduction Stand 1", True),
        (50717, 4, count, TOP if count == 1 else (TOP,) * count, True),
        (50721, 10, 9, tuple(EYE), True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
    ]


def dng(path: Path, samples: Samples, *extra: tuple[Any, ...], thumbnail: bool = False) -> Path:
    """Write sensor values (h, w) behind a filter array, or linear ones (h, w, 3)."""
    linear = samples.ndim == 3
    of_all = [*tags(3 if linear else 1), *extra]
    if not linear:
        of_all += [(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)]
    options: dict[str, Any] = {
        "photometric": LINEAR if linear else CFA,
        "metadata": None,
        "planarconfig": "contig" if linear else None,
    }
    with tifffile.TiffWriter(path) as writer:
        if thumbnail:
            small = np.zeros((8, 12, 3), np.uint8)
            first = [tag for tag in of_all if tag[0] not in (50717, 33421, 33422)]
            writer.write(
                small, photometric="rgb", subifds=1, subfiletype=1, extratags=first, metadata=None
            )
            of_all = [tag for tag in of_all if tag[0] in (50717, 33421, 33422)]
        writer.write(samples, extratags=of_all, subfiletype=0, **options)
    return path
