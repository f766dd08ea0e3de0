"""From colour to the grey that old emulsions, time and scanners would have made of it."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.generator.colour import LUMA
from photochrom.colorize.training import wear
from photochrom.colorize.training.settings import Settings
from photochrom.colorize.training.wear import Chances


def _positive(shape: tuple[float, float, float]) -> tuple[float, float, float]:
    if min(shape) <= 0:
        raise ValueError("each must be above 0")
    return shape


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] <= pair[1]:
        raise ValueError("must be the least and the most, above 0")
    return pair


Chance = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Shape = Annotated[tuple[float, float, float], AfterValidator(_positive)]


class Degrade(Settings):
    """How often and how strongly a grey training square is altered; lengths are its pixels."""

    emulsion: Chance = Field(0.4, description="chance of a film that sees colours otherwise")
    emulsion_shape: Shape = Field(
        (3.0, 6.0, 2.0), description="Dirichlet's, of its response to red, green and blue"
    )
    uneven: Chance = Field(0.0, description="chance of light that falls off to a side or the rim")
    uneven_strength: Chance = Field(0.5, description="of the light that is missing, at most")
    tone: Chance = Field(0.5, description="chance of another gamma, contrast and brightness")
    gamma: float = Field(0.2, ge=0, description="spread of its log")
    contrast: float = Field(0.1, ge=0, description="spread around 1")
    brightness: float = Field(0.03, ge=0, description="spread around 0, of 1")
    fade: Chance = Field(0.0, description="chance that blacks have risen and whites sunk")
    fade_strength: float = Field(0.3, ge=0, lt=0.5, description="of each, at most, of 1")
    soft: Chance = Field(0.2, description="chance of a mean over 3 by 3 pixels")
    blur: Chance = Field(0.0, description="chance of a Gaussian blur")
    blur_radius: Range = Field((0.5, 2.5), description="its least and greatest sigma")
    grain: Chance = Field(0.35, description="chance of grain")
    grain_strength: float = Field(0.035, ge=0, description="its greatest sigma, of 1")
    scratches: Chance = Field(0.0, description="chance of thin bright or dark lines")
    scratches_most: int = Field(4, ge=1, le=32, description="lines in one square, at most")
    dust: Chance = Field(0.0, description="chance of bright and dark specks")
    dust_most: int = Field(40, ge=1, description="specks in one square, at most")
    blocks: Chance = Field(0.0, description="chance of JPEG's blocks of 8 by 8 pixels")
    blocks_quality: Range = Field((10.0, 50.0), description="JPEG's least and greatest quality")
    speckle: Chance = Field(0.0, description="chance of the video recipe's noise; not clipped")
    speckle_share: Range = Field((0.001, 0.4), description="least and greatest, of the pixels")
    speckle_strength: int = Field(30, ge=1, le=255, description="at most, either way, of 255")


def luma(rgb: Tensor) -> Tensor:
    """Return the BT.601 luma (n, 1, h, w) of rgb (n, 3, h, w)."""
    return torch.einsum("c,nchw->nhw", torch.tensor(LUMA).to(rgb), rgb)[:, None]


def age(rgb: Tensor, degrade: Degrade, random: torch.Generator) -> Tensor:
    """Return grey (n, 1, h, w) as some emulsion, exposure, time and scanner give it.

    It is in 0..1, but for `speckle`, which the recipe it comes from does not clip either. What
    has no chance draws no numbers, so adding a kind of wear changes no recipe without it.
    """
    draw = Chances(len(rgb), random, rgb)
    grey = _exposed(rgb, degrade, draw)
    grey = _kept(grey, degrade, draw)
    grey = _grained(grey, degrade, draw)
    return _scanned(grey, degrade, draw)


def _exposed(rgb: Tensor, degrade: Degrade, draw: Chances) -> Tensor:
    """Return what the film recorded."""
    shape = torch.tensor(degrade.emulsion_shape).expand(len(rgb), 3)
    response = torch._standard_gamma(shape, generator=draw.random)  # normalised: a Dirichlet draw
    response = (response / response.sum(1, keepdim=True)).to(rgb)
    emulsion = (response[:, :, None, None] * rgb).sum(1, keepdim=True)
    grey = torch.where(draw.chance(degrade.emulsion), emulsion, luma(rgb))
    if degrade.uneven:
        darker = wear.uneven(grey, degrade.uneven_strength, draw)
        grey = torch.where(draw.chance(degrade.uneven), darker, grey)
    return grey


def _kept(grey: Tensor, degrade: Degrade, draw: Chances) -> Tensor:
    """Return what printing and time made of it."""
    curve = grey.clamp_min(1e-4) ** torch.exp(draw.normal(degrade.gamma))
    curve = (curve - 0.5) * (1 + draw.normal(degrade.contrast)) + 0.5
    curve = curve + draw.normal(degrade.brightness)
    grey = torch.where(draw.chance(degrade.tone), curve.clamp(0, 1), grey)
    if degrade.fade:
        black = draw.uniform(0, degrade.fade_strength)
        white = 1 - draw.uniform(0, degrade.fade_strength)
        grey = torch.where(draw.chance(degrade.fade), black + grey * (white - black), grey)
    blurred = F.avg_pool2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3, 1)
    grey = torch.where(draw.chance(degrade.soft), blurred, grey)
    if degrade.blur:
        sigma = draw.uniform(*degrade.blur_radius)
        reach = math.ceil(2.5 * degrade.blur_radius[1])
        grey = torch.where(draw.chance(degrade.blur), wear.blurred(grey, sigma, reach), grey)
    return grey


def _grained(grey: Tensor, degrade: Degrade, draw: Chances) -> Tensor:
    strength = degrade.grain_strength * draw.uniform(0, 1)
    noise = torch.randn(grey.shape, generator=draw.random).to(grey) * strength
    return torch.where(draw.chance(degrade.grain), (grey + noise).clamp(0, 1), grey)


def _scanned(grey: Tensor, degrade: Degrade, draw: Chances) -> Tensor:
    """Return what lay on the glass and what the file lost."""
    if degrade.scratches:
        worn = wear.scratched(grey, degrade.scratches_most, draw)
        grey = torch.where(draw.chance(degrade.scratches), worn, grey)
    if degrade.dust:
        worn = wear.dusty(grey, degrade.dust_most, draw)
        grey = torch.where(draw.chance(degrade.dust), worn, grey)
    if degrade.blocks:
        worn = wear.blocky(grey, draw.uniform(*degrade.blocks_quality))
        grey = torch.where(draw.chance(degrade.blocks), worn, grey)
    if degrade.speckle:
        worn = wear.speckled(grey, degrade.speckle_share, degrade.speckle_strength, draw)
        grey = torch.where(draw.chance(degrade.speckle), worn, grey)
    return grey
