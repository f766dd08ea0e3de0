"""Networks that add colour: grey squares in, chroma out.

`load_generator` gives a replica by name: `pocket` ships with the product, DeOldify's `artistic`,
`stable` and `video` take published weights, `echo` needs no network. `deoldify`, `pocket` and
`critic` hold networks as they are trained; `inference` rebuilds DeOldify's for painting.
A generator's answer is full-range BT.601 Cb and Cr with offset 128, whatever it computes inside.
Importing this wing, listing models and taking digests import no torch; loading a network does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photochrom.colorize.generator.generator import Generator, load_generator, weights_digest
    from photochrom.colorize.generator.known import KnownModel, known_models

_HOMES = {
    "Generator": "generator",
    "load_generator": "generator",
    "weights_digest": "generator",
    "KnownModel": "known",
    "known_models": "known",
}

__all__ = ["Generator", "KnownModel", "known_models", "load_generator", "weights_digest"]


def __getattr__(name: str) -> Any:
    """Import an exported name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
