"""Rendering: the samples of a print, strip by strip, before any file format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from photochrom.colorize.picture.luma import Rows, Samples, strips, top_of
from photochrom.colorize.picture.photo import Photo
from photochrom.colorize.picture.printing.merge import merge
from photochrom.colorize.picture.printing.plate import Plate, Upsampled
from photochrom.colorize.picture.printing.recipe import PrintRecipe
from photochrom.colorize.picture.scaling import area, fit


class Rendering:
    """A photo's luma and a plate's colour at the size and depth of a print recipe."""

    def __init__(self, photo: Photo, plate: Plate, recipe: PrintRecipe) -> None:
        self._photo, self._plate = photo, plate
        self.width, self.height = fit(photo.width, photo.height, recipe.long_side)
        self.bits = photo.bits if recipe.deep else 8
        self.exact = recipe.exact

    def rows(self, first: int, last: int) -> Samples:
        """Return the luma that rows [first, last) must have, (n, w)."""
        plane, table = self._toned
        block = plane[first:last]
        return block if table is None else table.take(block)

    def blocks(self) -> Iterator[tuple[Samples, int]]:
        """Yield RGB strips (n, w, 3) top to bottom, each with its count of shrunk pixels."""
        chroma = Upsampled(self._plate.chroma, self.width, self.height)
        for first, last in strips(self.height, self.width):
            cb, cr = chroma.rows(first, last)
            yield merge(self.rows(first, last), cb, cr, self.bits)

    def samples_sha256(self) -> str:
        """Return the digest of the RGB samples, row by row, as a lossless file must give back."""
        digest = hashlib.sha256()
        for rgb, _ in self.blocks():
            digest.update(rgb.data)
        return digest.hexdigest()

    @cached_property
    def _toned(self) -> tuple[Rows, Samples | None]:
        """The luma plane at the print's size, and the table still to be applied to it."""
        tone, depth = self._plate.tone.entries, None
        if self.bits != self._photo.bits:
            top = top_of(self._photo.bits)
            steps = np.arange(top + 1, dtype=np.uint32)
            depth = ((steps * 255 + top // 2) // top).astype(np.uint8)
        if (self.width, self.height) != (self._photo.width, self._photo.height):
            return area(self._photo.luma, self.width, self.height, tone), depth
        if tone is not None and depth is not None:
            return self._photo.luma, depth[tone]
        return self._photo.luma, depth if tone is None else tone
