"""Frozen ImageNet encoders whose features a picture is compared by.

Source: Johnson et al., Perceptual Losses for Real-Time Style Transfer, 2016; the depths of
VGG-16-BN are those that DeOldify's feature loss reads, before its last three poolings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.errors import ModelError, SettingsError
from photochrom.colorize.generator.deoldify import DEVIATION, MEAN
from photochrom.colorize.generator.lite0 import TAP_WIDTHS, Lite0
from photochrom.colorize.generator.weights import read_weights
from photochrom.colorize.training.encoder import find_encoder, load_encoder

EncoderName = Literal["vgg16_bn", "lite0"]
VGG_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)  # 0: pool
VGG_TAPS = (22, 32, 42)  # the rectifiers before its last three poolings
DEPTHS: dict[EncoderName, int] = {"vgg16_bn": len(VGG_TAPS), "lite0": len(TAP_WIDTHS)}


class FrozenEncoder(nn.Module):
    """An encoder that is looked through and never learns."""

    widths: tuple[int, ...]

    def look(self, picture: Tensor) -> list[Tensor]:
        """Return features, the shallow first, of (n, 3, s, s) normalised as ImageNet's."""
        raise NotImplementedError

    def still(self) -> FrozenEncoder:
        """Hold every weight and statistic as it is."""
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stay in inference form, whatever the network around does."""
        super().train(False)
        return self


class Vgg16(FrozenEncoder):
    """VGG-16 with batch normalisation, without its classifier; named as in torchvision's file."""

    widths = (256, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = 3
        for width in VGG_WIDTHS:
            if width == 0:
                self.features.append(nn.MaxPool2d(2))
                continue
            for part in (
                nn.Conv2d(channels, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ):
                self.features.append(part)
            channels = width

    def look(self, picture: Tensor) -> list[Tensor]:
        """Return the features at 1/4, 1/8 and 1/16 of the side."""
        found = []
        for number, part in enumerate(self.features):
            picture = part(picture)
            if number in VGG_TAPS:
                found.append(picture)
        return found


class LiteFeatures(FrozenEncoder):
    """EfficientNet-Lite0, which expects pictures scaled unlike most of ImageNet's networks."""

    widths = TAP_WIDTHS
    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Lite0()
        mean, deviation = (torch.tensor(row).view(1, 3, 1, 1) for row in (MEAN, DEVIATION))
        self.register_buffer("scale", deviation * 255 / 128, persistent=False)
        self.register_buffer("shift", (mean * 255 - 127) / 128, persistent=False)

    def look(self, picture: Tensor) -> list[Tensor]:
        """Return the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""
        found: list[Tensor] = self.encoder(picture * self.scale + self.shift)
        return found


def load_features(name: EncoderName, weights: str) -> FrozenEncoder:
    """Return an encoder with its weights, by default those of an installed package.

    Raises SettingsError where no file is named and none is installed, ModelError for another file.
    """
    if name == "lite0":
        lite = LiteFeatures()
        load_encoder(lite.encoder, Path(weights) if weights else find_encoder())
        return lite.still()
    if not weights:
        raise SettingsError(
            "content.encoder_weights: name the torch file of VGG-16-BN's ImageNet weights"
        )
    return _load_vgg(Path(weights)).still()


def _load_vgg(file: Path) -> Vgg16:
    ours = {k: v for k, v in read_weights(file).tensors.items() if k.startswith("features.")}
    network = Vgg16()
    try:
        network.load_state_dict(ours, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{file} is not VGG-16-BN: {error}") from error
    return network


def feature_error(
    encoder: FrozenEncoder, picture: Tensor, truth: Tensor, weights: Sequence[float]
) -> Tensor:
    """Return the weighted L1 between the features of two pictures, normalised as ImageNet's."""
    with torch.no_grad():
        wanted = encoder.look(truth)
    total = picture.new_zeros(())
    for weight, found, wish in zip(weights, encoder.look(picture), wanted, strict=True):
        if weight:
            total = total + weight * F.l1_loss(found.float(), wish.float())
    return total
