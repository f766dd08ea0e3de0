"""Tone: an integer table from a source's luma to the luma of its prints.

Positives keep their luma. A negative is turned over in density, as an enlarger would: transmittance
relative to the film base, its logarithm, a film of gamma 0.6, a display of gamma 2.2. The table is
computed once and rounded; from then on it is data, stored beside the plate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture.luma import Rows, Samples, top_of, type_of
from photochrom.colorize.picture.toning.evidence import judge
from photochrom.colorize.picture.toning.film import Film, Measured, measure

ToneSetting = Literal["auto", "positive", "negative"]

_FILM_GAMMA = 0.6
_DISPLAY_GAMMA = 2.2


@dataclass(frozen=True, slots=True, eq=False)
class ToneTable:
    """What each luma value becomes; `entries` has 2**bits values of the same depth.

    `entries` is None for the identity, so that a positive costs nothing. A table of kind "unknown"
    is the identity too, and nothing is painted by it.
    """

    kind: Literal["positive", "negative", "unknown"]
    evidence: str
    bits: int
    entries: Samples | None = None

    @classmethod
    def decide(
        cls,
        setting: ToneSetting,
        luma: Rows,
        evidence: str = "",
        *,
        film: Film | None = None,
        xmp: bytes | None = None,
    ) -> ToneTable:
        """Choose the table for a luma plane: by what is said of it, else by what it shows.

        `evidence` names where the setting came from; it goes into the row. `film` is what a roll's
        negatives have in common, `xmp` what the file says of itself, for "auto" alone.
        """
        bits = luma.dtype.itemsize * 8
        kind: Literal["positive", "negative", "unknown"]
        if setting == "auto":
            verdict = judge(luma, xmp)
            kind, told = verdict.kind, "; ".join(filter(None, (verdict.evidence, evidence)))
        else:
            kind, told = setting, evidence or "setting"
        if kind != "negative":
            return cls(kind, told, bits)
        measured = measure(luma, film or Film())
        return cls(kind, f"{told}; {measured.told}", bits, density_inversion(measured))

    @classmethod
    def from_bytes(cls, data: bytes, evidence: str = "stored") -> ToneTable:
        """Read a stored table: 256 bytes, or 65,536 little-endian 16-bit values.

        Raises ProofError for anything else.
        """
        bits = {256: 8, 131072: 16}.get(len(data))
        if bits is None:
            raise ProofError(f"not a tone table: {len(data)} bytes")
        entries = np.frombuffer(data, f"<u{bits // 8}")
        return cls("negative", evidence, bits, np.asarray(entries, type_of(bits)))

    def to_bytes(self) -> bytes:
        """Return the table as it is stored and hashed, little-endian."""
        entries = np.arange(1 << self.bits) if self.entries is None else self.entries
        return bytes(entries.astype(f"<u{self.bits // 8}").tobytes())

    @property
    def sha256(self) -> str:
        """The digest of the stored form, also for the identity."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def apply(self, luma: Samples) -> Samples:
        """Return the toned luma, same shape and depth."""
        return luma if self.entries is None else self.entries[luma]


def density_inversion(measured: Measured) -> Samples:
    """Compute the table that turns a negative into a positive; a flat one becomes black."""
    top = top_of(measured.bits)
    values = np.arange(top + 1, dtype=np.float64)
    transmittance = np.maximum(values, 0.5) / max(measured.base, 0.5)
    density = np.maximum(-_DISPLAY_GAMMA * np.log10(transmittance), 0.0)
    white = -_DISPLAY_GAMMA * np.log10(max(measured.densest, 0.5) / max(measured.base, 0.5))
    if white <= 0:
        return np.zeros(top + 1, type_of(measured.bits))
    slope = _FILM_GAMMA * _DISPLAY_GAMMA
    black_level = 10 ** (-white / slope)
    light = (10 ** ((np.minimum(density, white) - white) / slope) - black_level) / (1 - black_level)
    return np.asarray(np.rint(light * top), type_of(measured.bits))
