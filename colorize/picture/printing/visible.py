"""The mark that people see, on access copies alone: a palette in the corner, or a strip below.

Where it lies the samples are no longer the picture's: a print's luma error is measured outside the
sign's square, and above the strip. A lossless print never has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from photochrom.colorize.picture.luma import Samples
from photochrom.colorize.picture.marking.marks import SENTENCE

Kind = Literal["none", "sign", "strip"]

_ONE_LINE_FROM = 400  # pixels
_FINER = 4  # drawn so many times larger, then shrunk
_PAPER, _INK = (245, 245, 245, 255), (32, 32, 32, 255)
_PAINTS = ((214, 64, 56, 255), (240, 188, 48, 255), (72, 150, 84, 255), (56, 108, 190, 255))
_WELLS = ((0.30, 0.52), (0.38, 0.30), (0.60, 0.24), (0.76, 0.40))  # of the palette's square


@dataclass(frozen=True, slots=True)
class VisibleMark:
    """Samples (h, w, 4), 8-bit RGBA, laid at `top`, `left`; a strip adds `below` rows."""

    samples: NDArray[np.uint8]
    top: int
    left: int
    below: int

    def lay_on(self, blocks: Iterator[Samples], rows: int) -> Iterator[Samples]:
        """Lay it on a picture's strips (n, w, 3), 8 bit, as they go by, and add what is below.

        All strips have `rows` rows but the last.
        """
        return even(self._laid(blocks), rows) if self.below else self._laid(blocks)

    def _laid(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        row = 0
        for block in blocks:
            first, last = max(row, self.top), min(row + len(block), self.top + len(self.samples))
            if first < last:
                block = self._blended(block, first - row, last - row, first - self.top)
            row += len(block)
            yield block
        if self.below:
            yield np.ascontiguousarray(self.samples[..., :3])

    def _blended(self, block: Samples, first: int, last: int, start: int) -> Samples:
        mark = self.samples[start : start + last - first].astype(np.int32)
        alpha, block = mark[..., 3:], block.copy()
        under = block[first:last, self.left : self.left + mark.shape[1]]
        mixed = (under * (255 - alpha) + mark[..., :3] * alpha + 127) // 255
        block[first:last, self.left : self.left + mark.shape[1]] = mixed
        return block

    def outside(self, first: int, last: int, width: int) -> NDArray[np.bool_]:
        """Return where rows [first, last) of the picture are free of it, (n, w)."""
        free = np.ones((last - first, width), np.bool_)
        top, end = max(self.top - first, 0), max(self.top + len(self.samples) - first, 0)
        free[top:end, self.left : self.left + self.samples.shape[1]] = False
        return free


def even(blocks: Iterator[Samples], rows: int) -> Iterator[Samples]:
    """Cut strips of any height into strips of `rows` rows; the last one may be shorter."""
    held: list[Samples] = []
    for block in blocks:
        held.append(block)
        while sum(map(len, held)) >= rows:
            joined = np.concatenate(held)
            yield joined[:rows]
            held = [joined[rows:]]
    if sum(map(len, held)):
        yield np.concatenate(held)


def visible_mark(kind: Kind, width: int, height: int) -> VisibleMark | None:
    """Draw the mark of a picture of this size."""
    if kind == "sign":
        side = max(12, round(height / 20))
        margin = side // 2
        sign = _palette(min(side, width, height))
        top, left = max(0, height - margin - len(sign)), min(margin, width - sign.shape[1])
        return VisibleMark(sign, top, left, 0)
    if kind == "strip":
        strip = _strip(width)
        return VisibleMark(strip, height, 0, len(strip))
    return None


def strip_height(width: int) -> int:
    """Return how high the strip below a picture of this width is: one line, or two if narrow."""
    return round(width / 22) if width >= _ONE_LINE_FROM else max(6, round(width / 9))


def _palette(side: int) -> NDArray[np.uint8]:
    """Draw a painter's palette with its thumb hole and four paints, (side, side, 4)."""
    full = side * _FINER
    image = Image.new("RGBA", (full, full), (*_INK[:3], 0))
    draw = ImageDraw.Draw(image)
    edge = max(1, full // 24)

    def disc(x: float, y: float, radius: float, fill: tuple[int, ...], outline: bool) -> None:
        box = [(x - radius) * full, (y - radius) * full, (x + radius) * full, (y + radius) * full]
        draw.ellipse(box, fill=fill, outline=_INK if outline else None, width=edge)

    draw.ellipse([0, full * 0.08, full - 1, full * 0.92], fill=_PAPER, outline=_INK, width=edge)
    disc(0.62, 0.68, 0.10, (*_INK[:3], 0), True)
    for (x, y), paint in zip(_WELLS, _PAINTS, strict=True):
        disc(x, y, 0.085, paint, False)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def _strip(width: int) -> NDArray[np.uint8]:
    """Write the sentence on paper, (h, width, 4)."""
    height = strip_height(width)
    image = Image.new("RGBA", (width * _FINER, height * _FINER), _PAPER)
    lines = [SENTENCE] if width >= _ONE_LINE_FROM else SENTENCE.replace("; ", ";\n").split("\n")
    size = 0.6 * height * _FINER / len(lines)
    longest = max(map(ImageFont.load_default(size).getlength, lines))
    font = ImageFont.load_default(max(2.0, size * min(1.0, 0.94 * width * _FINER / longest)))
    place = (width * _FINER / 2, height * _FINER / 2)
    draw = ImageDraw.Draw(image)
    draw.multiline_text(place, "\n".join(lines), _INK, font, "mm", align="center")
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
