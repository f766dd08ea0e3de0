"""The generators this release knows by name, with the digests it pins."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.echo import ECHO_SHA256

POCKET_SHA256 = "99bcfbff5d3e8fd75168ab751257868bd1bf8e699844ddb1087876c88b2c8fdc"
POCKET_BYTES = 7849448


@dataclass(frozen=True)
class KnownModel:
    """One generator that can be loaded by name; `embedded` is its file in this package, if any."""

    name: str
    family: str
    bytes: int
    licence: str
    sha256: str
    embedded: Path | None = None


def known_models() -> tuple[KnownModel, ...]:
    """Return every generator this release can load by name."""
    models = Path(str(files("photochrom.colorize.models")))
    return (
        KnownModel(
            *("pocket", "pocket", POCKET_BYTES, "Apache-2.0", POCKET_SHA256),
            embedded=models / "pocket.safetensors",
        ),
        KnownModel("echo", "echo", 0, "Apache-2.0", ECHO_SHA256),
    )


def find_model(name: str) -> KnownModel:
    """Return the known model of that name."""
    models = {model.name: model for model in known_models()}
    if name not in models:
        raise ModelError(f"no model is called {name!r}; known are {', '.join(models)}")
    return models[name]
