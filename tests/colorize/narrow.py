"""Photos to paint, and a generator that has little room for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.colorizer import Failure
from photochrom.colorize.errors import OutOfMemory
from photochrom.colorize.generator.echo import EchoGenerator
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.reading.source import Header
from tests.colorize.picture.lightbox import Samples, grain


class NarrowGenerator(EchoGenerator):
    """An echo on a device with room for `room` squares of `side`; it notes the batches it saw."""

    def __init__(self, room: int, side: int = 4096) -> None:
        self.room, self.side = room, side
        self.seen: list[int] = []
        self.sides: list[int] = []

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.seen.append(len(squares))
        self.sides.append(squares.shape[-1])
        if len(squares) > self.room or squares.shape[-1] > self.side:
            raise OutOfMemory(f"no room for {squares.shape}")
        return super().chroma(squares)

    def warm_up(self, side: int, count: int) -> float:
        self.chroma(np.zeros((count, side, side), np.uint8))
        return 3.0


IS_A_PRINT = b"http://cv.iptc.org/newscodes/digitalsourcetype/print"


def photo_of(luma: Samples) -> Photo:
    """Make a photo that says it is a positive: noise shows nothing of that."""
    height, width = luma.shape
    bits = luma.dtype.itemsize * 8
    return Photo(Header("tiff", "test", width, height, bits, 1, xmp=IS_A_PRINT), luma, "00" * 32)


PHOTOS = [photo_of(grain(20 + n, 30 - n, bits=(8, 16)[n % 2], seed=n)) for n in range(7)]


def plates_of(made: list[Plate | Failure]) -> list[Plate]:
    assert all(isinstance(one, Plate) for one in made)
    return [one for one in made if isinstance(one, Plate)]


def alone(photo: Photo, size: int = 32) -> NDArray[np.uint8]:
    """Paint one photo without the loop."""
    square = photo.square(size, photo.tone_table("auto"))
    chroma: NDArray[np.uint8] = EchoGenerator().chroma(square[None])[0]
    return chroma
