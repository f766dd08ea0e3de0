"""The generators as they are taught: one way to ask each family for a picture.

A batch holds squares and their grey; an answer is a picture normalised as ImageNet's, whatever the
family, so that feature loss and critic see them all alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.blocks import PixelShuffle
from photochrom.colorize.generator.colour import lab_to_rgb, rgb_to_lab
from photochrom.colorize.generator.deoldify import DeOldify, normalise, standardise
from photochrom.colorize.generator.pocket import WIDTHS, PocketNetwork


@dataclass(frozen=True)
class Batch:
    """Squares in sRGB 0..1 (n, 3, s, s) and the grey (n, 1, s, s) that some old camera saw."""

    rgb: Tensor
    grey: Tensor

    @property
    def picture(self) -> Tensor:
        """The truth, normalised as ImageNet's pictures are."""
        return standardise(self.rgb)


class Answer(NamedTuple):
    """What a generator said; `ab` (n, 2, s/2, s/2) and `logits` (n, q, s/4, s/4) are pocket's."""

    picture: Tensor
    ab: Tensor | None = None
    logits: Tensor | None = None


class Trainable(nn.Module):
    """A generator in training; `network` is what will paint."""

    network: nn.Module

    def forward(self, grey: Tensor, rgb: Tensor) -> Answer:
        """Return the answer to grey (n, 1, s, s) in 0..1; rgb lends pocket its lightness."""
        raise NotImplementedError

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters that may learn, from the first layers to the last."""
        raise NotImplementedError

    def hold(self, frozen: bool) -> None:
        """Let the last group learn alone, or all of them; norms in held layers learn on."""
        *first, last = self.groups()
        norms = {id(p) for norm in self._norms() for p in norm.parameters()}
        self.requires_grad_(False)
        for parameter in last:
            parameter.requires_grad_(True)
        for parameter in (p for group in first for p in group):
            parameter.requires_grad_(not frozen or id(parameter) in norms)

    def _norms(self) -> list[nn.Module]:
        return [part for part in self.modules() if isinstance(part, nn.BatchNorm2d)]


class TrainablePocket(Trainable):
    """Pocket, with the head that names colour classes; its encoder keeps ImageNet's statistics."""

    def __init__(self, classes: int, *, held_blocks: int, filters_learn: bool) -> None:
        super().__init__()
        self.network: PocketNetwork = PocketNetwork()
        self.head = nn.Conv2d(WIDTHS[2], classes, 1) if classes else None
        self.network.encoder.freeze(held_blocks, filters_learn=filters_learn)
        self._may_learn = [p for p in self.network.encoder.parameters() if p.requires_grad]

    def forward(self, grey: Tensor, rgb: Tensor) -> Answer:
        """Return a picture with the true lightness, so that its colour alone is judged."""
        ab, quarter = self.network.look(grey * 255)
        logits = None if self.head is None else self.head(quarter)
        with torch.autocast(rgb.device.type, enabled=False):
            ab = ab.float()
            full = F.interpolate(ab, rgb.shape[-2:], mode="bilinear", align_corners=False)
            lightness = rgb_to_lab(rgb)[:, :1]
            picture = standardise(lab_to_rgb(torch.cat([lightness, full], 1)))
        return Answer(picture, ab, logits)

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the encoder's later blocks, and all that comes after."""
        fresh = [p for n, p in self.network.named_parameters() if not n.startswith("encoder.")]
        return [self._may_learn, fresh + ([] if self.head is None else [*self.head.parameters()])]

    def _norms(self) -> list[nn.Module]:
        return []

    def train(self, mode: bool = True) -> TrainablePocket:
        """Train, but keep the encoder's statistics of ImageNet."""
        super().train(mode)
        self.network.encoder.eval()
        return self


class TrainableDeOldify(Trainable):
    """Artistic, stable or video: the whole picture is learned, lightness too."""

    def __init__(self, network: DeOldify) -> None:
        super().__init__()
        self.network: DeOldify = network
        for part in network.modules():
            if isinstance(part, PixelShuffle):
                _without_checkerboard(part)

    def forward(self, grey: Tensor, rgb: Tensor) -> Answer:
        """Return the network's own picture."""
        return Answer(self.network(normalise(grey * 255)))

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the encoder's first half, its second, and the decoder: as fastai splits them."""
        encoder, *decoder = self.network.layers
        children = list(encoder)  # type: ignore[call-overload]
        return [
            [p for part in parts for p in part.parameters()]
            for parts in (children[:6], children[6:], decoder)
        ]


def _without_checkerboard(shuffle: PixelShuffle) -> None:
    """Start the four pixels of each channel alike (ICNR: Aitken et al., 2017)."""
    conv = shuffle.conv[0]
    with torch.no_grad():
        for name in ("weight_orig", "weight_v", "weight_g"):
            weight = conv._parameters.get(name)
            if weight is not None:
                weight.copy_(weight[: len(weight) // 4].repeat_interleave(4, 0))
