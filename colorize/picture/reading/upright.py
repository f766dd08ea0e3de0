"""Decoding into an upright luma plane, whichever way a file's rows lie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.filed import FiledPlane, Place
from photochrom.colorize.picture.luma import Samples, luma, top_of
from photochrom.colorize.picture.reading.source import Header, Source

_SAMPLE_SIDE = 256
_BAND_PIXELS = 1 << 22
_ON_THEIR_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def upright_shape(header: Header) -> tuple[int, int]:
    """Return the height and width of a file's upright luma plane."""
    shape = (header.height, header.width)
    return shape[::-1] if header.orientation in _ON_THEIR_SIDE else shape


def decode_into(plane: Samples | FiledPlane, source: Source) -> NDArray[np.float64] | None:
    """Decode all rows into an upright luma plane; return every n-th pixel of a coloured source.

    Raises SourceError, with the plane half filled.
    """
    header = source.header
    step = max(1, max(header.width, header.height) // _SAMPLE_SIDE)
    sample = []

    def greys() -> Iterator[Samples]:
        row = 0
        for block in source.rows():
            if block.ndim == 3:
                sample.append(block[-row % step :: step, ::step] / float(top_of(header.bits)))
            yield luma(block) if block.ndim == 3 else block
            row += len(block)

    row = 0
    for block in _bands(greys()) if header.orientation in _ON_THEIR_SIDE else greys():
        place = _place(header.orientation, row, row + len(block), header.height)
        plane[place] = _upright(block, header.orientation)
        row += len(block)
    if row != header.height:
        raise SourceError(Fault.CORRUPT, f"only {row} of {header.height} rows")
    return np.concatenate(sample) if sample else None


def _bands(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """Join blocks into bands that are worth turning on their side."""
    held: list[Samples] = []
    for block in blocks:
        held.append(block)
        if sum(each.size for each in held) >= _BAND_PIXELS:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _place(orientation: int, first: int, last: int, height: int) -> Place:
    """Return where rows [first, last) of a file of `height` rows lie in the upright plane."""
    backward = orientation in (3, 4, 6, 7)
    span = slice(height - last, height - first) if backward else slice(first, last)
    return (slice(None), span) if orientation in _ON_THEIR_SIDE else (span, slice(None))


def _upright(plane: Samples, orientation: int) -> Samples:
    """Apply an EXIF orientation (1 to 8) to a plane."""
    turned = {
        2: plane[:, ::-1],
        3: plane[::-1, ::-1],
        4: plane[::-1],
        5: plane.T,
        6: plane.T[:, ::-1],
        7: plane[::-1, ::-1].T,
        8: plane.T[::-1],
    }.get(orientation, plane)
    return turned
