"""Pixels and networks; knows no storage, no Ray, no command line.

`Photo` reads an original strictly, `Colorizer` paints a small `Plate` of colour for it, and a print
lays the plate's colour on the original's luma, which never moves. `picture` is the wing without
torch, `generator` the one with it, `training` makes weights, `models` holds those that ship.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photochrom.colorize.colorizer import Colorizer, Failure
    from photochrom.colorize.generator import load_generator
    from photochrom.colorize.picture import Photo, Plate, PrintRecipe

_HOMES = {
    "Colorizer": "photochrom.colorize.colorizer",
    "Failure": "photochrom.colorize.colorizer",
    "Photo": "photochrom.colorize.picture",
    "Plate": "photochrom.colorize.picture",
    "PrintRecipe": "photochrom.colorize.picture",
    "load_generator": "photochrom.colorize.generator",
}

__all__ = ["Colorizer", "Failure", "Photo", "Plate", "PrintRecipe", "load_generator"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
