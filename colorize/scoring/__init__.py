"""How far painted photographs are from the colours that they had.

A colour photograph is read strictly and shrunk (`pictures`), greyed and painted, or set beside a
print of it; a `Scorer` takes both, adds up `figures` of colour and compares whole sets by the
features of an encoder that no training here has seen (`lite`, `distance`). `sheet` shows a few.
It needs `pip install 'photochrom[score]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from photochrom.colorize.errors import SettingsError

if TYPE_CHECKING:
    from photochrom.colorize.scoring.lite import Encoder
    from photochrom.colorize.scoring.pictures import ColourPhoto, Pair
    from photochrom.colorize.scoring.scorer import Report, Scorer, check_saturations

_HOMES = {
    "ColourPhoto": "pictures",
    "Encoder": "lite",
    "Pair": "pictures",
    "Report": "scorer",
    "Scorer": "scorer",
    "check_saturations": "scorer",
}

_EXTRA = ("skimage", "torchmetrics")

__all__ = ["ColourPhoto", "Encoder", "Pair", "Report", "Scorer", "check_saturations"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise SettingsError(
            f"scoring needs {error.name}: pip install 'photochrom[score]'"
        ) from error
