"""Proof: decode a written print again and hold its luma against what it must be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture.decoders import open_source
from photochrom.colorize.picture.luma import LumaHash, luma
from photochrom.colorize.picture.rendering import Rendering


@dataclass(frozen=True, slots=True)
class Reading:
    """What decoding a written print gave, held against the luma that it must have.

    The samples' digest says nothing of a print that is not exact.
    """

    luma_sha256: str
    samples_sha256: str
    max_error: int
    mean_error: float


def read_back(path: Path, wanted: Rendering) -> Reading:
    """Decode a print's file and compare its luma; raises ProofError if it is another picture."""
    source = open_source(path, max_pixels=1 << 62)
    header = source.header
    got = (header.width, header.height, header.bits, header.channels)
    if got != (wanted.width, wanted.height, wanted.bits, 3):
        raise ProofError(
            f"the file has width, height, bits, channels {got}, "
            f"not {(wanted.width, wanted.height, wanted.bits, 3)}"
        )
    lumas = LumaHash(wanted.width, wanted.height, wanted.bits)
    samples = hashlib.sha256()
    largest = total = row = 0
    for rgb in source.rows():
        plane = luma(rgb)
        due = wanted.rows(row, row + len(rgb))
        if not np.array_equal(plane, due):
            error = np.abs(plane.astype(np.int32) - due)
            largest, total = max(largest, int(error.max())), total + int(error.sum(dtype=np.int64))
        lumas.update(plane)
        if wanted.exact:
            samples.update(np.ascontiguousarray(rgb).data)
        row += len(rgb)
    mean = total / (wanted.width * wanted.height)
    return Reading(lumas.hexdigest(), samples.hexdigest(), largest, mean)
