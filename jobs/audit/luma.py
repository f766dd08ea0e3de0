"""Hold a stray print's luma against an original that is at hand; no plate, ledger or place needed.

Without its plate only the luma of a print can be proven: its colour could be anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from photochrom.colorize.errors import ProofError, SettingsError, SourceError
from photochrom.colorize.picture import Painter, Photo, Plate, PrintRecipe, ToneTable
from photochrom.colorize.picture.marking.marks import Marks
from photochrom.colorize.picture.printing.proof import read_back
from photochrom.colorize.picture.printing.rendering import Rendering
from photochrom.colorize.picture.printing.visible import Kind, strip_height, visible_mark
from photochrom.colorize.picture.reading.decoders import open_source
from photochrom.colorize.picture.scaling import fit

_ANOTHER_PICTURE = 24  # levels of 255, on average: no JPEG of the same picture is so far off
_SMALLEST = 16  # pixels: the least long side that a recipe may have


@dataclass(frozen=True, slots=True)
class LumaProof:
    """What was found of a print's luma; the errors are in code values of its depth.

    `contradictions` are what cannot be if the print is what it says.
    """

    proof: Literal["exact", "measured", "not proven"]
    max_error: int | None = None
    mean_error: float | None = None
    why: str = ""
    contradictions: tuple[str, ...] = ()


def open_original(path: Path) -> Photo:
    """Read the original that a user named; raises SettingsError."""
    try:
        return Photo.open(path, max_pixels=1 << 62)
    except (OSError, SourceError) as error:
        raise SettingsError(f"--original: {path}: {error}") from None


def read_table(path: Path) -> ToneTable:
    """Read the tone table that a user named; raises SettingsError."""
    try:
        return ToneTable.from_bytes(path.read_bytes())
    except (OSError, ProofError) as error:
        raise SettingsError(f"--tone-table: {path}: {error}") from None


def prove_luma(
    path: Path, marks: Marks | None, original: Photo, table: ToneTable | None
) -> LumaProof:
    """Compare a file's luma with its original's, through a tone table if the print had one."""
    wrong = _other_origin(marks, original)
    tone = table or ToneTable("positive", "", original.bits)
    if marks and tone.sha256 != marks.ToneTableSHA256:
        if table is not None:
            wrong.append("the tone table is not the one that its marks name")
        elif not wrong:
            why = "it was made through a tone table: give it by --tone-table"
            return LumaProof("not proven", why=why)
    if tone.bits != original.bits:
        wrong.append(f"the tone table is for {tone.bits} bits, the original has {original.bits}")
    if wrong:
        return LumaProof("not proven", why=wrong[0], contradictions=tuple(wrong))
    try:
        return _compared(path, original, tone, marks.VisibleMark if marks else "")
    except (ProofError, SourceError) as error:
        return LumaProof("not proven", why=str(error), contradictions=(str(error),))


def _other_origin(marks: Marks | None, original: Photo) -> list[str]:
    if marks is None:
        return []
    if original.sha256 != marks.OriginalSHA256:
        return ["the original's sha256 is not the one that its marks name"]
    if original.luma_sha256 != marks.OriginalLumaSHA256:
        return [f"the original's luma, read by {original.header.decoder}, is not the marks'"]
    return []


def _compared(path: Path, original: Photo, tone: ToneTable, visible: str) -> LumaProof:
    """Decode the file and compare; raises ProofError, SourceError."""
    header = open_source(path, max_pixels=1 << 62).header
    below = strip_height(header.width) if visible == "strip" else 0
    size, whole = (header.width, header.height - below), (original.width, original.height)
    longest = max(size)
    if size != whole and (longest < _SMALLEST or fit(*whole, longest) != size):
        raise ProofError(
            f"its size, {size[0]} x {size[1]}, is no scaling of {whole[0]} x {whole[1]}"
        )
    recipe = PrintRecipe.model_validate(
        {"format": header.format, "long_side": None if size == whole else longest}
    )
    lossless = recipe.exact
    grey = np.full((16, 16, 2), 128, np.uint8)
    wanted = Rendering(original, Plate(grey, tone, Painter("", "", 16)), recipe)
    kind: Kind = "sign" if visible == "sign" else "strip" if below else "none"
    found = read_back(path, wanted, visible_mark(kind, *size))
    wrong = ""
    if lossless and found.max_error:
        wrong = f"its luma is not the original's: off by up to {found.max_error}"
    elif found.mean_error > _ANOTHER_PICTURE:
        wrong = f"its luma is another picture's: off by {found.mean_error:.0f} on average"
    return LumaProof(
        "exact" if lossless and not wrong else "measured",
        found.max_error,
        found.mean_error,
        wrong,
        (wrong,) if wrong else (),
    )
