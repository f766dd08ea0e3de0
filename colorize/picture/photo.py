"""Photo: a decoded original, as its luma at full depth and what is worth keeping beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.colour import is_colour
from photochrom.colorize.picture.decoders import MAX_PIXELS, open_source
from photochrom.colorize.picture.film import Film
from photochrom.colorize.picture.luma import Samples, luma, luma_sha256, strips, top_of, type_of
from photochrom.colorize.picture.source import Header, Source
from photochrom.colorize.picture.tone import ToneSetting, ToneTable

_SAMPLE_SIDE = 256


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded original: `luma` (h, w), uint8 or uint16, upright, as its tags say.

    `sha256` is the file's. `colour_sample` is a coarse RGB picture (n, m, 3) in [0, 1] of a source
    with three channels, None of a grey one.
    """

    header: Header
    luma: Samples
    sha256: str
    colour_sample: NDArray[np.float64] | None = None

    @classmethod
    def open(cls, path: Path | str, *, sha256: str = "", max_pixels: int = MAX_PIXELS) -> Photo:
        """Read a file strictly; raises SourceError, and never returns half a picture.

        `sha256` is taken as the file's digest if it is already known.
        """
        path = Path(path)
        return cls.read(open_source(path, max_pixels), sha256 or file_sha256(path))

    @classmethod
    def read(cls, source: Source, sha256: str) -> Photo:
        """Decode an opened source, whose header may have been looked at; raises SourceError."""
        plane, sample = _decode(source)
        return cls(source.header, _upright(plane, source.header.orientation), sha256, sample)

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

    @property
    def in_colour(self) -> bool:
        """Whether the original shows colour already; toned and noisy greys do not count."""
        return self.colour_sample is not None and is_colour(self.colour_sample)

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

        Bilinear over all that each pixel covers, by Pillow: DeOldify's squares are made so. It is
        kept: made once, wherever there is time for it.
        """
        key = (size, tone.sha256)
        if key not in self._squares:
            grey = Image.fromarray(self._toned_8_bits(tone))  # shares the memory
            square = grey.resize((size, size), Image.Resampling.BILINEAR)
            self._squares[key] = np.asarray(square)
        return self._squares[key]

    def _toned_8_bits(self, tone: ToneTable) -> NDArray[np.uint8]:
        """Return the toned luma at 8 bits; of an 8-bit positive the plane itself, not a copy."""
        top = top_of(self.bits)
        if tone.entries is None and top == 255:
            return self.luma.view(np.uint8)
        entries = np.arange(top + 1) if tone.entries is None else tone.entries
        table = ((entries.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
        grey = np.empty(self.luma.shape, np.uint8)
        for first, last in strips(*self.luma.shape):  # numpy widens what it looks up by
            grey[first:last] = table[self.luma[first:last]]
        return grey

    @cached_property
    def _squares(self) -> dict[tuple[int, str], NDArray[np.uint8]]:
        return {}


def file_sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _decode(source: Source) -> tuple[Samples, NDArray[np.float64] | None]:
    """Decode all rows into one luma plane, and keep every n-th pixel of a coloured one."""
    header = source.header
    plane = np.empty((header.height, header.width), type_of(header.bits))
    step = max(1, max(header.width, header.height) // _SAMPLE_SIDE)
    sample = []
    row = 0
    for block in source.rows():
        plane[row : row + len(block)] = luma(block) if block.ndim == 3 else block
        if block.ndim == 3:
            sample.append(block[-row % step :: step, ::step] / float(top_of(header.bits)))
        row += len(block)
    if row != header.height:
        raise SourceError(Fault.CORRUPT, f"only {row} of {header.height} rows")
    return plane, np.concatenate(sample) if sample else None


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
    return np.ascontiguousarray(turned)
