"""Plates: what the generator made of one photo, small, and stretched smoothly over the print.

Full-range BT.601 Cb and Cr with offset 128, 8 bit, at render size, stored as a two-channel (LA)
PNG.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture.printing.merge import FRACTION, Plane, merge
from photochrom.colorize.picture.toning.tone import ToneTable

if TYPE_CHECKING:
    from photochrom.colorize.picture.photo import Photo
    from photochrom.colorize.picture.printing.printing import Origin, Print


LOW_CHROMA = 2.0
"""A plate whose mean chroma is below this shows next to no colour.

One plate step is about 1 in CIELAB, where 2.3 can just be seen. Grey that only rounding or noise of
half a step has moved has a mean of up to 0.9. Of 326 held-out colour photographs, the faintest that
`pocket` painted had 2.9; of the sample archive, 6.3.
"""

_HALVING_STEPS = 4.0


class Fallback(StrEnum):
    """What was done when memory ran out: the closed list that rows speak in."""

    NONE = ""
    HALVED = "halved"
    ONE_AT_A_TIME = "one_at_a_time"
    SMALLER = "smaller"


@dataclass(frozen=True, slots=True)
class Painter:
    """Who made a plate: all that a print says of the machine."""

    model: str
    weights_sha256: str
    render_size: int
    precision: str = "float32"


@dataclass(frozen=True, eq=False)
class Plate:
    """The colour of one photo: `chroma` is (s, s, 2) uint8, Cb then Cr, offset 128.

    `confidence` is None where it was not measured; see `agreement`.
    """

    chroma: NDArray[np.uint8]
    tone: ToneTable
    painter: Painter
    fallback: Fallback = Fallback.NONE
    confidence: float | None = None

    @cached_property
    def png(self) -> bytes:
        """The stored form."""
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self.chroma), "LA").save(buffer, "PNG")
        return buffer.getvalue()

    @property
    def sha256(self) -> str:
        """The digest of the stored form."""
        return hashlib.sha256(self.png).hexdigest()

    @classmethod
    def from_png(cls, data: bytes, tone: ToneTable, painter: Painter) -> Plate:
        """Read a stored plate; raises ProofError if it is none."""
        try:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                if image.mode != "LA":
                    raise ProofError(f"not a plate: a PNG of mode {image.mode}, not LA")
                chroma = np.asarray(image)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ProofError(f"not a plate: {error}") from error
        plate = cls(chroma, tone, painter)
        plate.__dict__["png"] = data
        return plate

    def print_on(self, photo: Photo, origin: Origin | None = None) -> Print:
        """Lay this colour on its photo; nothing is written before the print's `save`."""
        from photochrom.colorize.picture.printing.printing import Origin, Print

        return Print(photo, self, origin or Origin())

    @property
    def chroma_mean(self) -> float:
        """The mean chroma magnitude, in plate steps; near zero when the generator did nothing."""
        centred = self.chroma.astype(np.float32) - 128
        return float(np.hypot(centred[..., 0], centred[..., 1]).mean())

    @property
    def low_chroma(self) -> bool:
        """Whether the generator did nearly nothing."""
        return self.chroma_mean < LOW_CHROMA

    def colourfulness(self, square: NDArray[np.uint8]) -> float:
        """Return Hasler and Suesstrunk's M3 (2003) of the plate on its own grey square (s, s)."""
        cb, cr = (np.moveaxis(self.chroma, -1, 0).astype(np.int32) - 128) << FRACTION
        rgb = merge(square, cb, cr, 8)[0].astype(np.float64)
        red_green = rgb[..., 0] - rgb[..., 1]
        yellow_blue = (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
        spread = np.hypot(red_green.std(), yellow_blue.std())
        return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return how far two answers (s, s, 2) to one photo agree: 1 if they are equal, towards 0.

    It halves with every 4 plate steps of their mean distance in the plane of Cb and Cr.
    """
    apart = one.astype(np.float32) - other.astype(np.float32)
    distance = np.hypot(apart[..., 0], apart[..., 1]).mean()
    return float(2 ** (-distance / _HALVING_STEPS))


class Upsampled:
    """A plate's chroma at a print's size: bilinear, in fixed point, row by row.

    Pixel x of w looks at plate position `((2 x + 1) s * 256) // (2 w) - 128` in 1/256 of a plate
    pixel, kept within the plate; both axes are blended with these eight bits and the result is
    rounded once, to 1/32 of a plate step.
    """

    def __init__(self, chroma: NDArray[np.uint8], width: int, height: int) -> None:
        size_y, size_x = chroma.shape[:2]
        self._planes = np.moveaxis(chroma, -1, 0).astype(np.int32) - 128  # (2, s, s)
        self._left, self._beside = _positions(width, size_x)
        self._right = np.minimum(self._left + 1, size_x - 1)
        self._upper, self._below = _positions(height, size_y)
        self._last = size_y - 1
        self._held: dict[int, Plane] = {}

    def rows(self, first: int, last: int) -> tuple[Plane, Plane]:
        """Return Cb and Cr of rows [first, last), each (n, w), in 1/32 of a plate step."""
        planes = np.empty((2, last - first, len(self._left)), np.int32)
        begin, end = int(self._upper[first]), int(self._upper[last - 1])
        starts = np.searchsorted(self._upper[first:last], np.arange(begin, end + 2))
        for at, (start, stop) in enumerate(pairwise(starts.tolist()), begin):
            if start < stop:
                upper, lower = self._across(at)
                below = self._below[first + start : first + stop, None]
                part = planes[:, start:stop]
                np.multiply((lower - upper)[:, None], below, out=part)
                part += ((upper << 8) + (1 << (15 - FRACTION)))[:, None]
        planes >>= 16 - FRACTION
        return planes[0], planes[1]

    def _across(self, at: int) -> tuple[Plane, Plane]:
        """Blend a plate row and the next one along the print's width, each (2, w)."""
        wanted = (at, min(at + 1, self._last))
        held = self._held
        self._held = {row: held[row] if row in held else self._blended(row) for row in wanted}
        return self._held[wanted[0]], self._held[wanted[1]]

    def _blended(self, row: int) -> Plane:
        line = self._planes[:, row]
        blended: Plane = line[:, self._left] * (256 - self._beside)
        blended += line[:, self._right] * self._beside
        return blended


def _positions(pixels: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return each pixel's plate index and its blend toward the next one, in 1/256."""
    centre = np.arange(pixels, dtype=np.int64) * 2 + 1
    place = np.clip(centre * size * 256 // (2 * pixels) - 128, 0, (size - 1) * 256)
    return place >> 8, (place & 255).astype(np.int32)
