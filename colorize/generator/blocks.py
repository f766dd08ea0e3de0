"""The parts of DeOldify's U-Net and critic, named and ordered as in its checkpoints.

Source: the DeOldify programme and the fastai 1.0 that it carries, read and run. Where its code says
one thing and does another, these parts do what it does: see PixelShuffle and SelfAttention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm

PLACES = 1024  # that look at all others together: all at once would take memory by their square


def spectral_conv(
    channels: int,
    out: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = False,
) -> nn.Conv2d:
    """Return a convolution whose weight's largest singular value is held at one.

    Without `padding` an odd kernel keeps the size.
    """
    padding = (kernel - 1) // 2 if padding is None else padding
    conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=bias)
    normed: nn.Conv2d = spectral_norm(conv)
    return normed


class Convolution(nn.Sequential):
    """Convolve, rectify, normalise, in this order, and attend where asked."""

    def __init__(self, channels: int, out: int, *, attention: bool = False) -> None:
        super().__init__(spectral_conv(channels, out), nn.ReLU(), nn.BatchNorm2d(out))
        if attention:
            self.append(SelfAttention(out))


class SelfAttention(nn.Module):
    """Let every place look at every other.

    DeOldify takes the softmax over the axis of its queries, unscaled: this is attention with the
    roles of key and query exchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.query = spectral_norm(nn.Conv1d(channels, channels // 8, 1, bias=False))
        self.key = spectral_norm(nn.Conv1d(channels, channels // 8, 1, bias=False))
        self.value = spectral_norm(nn.Conv1d(channels, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (n, c, h, w) with what each place has seen elsewhere added."""
        flat = x.flatten(2)  # (n, c, h w)
        asked, answers, told = (  # fused kernels want heads, if but one, and rows in one piece
            part(flat).transpose(1, 2)[:, None].contiguous()
            for part in (self.key, self.query, self.value)
        )  # (n, 1, h w, c / 8) twice, (n, 1, h w, c)
        seen = torch.cat(
            [
                F.scaled_dot_product_attention(part, answers, told, scale=1.0)
                for part in torch.split(asked, PLACES, 2)
            ],
            2,
        )  # (n, 1, h w, c)
        return x + self.gamma * seen[:, 0].transpose(1, 2).reshape(x.shape)


class WeightNormConv(nn.Module):
    """A 1x1 convolution whose weight is a direction and a length for each output channel.

    Source: Salimans and Kingma, Weight Normalization, 2016. Torch's own names its tensors unlike
    DeOldify's checkpoints.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        start = torch.nn.init.kaiming_uniform_(torch.empty(out, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out))
        self.weight_g = nn.Parameter(start.norm(dim=1, keepdim=True))
        self.weight_v = nn.Parameter(start)

    @property
    def weight(self) -> Tensor:
        """The weight in effect (out, c, 1, 1)."""
        length: Tensor = self.weight_v.norm(dim=1, keepdim=True)
        return self.weight_v * (self.weight_g / length)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (n, c, h, w)."""
        return F.conv2d(x, self.weight, self.bias)


class PixelShuffle(nn.Module):
    """Double the resolution: four times the channels, laid out as pixels, and blurred.

    DeOldify means not to blur after the last one, but its flag is overwritten by the blur itself.
    """

    def __init__(self, channels: int, out: int, *, last: bool = False) -> None:
        super().__init__()
        if last:
            self.conv = nn.Sequential(WeightNormConv(channels, 4 * out), nn.ReLU())
        else:
            conv = spectral_conv(channels, 4 * out, 1)
            self.conv = nn.Sequential(conv, nn.BatchNorm2d(4 * out), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, out, 2 h, 2 w) of x (n, c, h, w)."""
        risen = F.pixel_shuffle(self.conv(x), 2)
        return F.avg_pool2d(F.pad(risen, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


class UnetBlock(nn.Module):
    """Rise to the size of a skip, join it, and convolve: twice if deep, once if wide."""

    def __init__(
        self, channels: int, skip: int, risen: int, out: int, *, deep: bool, attention: bool
    ) -> None:
        super().__init__()
        self.shuf: nn.Module = PixelShuffle(channels, risen)
        self.bn: nn.Module = nn.BatchNorm2d(skip)
        self.names = ("conv1", "conv2") if deep else ("conv",)
        channels = risen + skip
        for name in self.names:
            attend = attention and name == self.names[-1]
            self.add_module(name, Convolution(channels, out, attention=attend))
            channels = out

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return features (n, out, h, w) of x (n, c, about h / 2, about w / 2), skip (n, k, h, w).

        Where the encoder has rounded up, what has risen is a pixel larger than the skip.
        """
        risen = self.shuf(x)
        if risen.shape[-2:] != skip.shape[-2:]:
            risen = F.interpolate(risen, skip.shape[-2:], mode="nearest")
        joined = torch.cat([risen, self.bn(skip)], 1).relu_()
        for name in self.names:
            joined = self.get_submodule(name)(joined)
        return joined


class Residual(nn.Module):
    """Two rectified 3x3 convolutions, with the input added at the end."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                nn.Sequential(spectral_conv(channels, channels, bias=True), nn.ReLU())
                for _ in range(2)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of x (n, c, h, w)."""
        y: Tensor = self.layers(x)
        return y + x
