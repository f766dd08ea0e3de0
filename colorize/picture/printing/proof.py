"""Proof: decode a written print again and hold its luma against what it must be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture.luma import LumaHash, luma
from photochrom.colorize.picture.printing.rendering import Rendering
from photochrom.colorize.picture.printing.visible import VisibleMark
from photochrom.colorize.picture.reading.decoders import open_source


@dataclass(frozen=True, slots=True)
class Reading:
    """What decoding a written print gave, held against the luma that it must have.

    The samples' digest says nothing of a print that is not exact.
    """

    luma_sha256: str
    samples_sha256: str
    max_error: int
    mean_error: float


def read_back(path: Path, wanted: Rendering, mark: VisibleMark | None = None) -> Reading:
    """Decode a print's file and compare its luma; raises ProofError if it is another picture.

    What a visible mark covers is not compared, and a strip below is not hashed.
    """
    source = open_source(path, max_pixels=1 << 62)
    header = source.header
    got = (header.width, header.height, header.bits, header.channels)
    must = (wanted.width, wanted.height + (mark.below if mark else 0), wanted.bits, 3)
    if got != must:
        raise ProofError(f"the file has width, height, bits, channels {got}, not {must}")
    lumas = LumaHash(wanted.width, wanted.height, wanted.bits)
    samples = hashlib.sha256()
    largest = total = covered = row = 0
    for block in source.rows():
        rgb = block[: max(0, wanted.height - row)]
        if not len(rgb):
            continue  # the strip; the file is still read to its end
        plane = luma(rgb)
        due = wanted.rows(row, row + len(rgb))
        free = mark.outside(row, row + len(rgb), wanted.width) if mark else None
        if free is not None:
            covered += int((~free).sum())
        if not np.array_equal(plane, due):
            error = np.abs(plane.astype(np.int32) - due)
            if free is not None:
                error *= free
            largest, total = max(largest, int(error.max())), total + int(error.sum(dtype=np.int64))
        lumas.update(plane)
        if wanted.exact:
            samples.update(np.ascontiguousarray(rgb).data)
        row += len(rgb)
    mean = total / (wanted.width * wanted.height - covered)
    return Reading(lumas.hexdigest(), samples.hexdigest(), largest, mean)
