"""Pixels, in integers, without torch.

A file becomes a `Photo` (reading, photo): its luma at full depth, read strictly or not at all.
A `ToneTable` (toning) turns negatives over; a `Plate` (printing) holds what the generator made,
small. A `Print` (printing) lays the plate's colour on luma so that the luma stays, writes it with
its marks (marking), and proves the written file by decoding it again.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photochrom.colorize.picture.photo import Photo
    from photochrom.colorize.picture.printing.plate import Painter, Plate
    from photochrom.colorize.picture.printing.printing import Origin, Print, PrintFacts
    from photochrom.colorize.picture.printing.recipe import PrintRecipe, format_of
    from photochrom.colorize.picture.toning.tone import ToneTable

PIXELS = 3
"""Version of everything that decides a sample: luma, tone, square, upsampling, merge, scaling.

2: the square that a generator sees is stretched by Pillow, bilinearly, as DeOldify's are.
3: a negative's film base is measured in its rebate, its densest part within its borders.
"""

_HOMES = {
    "Origin": "printing.printing",
    "Painter": "printing.plate",
    "Photo": "photo",
    "Plate": "printing.plate",
    "Print": "printing.printing",
    "PrintFacts": "printing.printing",
    "PrintRecipe": "printing.recipe",
    "ToneTable": "toning.tone",
    "format_of": "printing.recipe",
}

__all__ = [
    "PIXELS",
    "Origin",
    "Painter",
    "Photo",
    "Plate",
    "Print",
    "PrintFacts",
    "PrintRecipe",
    "ToneTable",
    "format_of",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: readers start with the decoders alone."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
