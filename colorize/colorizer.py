"""Colorizer: photos in, plates out, in batches; what cannot be painted comes back as a Failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import ModelError, OutOfMemory
from photochrom.colorize.generator import Generator, load_generator
from photochrom.colorize.picture import Painter, Photo, Plate, ToneTable

RENDER_SIZE = 256


@dataclass(frozen=True, slots=True)
class Failure:
    """What came instead of a plate."""

    error: ModelError


class Colorizer:
    """A generator with a loop around it."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    @classmethod
    def load(
        cls,
        model: str = "pocket",
        *,
        weights: Path | None = None,
        sha256: str | None = None,
        device: str = "auto",
        precision: str = "float32",
    ) -> Colorizer:
        """Load a generator by name; raises ModelError, or WrongWeights if `sha256` differs."""
        return cls(
            load_generator(
                model, weights=weights, sha256=sha256, device=device, precision=precision
            )
        )

    def paint(
        self,
        photos: Sequence[Photo],
        render_size: int = RENDER_SIZE,
        tones: Sequence[ToneTable] | None = None,
    ) -> list[Plate | Failure]:
        """Paint photos in one batch; order and length are kept.

        `render_size` is the square that the generator sees, a multiple of 16. Without `tones` every
        photo is taken for a positive, or for what its own file says. Out of memory, the batch is
        halved until it fits; a plate painted so says `split` in its `fallback`.
        """
        if not photos:
            return []
        tables = [photo.tone_table("auto") for photo in photos] if tones is None else list(tones)
        squares = np.stack(
            [photo.square(render_size, table) for photo, table in zip(photos, tables, strict=True)]
        )  # (n, s, s)
        painter = Painter(
            model=self.generator.name,
            weights_sha256=self.generator.weights_sha256,
            render_size=render_size,
            precision=self.generator.precision,
        )
        return [
            made if isinstance(made, Failure) else Plate(made, table, painter, fallback)
            for (made, fallback), table in zip(self._chroma(squares, ""), tables, strict=True)
        ]

    def _chroma(
        self, squares: NDArray[np.uint8], fallback: str
    ) -> list[tuple[NDArray[np.uint8] | Failure, str]]:
        """Run the generator on (n, s, s), halving while memory runs out."""
        try:
            return [(chroma, fallback) for chroma in self.generator.chroma(squares)]
        except OutOfMemory as error:
            if len(squares) == 1:
                return [(Failure(error), fallback)]
            middle = len(squares) // 2
            return self._chroma(squares[:middle], "split") + self._chroma(squares[middle:], "split")
        except ModelError as error:
            return [(Failure(error), fallback) for _ in squares]
