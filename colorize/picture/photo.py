"""Photo: a decoded original, as its luma at full depth and what is worth keeping beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.picture.filed import FiledPlane
from photochrom.colorize.picture.luma import (
    Rows,
    Samples,
    luma_sha256,
    strips,
    top_of,
    type_of,
)
from photochrom.colorize.picture.reading.decoders import open_source
from photochrom.colorize.picture.reading.limits import MAX_PIXELS
from photochrom.colorize.picture.reading.source import Header, Source
from photochrom.colorize.picture.reading.upright import decode_into, upright_shape
from photochrom.colorize.picture.toning.colour import is_colour, tone_name
from photochrom.colorize.picture.toning.film import Film
from photochrom.colorize.picture.toning.tone import ToneSetting, ToneTable

_SQUARE_STRIP = 1 << 18


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded original: `luma` (h, w), uint8 or uint16, upright, as its tags say.

    `luma` is an array, unless the photo was opened with a `scratch` folder: then it lies in a file
    there, and slices of its rows are read as they are wanted. Nothing else differs.

    `sha256` is the file's. `colour_sample` is a coarse RGB picture (n, m, 3) in [0, 1] of a source
    with three channels, None of a grey one. `ingredient` is what C2PA manifests of its
    prints say of the file, where they are to be signed.
    """

    header: Header
    luma: Rows
    sha256: str
    colour_sample: NDArray[np.float64] | None = None
    ingredient: bytes | None = None

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        sha256: str = "",
        max_pixels: int = MAX_PIXELS,
        scratch: Path | None = None,
    ) -> Photo:
        """Read a file strictly; raises SourceError, and never returns half a picture.

        `sha256` is taken as the file's digest if it is already known.
        """
        path = Path(path)
        return cls.read(open_source(path, max_pixels), sha256 or file_sha256(path), scratch)

    @classmethod
    def read(cls, source: Source, sha256: str, scratch: Path | None = None) -> Photo:
        """Decode an opened source, whose header may have been looked at; raises SourceError."""
        shape, dtype = upright_shape(source.header), type_of(source.header.bits)
        plane = np.empty(shape, dtype) if scratch is None else FiledPlane.new(scratch, shape, dtype)
        sample = decode_into(plane, source)
        return cls(source.header, plane, sha256, sample)

    @property
    def width(self) -> int:
        """The upright width in pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """The upright height in pixels."""
        return int(self.luma.shape[0])

    @property
    def bits(self) -> int:
        """Bits of each luma sample: 8 or 16."""
        return self.header.bits

    @cached_property
    def luma_sha256(self) -> str:
        """The canonical hash of the luma as read, before any tone table."""
        return luma_sha256(self.luma)

    @cached_property
    def in_colour(self) -> bool:
        """Whether the original shows colour already; toned and noisy greys do not count."""
        return self.colour_sample is not None and is_colour(self.colour_sample)

    @property
    def note(self) -> str:
        """What a row says of the file beside its figures: which page, how it is toned."""
        tint = "" if self.colour_sample is None or self.in_colour else tone_name(self.colour_sample)
        return "; ".join(filter(None, (self.header.note, tint and f"toned {tint}")))

    @property
    def dpi(self) -> tuple[float, float] | None:
        """The upright resolution in dots per inch, across and down."""
        dpi = self.header.dpi
        return (dpi[1], dpi[0]) if dpi and self.header.orientation >= 5 else dpi

    def tone_table(
        self, setting: ToneSetting, evidence: str = "", film: Film | None = None
    ) -> ToneTable:
        """Choose this photo's tone table by the job's or the manifest's word, or by what it shows.

        `film` is what the negatives of a roll have in common.
        """
        told = evidence or self.header.tone_evidence
        return ToneTable.decide(setting, self.luma, told, film=film, xmp=self.header.xmp)

    def square(self, size: int, tone: ToneTable) -> NDArray[np.uint8]:
        """Return the toned luma stretched to (size, size) at 8 bits: what a generator sees.

        Bilinear over all that each pixel covers, by Pillow: DeOldify's squares are made so. Pillow
        goes along the rows first, so strips may go through it by themselves. It is kept: made once,
        wherever there is time for it.
        """
        key = (size, tone.sha256)
        if key not in self._squares:
            table = self._to_8_bits(tone)
            narrow = [
                _stretched(block if table is None else table.take(block), size, len(block))
                for first, last in strips(self.height, self.width, _SQUARE_STRIP)
                for block in (self.luma[first:last],)
            ]
            self._squares[key] = _stretched(np.concatenate(narrow), size, size)
        return self._squares[key]

    def _to_8_bits(self, tone: ToneTable) -> NDArray[np.uint8] | None:
        """Return the toned value of each luma at 8 bits; None if that is the value itself."""
        top = top_of(self.bits)
        if tone.entries is None and top == 255:
            return None
        entries = np.arange(top + 1) if tone.entries is None else tone.entries
        return ((entries.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)

    @cached_property
    def _squares(self) -> dict[tuple[int, str], NDArray[np.uint8]]:
        return {}


def file_sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stretched(grey: Samples, width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))
