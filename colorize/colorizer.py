"""Colorizer: photos in, plates out, in batches of equal squares.

What cannot be painted comes back as a Failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import ModelError, OutOfMemory, ToneUnknown
from photochrom.colorize.generator import Generator, load_generator
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.picture import Painter, Photo, Plate, ToneTable
from photochrom.colorize.picture.printing.plate import Fallback, agreement

RenderSize = int | Literal["auto"]

_AUTO_STEP = 64
_AUTO_LEAST = 128


@dataclass(frozen=True, slots=True)
class Failure:
    """What came instead of a plate."""

    error: ModelError | ToneUnknown


def auto_render_size(native: int, width: int, height: int) -> int:
    """Return the square for a photo: the model's native one, unless the photo is small.

    A photo whose longer side is below the native size gains nothing from being stretched: it gets
    that side rounded up to a multiple of 64, so that batches stay equal, and 128 at least.
    """
    longer = max(width, height)
    return min(native, max(_AUTO_LEAST, -(-longer // _AUTO_STEP) * _AUTO_STEP))


class Colorizer:
    """A generator with a loop around it, which remembers what its memory has room for."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self._room: dict[int, int] = {}  # the most squares to try, of sizes that ran out of memory

    @classmethod
    def load(
        cls,
        model: str = "pocket",
        *,
        weights: Path | str | None = None,
        sha256: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        compiled: bool = False,
    ) -> Colorizer:
        """Load a generator by name, as `load_generator` does; raises what it raises."""
        return cls(
            load_generator(
                model,
                weights=weights,
                sha256=sha256,
                device=device,
                precision=precision,
                threads=threads,
                compiled=compiled,
            )
        )

    def size_for(self, photo: Photo, render_size: RenderSize = "auto") -> int:
        """Return the side of the square that this photo is painted at."""
        if render_size != "auto":
            return render_size
        return auto_render_size(self._native, photo.width, photo.height)

    def warm_up(self, render_size: RenderSize, count: int) -> float:
        """Paint `count` blank squares, fewer where memory runs out, and return the seconds it took.

        "auto" is the model's native size. Raises ModelError where the network cannot be compiled.
        """
        size = self._native if render_size == "auto" else render_size
        while True:
            try:
                return self.generator.warm_up(size, count)
            except OutOfMemory:
                if count == 1:
                    return 0.0  # whether a photo may be painted smaller is for `paint` to say
            count = self._less_room(size, count)

    @property
    def _native(self) -> int:
        return find_model(self.generator.name).render_size

    def paint(
        self,
        photos: Sequence[Photo],
        render_size: RenderSize = "auto",
        tones: Sequence[ToneTable] | None = None,
        *,
        smallest: int | None = None,
        confidence: bool = False,
    ) -> list[Plate | Failure]:
        """Paint photos, those of one render size as one batch; order and length are kept.

        `render_size` is the square that the generator sees, a multiple of 16, or `auto_render_size`
        decides. Without `tones` every photo is taken for what it shows, and one that does not show
        whether it is a negative is not painted: ToneUnknown.
        Out of memory, a batch is halved until it fits, and later batches of that size from the
        start; a single photo is painted at 3/4 of the size, and again, but only down to `smallest`,
        a multiple of 16 too.
        A batch that fails otherwise is painted photo by photo. A plate's `fallback` says so. With
        `confidence` the mirrored squares are painted too, which changes no plate; see `agreement`.
        """
        tables = [photo.tone_table("auto") for photo in photos] if tones is None else tones
        batches: dict[int, list[int]] = {}
        made: dict[int, Plate | Failure] = {}
        for index, (photo, table) in enumerate(zip(photos, tables, strict=True)):
            if table.kind == "unknown":
                made[index] = Failure(ToneUnknown(f"positive or negative? {table.evidence}"))
                continue
            batches.setdefault(self.size_for(photo, render_size), []).append(index)
        toned = list(zip(photos, tables, strict=True))
        for size, members in batches.items():
            batch = _Batch([toned[index] for index in members], size)
            made |= zip(members, self._paint(batch, smallest, confidence), strict=True)
        return [made[index] for index in range(len(photos))]

    def _paint(
        self, batch: _Batch, smallest: int | None, confidence: bool
    ) -> list[Plate | Failure]:
        """Paint a batch, or what it falls into while memory runs out or a photo fails."""
        count, no_room = len(batch.toned), ""
        parts: list[_Batch] | None = None
        if count <= self._room.get(batch.size, count):
            try:
                return self._plates(batch, confidence)
            except OutOfMemory as error:
                no_room = str(error)
                self._less_room(batch.size, count)
            except ModelError as error:
                if count == 1:
                    return [Failure(error)]
                parts = batch.singles()
        # Only here, past `except`, is what the attempt held on the device free again.
        parts = batch.parts(smallest) if parts is None else parts
        if not parts:
            return [Failure(OutOfMemory(no_room))]
        return [made for part in parts for made in self._paint(part, smallest, confidence)]

    def _less_room(self, size: int, count: int) -> int:
        """Remember that `count` squares of a size were too many; return how many to try next.

        One is always tried: that a photo has no room is said only after trying.
        """
        self._room[size] = (count + 1) // 2
        return self._room[size]

    def _plates(self, batch: _Batch, confidence: bool) -> list[Plate | Failure]:
        squares = batch.squares()
        chroma = self.generator.chroma(squares)
        painter = Painter(
            model=self.generator.name,
            weights_sha256=self.generator.weights_sha256,
            render_size=batch.size,
            precision=self.generator.precision,
        )
        sure = self._confidence(squares, chroma) if confidence else [None] * len(squares)
        return [
            Plate(made, table, painter, batch.fallback, measured)
            for made, (_, table), measured in zip(chroma, batch.toned, sure, strict=True)
        ]

    def _confidence(
        self, squares: NDArray[np.uint8], chroma: NDArray[np.uint8]
    ) -> list[float | None]:
        """Return how far mirrored squares (n, s, s) get the same colours; None if they get none."""
        try:
            mirrored = self.generator.chroma(np.ascontiguousarray(squares[:, :, ::-1]))
        except ModelError:
            return [None] * len(squares)
        return [agreement(*pair) for pair in zip(chroma, mirrored[:, :, ::-1], strict=True)]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Photos with their tone tables, to be painted together at one size."""

    toned: Sequence[tuple[Photo, ToneTable]]
    size: int
    fallback: Fallback = Fallback.NONE

    def squares(self) -> NDArray[np.uint8]:
        """Return what the generator sees, (n, s, s)."""
        return np.stack([photo.square(self.size, table) for photo, table in self.toned])

    def singles(self) -> list[_Batch]:
        """Return each photo alone, so that one that cannot be painted fails no other."""
        return [_Batch([one], self.size, Fallback.ONE_AT_A_TIME) for one in self.toned]

    def parts(self, smallest: int | None) -> list[_Batch]:
        """Return what to try instead where this has no room, in order; nothing if all is tried."""
        middle = len(self.toned) // 2
        if middle:
            halves = (self.toned[:middle], self.toned[middle:])
            return [_Batch(half, self.size, _fallback(len(half))) for half in halves]
        if smallest is None:
            return []
        size = max(self.size * 3 // 4 // 16 * 16, smallest)
        return [_Batch(self.toned, size, Fallback.SMALLER)] if size < self.size else []


def _fallback(count: int) -> Fallback:
    return Fallback.ONE_AT_A_TIME if count == 1 else Fallback.HALVED
