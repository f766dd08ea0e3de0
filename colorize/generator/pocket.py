"""Pocket: the small network that ships with the product.

An EfficientNet-Lite0 encoder and a U-Net decoder that doubles resolution by pixel shuffle. It sees
a grey square and answers with CIELAB chroma at half the square's side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator.lite0 import TAP_WIDTHS, ConvNorm, Lite0

WIDTHS = (128, 96, 64, 48)
STRIDE = 32  # a square's side must be a multiple of this
AB_SCALE = 50.0  # keeps the head's outputs near one


class Rise(nn.Module):
    """Double the resolution and join the encoder's features of that size."""

    def __init__(self, channels: int, skip: int, out: int) -> None:
        super().__init__()
        self.rise = nn.Conv2d(channels, 4 * out, 1)
        self.skip_norm = nn.BatchNorm2d(skip)
        self.join = nn.Conv2d(out + skip, out, 3, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out)
        with torch.no_grad():  # ICNR: start without a checkerboard
            self.rise.weight.copy_(self.rise.weight[:out].repeat_interleave(4, 0))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return features twice as large as x (n, c, h, w)."""
        risen = F.relu(F.pixel_shuffle(self.rise(x), 2))
        joined = torch.cat([risen, self.skip_norm(skip)], 1)
        return F.relu(self.norm(self.join(joined)))

    def fuse(self) -> None:
        """Fold the normalisation after the join into it (inference only)."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.join = torch.nn.utils.fuse_conv_bn_eval(self.join, self.norm)
            self.norm = nn.Identity()


class PocketNetwork(nn.Module):
    """Grey squares in, CIELAB a and b at half the side out."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth, deepest = TAP_WIDTHS
        self.encoder = Lite0()
        self.context = nn.Conv2d(deepest, deepest, 1)
        self.rises = nn.ModuleList(
            [
                Rise(deepest, sixteenth, WIDTHS[0]),
                Rise(WIDTHS[0], eighth, WIDTHS[1]),
                Rise(WIDTHS[1], quarter, WIDTHS[2]),
                Rise(WIDTHS[2], half, WIDTHS[3]),
            ]
        )
        self.chroma = nn.Conv2d(WIDTHS[3], 2, 3, padding=1)
        nn.init.normal_(self.chroma.weight, 0.0, 1e-3)
        nn.init.zeros_(self.chroma.bias)  # type: ignore[arg-type]

    def forward(self, grey: Tensor) -> Tensor:
        """Return ab (n, 2, s/2, s/2) for grey (n, 1, s, s) in 0..255, s a multiple of STRIDE."""
        return self.look(grey)[0]

    def look(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Return ab and the decoder's features at a quarter of the side (training reads both)."""
        taps = self.encoder(((grey - 127) / 128).expand(-1, 3, -1, -1))
        x = taps.pop()
        x = x + F.relu(self.context(x.mean((2, 3), keepdim=True)))
        quarter = x
        for rise in self.rises:
            quarter, x = x, rise(x, taps.pop())
        return self.chroma(x) * AB_SCALE, quarter  # (n, 2, s/2, s/2), (n, 64, s/4, s/4)


def fuse(network: nn.Module) -> nn.Module:
    """Fold every normalisation that follows a convolution into it: same answers, less work."""
    for part in list(network.modules()):
        if isinstance(part, ConvNorm | Rise):
            part.fuse()
    return network
