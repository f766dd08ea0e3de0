"""The generators this release knows by name, and how to tell whose weights some tensors are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.echo import ECHO_SHA256

POCKET_SHA256 = "efccdb8518228ad28d39bd3044ebe634cac4a164879902bbba166ac0277b0512"
POCKET_BYTES = 7849448


SHIPPED = "ships with Photochrom"
DEOLDIFY = "DeOldify's README at github.com/jantic/DeOldify, under pretrained weights"
LAYOUTS: Mapping[str, Mapping[str, tuple[int, ...]]] = {  # told apart by a few shapes
    "artistic": {
        "layers.0.4.0.conv1.weight": (64, 64, 3, 3),  # a ResNet-34's first block
        "layers.10.layers.0.0.weight_orig": (303, 303, 3, 3),
    },
    "stable": {
        "layers.0.4.0.conv1.weight": (64, 64, 1, 1),  # a ResNet-101's
        "layers.10.layers.0.0.weight_orig": (259, 259, 3, 3),
    },
    "critic": {"0.0.weight_orig": (256, 3, 4, 4), "12.0.weight_orig": (1, 2048, 4, 4)},
    "pocket": {"context.weight": (320, 320, 1, 1), "chroma.weight": (2, 48, 3, 3)},
}


class Shaped(Protocol):
    """A tensor, as far as its shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sides."""


@dataclass(frozen=True)
class KnownModel:
    """One generator that can be loaded by name; `embedded` is its file in this package, if any.

    `bytes` is about the size of its weights, 0 if it needs none; `publisher` says where they are to
    be had. `sha256` is pinned where there is one official file at hand. Models of one `layout` have
    the same names and shapes. `render_size` is the square it sees when nobody says otherwise,
    `precision` what it computes in.
    """

    name: str
    family: str
    bytes: int
    licence: str
    sha256: str | None
    embedded: Path | None = None
    render_size: int = 256
    precision: str = "float32"
    layout: str = ""
    publisher: str = SHIPPED


def known_models() -> tuple[KnownModel, ...]:
    """Return every generator this release can load by name."""
    models = Path(str(files("photochrom.colorize.models")))
    return (
        KnownModel(
            *("pocket", "pocket", POCKET_BYTES, "Apache-2.0", POCKET_SHA256),
            embedded=models / "pocket.safetensors",
            layout="pocket",
        ),
        _deoldify("artistic", "artistic", 255_000_000, 560),
        _deoldify("stable", "stable", 874_000_000, 560),
        _deoldify("video", "stable", 874_000_000, 336),
        KnownModel("echo", "echo", 0, "Apache-2.0", ECHO_SHA256),
    )


def _deoldify(name: str, layout: str, size: int, render_size: int) -> KnownModel:
    """Return one of DeOldify's generators; its render size is their render factor times 16."""
    return KnownModel(
        *(name, "deoldify", size, "MIT", None),
        render_size=render_size,
        precision="bfloat16",
        layout=layout,
        publisher=DEOLDIFY,
    )


def find_model(name: str) -> KnownModel:
    """Return the known model of that name."""
    models = {model.name: model for model in known_models()}
    if name not in models:
        raise ModelError(f"no model is called {name!r}; known are {', '.join(models)}")
    return models[name]


def layout_of(tensors: Mapping[str, Shaped]) -> str | None:
    """Return the layout that tensors look like by a few of their shapes, or None."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for layout, signs in LAYOUTS.items():
        if all(shapes.get(name) == shape for name, shape in signs.items()):
            return layout
    return None
