"""Critics: networks that tell photographs from what a generator made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.blocks import spectral_conv
from photochrom.colorize.generator.critic import SLOPE, Critic
from photochrom.colorize.generator.weights import read_weights
from photochrom.colorize.training.features import load_features
from photochrom.colorize.training.settings import Settings

DEPTHS = (1, 2, 3, 4)  # of the encoder's five, that the heads look at: a quarter of the side and on


class CriticSettings(Settings):
    """Who tells photographs from what the generator made."""

    kind: Literal["patches", "features"] = Field(
        "patches", description="DeOldify's, or small heads on a frozen EfficientNet-Lite0"
    )
    width: int = Field(256, ge=8, description="channels of its first layer, or of each head")
    weights: str = Field("", description="a torch file to start from; empty: at random")


class FeatureCritic(nn.Module):
    """Small heads that judge the features of a frozen encoder, at four depths.

    It learns in minutes what a critic of the whole picture learns in hours. Source: Sauer et al.,
    Projected GANs Converge Faster, 2021, without their random mixing.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = load_features("lite0", "")
        self.heads = nn.ModuleList(_head(self.encoder.widths[depth], width) for depth in DEPTHS)

    def forward(self, picture: Tensor) -> Tensor:
        """Return logits (n, patches) for pictures (n, 3, s, s) normalised as ImageNet's."""
        features = self.encoder.look(picture)
        judged = [head(features[d]) for d, head in zip(DEPTHS, self.heads, strict=True)]
        return torch.cat([verdict.flatten(1) for verdict in judged], 1)


def _head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.GroupNorm(1, channels, affine=False),  # by itself: a batch's norm would tell on it
        *(spectral_conv(channels, width, 1, bias=True), nn.LeakyReLU(SLOPE)),
        *(spectral_conv(width, width, 3, bias=True), nn.LeakyReLU(SLOPE)),
        spectral_conv(width, 1, 1, bias=True),
    )


def make_critic(settings: CriticSettings) -> nn.Module:
    """Return a critic, from a torch file or at random; raises ModelError for another's file."""
    critic: nn.Module = (
        Critic(settings.width) if settings.kind == "patches" else FeatureCritic(settings.width)
    )
    if settings.weights:
        file = Path(settings.weights)
        try:
            critic.load_state_dict(dict(read_weights(file).tensors), strict=True)
        except RuntimeError as error:
            raise ModelError(f"{file} is not such a critic: {error}") from error
    return critic


def critic_loss(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """Return the mean cross entropy of calling photographs real and the made ones made."""
    verdict = critic(torch.cat([real, made])).float()
    wanted = torch.zeros_like(verdict)
    wanted[: len(real)] = 1
    return F.binary_cross_entropy_with_logits(verdict, wanted)


def fooling_loss(critic: nn.Module, made: Tensor) -> Tensor:
    """Return the cross entropy of calling what was made real: the generator's aim."""
    verdict = critic(made).float()
    return F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))
