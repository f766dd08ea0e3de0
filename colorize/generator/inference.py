"""DeOldify's network rebuilt for painting: the same answers with less work.

Spectral and weight norms are baked into the weights. A normalisation is folded into the convolution
before it, or into a 1x1 convolution after it; it stays where zeros are padded after it, on skips
and before attention. On CPUs convolutions become matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.generator import winograd
from photochrom.colorize.generator.blocks import (
    Convolution,
    PixelShuffle,
    Residual,
    SelfAttention,
    UnetBlock,
    WeightNormConv,
)
from photochrom.colorize.generator.deoldify import DeOldify, Join
from photochrom.colorize.generator.filters import EIGHT, Filter, MatrixConv, PlainConv
from photochrom.colorize.generator.resnet import BasicBlock, Bottleneck, Encoder
from photochrom.colorize.generator.rise import Rise

ROWS = 256  # of a weight, taken into float64 together

Build = Callable[[Filter], nn.Module]


class Line(NamedTuple):
    """y = slope x + offset for each channel (c,)."""

    slope: Tensor
    offset: Tensor

    def filled(self, channels: int) -> Line:
        """Return the line for so many channels, the new ones zero."""
        more = (0, channels - len(self.slope))
        return Line(F.pad(self.slope, more), F.pad(self.offset, more))


class Affine(nn.Module):
    """What is left of a normalisation that cannot be folded away."""

    slope: Tensor
    offset: Tensor

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.register_buffer("slope", line.slope.view(1, -1, 1, 1))
        self.register_buffer("offset", line.offset.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return each channel of x (n, c, h, w) on its line."""
        return torch.addcmul(self.offset, x, self.slope)


class Shortcut(nn.Module):
    """A ResNet's block of either kind: its convolutions, the shortcut, the rectifier."""

    def __init__(self, convs: list[nn.Module], shortcut: nn.Module) -> None:
        super().__init__()
        self.convs = nn.Sequential(*convs)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, k, h / stride, w / stride) of x (n, c, h, w)."""
        y: Tensor = self.convs(x)
        y += self.shortcut(x)
        return y.relu_()


def inference_form(network: DeOldify, dtype: torch.dtype, device: torch.device) -> DeOldify:
    """Rebuild a network, in place, for painting in a precision on a device.

    It takes and needs input in that precision, answers in float32, and cannot be trained again.
    """
    many, few, channels = _builders(dtype, device)
    encoder, norm, _, middle, *blocks, shuffle, _, residual, colour = network.layers
    assert isinstance(encoder, Encoder)
    assert isinstance(middle, nn.Sequential)
    _rebuild_encoder(encoder, many, few)
    network.layers[1] = Affine(line_of(norm))
    first, _ = _convolution(middle[0], few, hand_on=False)
    second, line = _convolution(middle[1], few)
    network.layers[3] = nn.Sequential(first, second)
    for block in blocks:
        line = _rebuild_block(block, many, line)
    network.layers[8] = _rise(shuffle, many, line)
    network.layers[9] = Join(channels)
    network.layers[10] = _residual(residual, many)
    network.layers[11] = many(filter_of(colour[0]))  # type: ignore[index]
    return network.requires_grad_(False).to(device, dtype)


def _builders(dtype: torch.dtype, device: torch.device) -> tuple[Build, Build, int]:
    """Return what builds convolutions for many pixels, and for the few at a 32nd of the side.

    The third is how many channels they like to take together.
    """

    def plain(filter: Filter) -> nn.Module:
        return PlainConv(filter, dtype)

    def product(filter: Filter) -> nn.Module:
        return MatrixConv(filter, dtype)

    def tiled(filter: Filter) -> nn.Module:
        return winograd.TiledConv(filter, dtype) if winograd.suits(filter) else product(filter)

    return (tiled, product, 1) if device.type == "cpu" else (plain, plain, EIGHT)


def weight_of(conv: nn.Module) -> Tensor:
    """Return the weight that a convolution uses when evaluated."""
    if not hasattr(conv, "weight_orig"):
        assert isinstance(conv, WeightNormConv | nn.Conv2d)
        return conv.weight.detach()
    weight = conv.get_parameter("weight_orig").detach()
    u, v = conv.get_buffer("weight_u").double(), conv.get_buffer("weight_v").double()
    rows = torch.cat([part.double() @ v for part in torch.split(weight.flatten(1), ROWS)])
    return weight / torch.dot(u, rows).float()


def line_of(norm: nn.Module) -> Line:
    """Return what a batch normalisation does when evaluated."""
    assert isinstance(norm, nn.BatchNorm2d)
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    slope = norm.weight.detach() / torch.sqrt(variance + norm.eps)
    return Line(slope, norm.bias.detach() - mean * slope)


def filter_of(
    conv: nn.Module,
    *,
    before: Line | None = None,
    after: Line | None = None,
    rectified: bool = False,
) -> Filter:
    """Return a convolution's numbers with the lines before (1x1 only) and after it folded in."""
    weight = weight_of(conv)
    given = getattr(conv, "bias", None)
    bias = weight.new_zeros(len(weight)) if given is None else given.detach()
    if before is not None:
        bias = bias + weight[:, :, 0, 0] @ before.offset
        weight = weight * before.slope.view(1, -1, 1, 1)
    if after is not None:
        weight = weight * after.slope.view(-1, 1, 1, 1)
        bias = bias * after.slope + after.offset
    stride = conv.stride[0] if isinstance(conv, nn.Conv2d) else 1
    return Filter(weight, bias, stride, rectified)


def _rebuild_encoder(encoder: Encoder, many: Build, few: Build) -> None:
    stages = encoder.stages
    encoder[0] = many(filter_of(encoder[0], after=line_of(encoder[1]), rectified=True))
    encoder[1] = encoder[2] = nn.Identity()
    for stage in stages:
        build = few if stage is stages[-1] else many
        for index, block in enumerate(stage):
            stage[index] = _shortcut(block, build)


def _shortcut(block: nn.Module, build: Build) -> Shortcut:
    assert isinstance(block, BasicBlock | Bottleneck)
    pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
    if isinstance(block, Bottleneck):
        pairs.append((block.conv3, block.bn3))
    *firsts, (last, norm) = pairs
    convs = [build(filter_of(c, after=line_of(n), rectified=True)) for c, n in firsts]
    convs.append(build(filter_of(last, after=line_of(norm))))
    if block.downsample is None:
        return Shortcut(convs, nn.Identity())
    fit, fit_norm = block.downsample
    return Shortcut(convs, build(filter_of(fit, after=line_of(fit_norm))))


def _convolution(
    part: nn.Module, build: Build, *, hand_on: bool = True
) -> tuple[nn.Module, Line | None]:
    """Rebuild a Convolution; its line is handed on to the 1x1 that follows, if one may."""
    assert isinstance(part, Convolution)
    plain, _, norm, *attention = list(part)
    conv = build(filter_of(plain, rectified=True))
    assert isinstance(conv.bias, Tensor)
    if attention:
        return nn.Sequential(conv, Affine(line_of(norm)), _attention(attention[0])), None
    if hand_on:
        return conv, line_of(norm)
    return nn.Sequential(conv, Affine(line_of(norm).filled(len(conv.bias)))), None


def _attention(part: nn.Module) -> SelfAttention:
    assert isinstance(part, SelfAttention)
    for name in ("query", "key", "value"):
        weight = weight_of(getattr(part, name))
        plain = nn.Conv1d(weight.shape[1], weight.shape[0], 1, bias=False)
        plain.weight = nn.Parameter(weight)
        setattr(part, name, plain)
    return part


def _rebuild_block(block: nn.Module, build: Build, before: Line | None) -> Line | None:
    """Rebuild a block, and return the line that its last convolution hands on."""
    assert isinstance(block, UnetBlock)
    block.shuf = _rise(block.shuf, build, before)
    block.bn = Affine(line_of(block.bn))
    line = None
    for name in block.names:
        part = block.get_submodule(name)
        made, line = _convolution(part, build, hand_on=name == block.names[-1])
        setattr(block, name, made)
    return line


def _rise(part: nn.Module, build: Build, before: Line | None) -> Rise:
    """Rebuild a PixelShuffle, its channels ordered so that whole pixels can be copied."""
    assert isinstance(part, PixelShuffle)
    norm = part.conv[1]
    after = line_of(norm) if isinstance(norm, nn.BatchNorm2d) else None
    filter = filter_of(part.conv[0], before=before, after=after)
    order = torch.arange(len(filter.bias)).view(-1, 4).t()  # (4, out)
    weight, bias = filter.weight[order.flatten()] / 4, filter.bias[order.flatten()] / 4
    return Rise(build(Filter(weight, bias, rectified=True)), order.shape[1])


def _residual(part: nn.Module, build: Build) -> Residual:
    assert isinstance(part, Residual)
    part.layers = nn.Sequential(
        *(build(filter_of(layer[0], rectified=True)) for layer in part.layers)  # type: ignore[index]
    )
    return part
