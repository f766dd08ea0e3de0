"""Figures of one picture beside the truth, both (h, w, 3) uint8 sRGB; colour by scikit-image.

| figure | is |
|---|---|
| mae_ab | mean distance of a and of b, in CIELAB units (D65) |
| psnr_ab | 10 log10(255^2 / mean squared distance of a and b), dB, 100 at most |
| ciede2000 | mean colour difference; 2.3 or so can just be seen |
| colourfulness_hs, colourfulness_ddcolor | of the picture alone |
| low_chroma | whether its mean chroma is below the product's threshold for "next to no colour" |
| luma_error_mean, luma_error_max | distance of luma, in levels of 255 |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from photochrom.colorize.picture.luma import luma
from photochrom.colorize.picture.printing.plate import LOW_CHROMA

Rgb = NDArray[np.uint8]
PSNR_PEAK = 255.0
PSNR_MOST = 100.0
"""An equal picture would be infinitely far above noise, and hide all others in a mean."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one picture, or their means over several; `low_chroma` is then a rate."""

    mae_ab: float
    psnr_ab: float
    ciede2000: float
    colourfulness_hs: float
    colourfulness_ddcolor: float
    low_chroma: float
    luma_error_mean: float
    luma_error_max: float


class Truth:
    """A colour photograph that others are measured against."""

    def __init__(self, rgb: Rgb) -> None:
        self.rgb = rgb
        self._lab = rgb2lab(rgb)  # (h, w, 3)

    @cached_property
    def grey(self) -> Rgb:
        """The same photograph without colour: what predicting grey gives."""
        return np.repeat(luma(self.rgb)[..., None], 3, -1).astype(np.uint8)

    def figures(self, picture: Rgb) -> Figures:
        """Measure a picture of the same size."""
        lab = rgb2lab(picture)
        apart = lab[..., 1:] - self._lab[..., 1:]
        luma_apart = np.abs(luma(picture).astype(np.int16) - luma(self.rgb).astype(np.int16))
        return Figures(
            mae_ab=float(np.abs(apart).mean()),
            psnr_ab=_psnr(float((apart**2).mean())),
            ciede2000=float(deltaE_ciede2000(self._lab, lab).mean()),
            colourfulness_hs=colourfulness_hs(picture),
            colourfulness_ddcolor=colourfulness_ddcolor(picture),
            low_chroma=float(mean_chroma(picture) < LOW_CHROMA),
            luma_error_mean=float(luma_apart.mean()),
            luma_error_max=float(luma_apart.max()),
        )


def mean_of(several: Sequence[Figures]) -> Figures:
    """Return the mean of each figure over photographs; of the largest luma error, the largest."""
    table = {one.name: [getattr(each, one.name) for each in several] for one in fields(Figures)}
    means = {name: float(np.mean(values)) for name, values in table.items()}
    return Figures(**means | {"luma_error_max": max(table["luma_error_max"])})


def rounded(figures: Figures, digits: int = 4) -> dict[str, float]:
    """Return the figures by name, for people and JSON."""
    return {name: round(value, digits) for name, value in asdict(figures).items()}


def colourfulness_hs(rgb: Rgb) -> float:
    """Return Hasler and Suesstrunk's M3, as they define it.

    Of the signed opponents rg = R - G and yb = (R + G) / 2 - B, on channels of 0 to 255, it is
    hypot(std rg, std yb) + 0.3 hypot(mean rg, mean yb). Source: Measuring Colourfulness in Natural
    Images, Human Vision and Electronic Imaging VIII, 2003.
    """
    return _spread_and_mean(*_opponents(rgb))


def colourfulness_ddcolor(rgb: Rgb) -> float:
    """Return the variant that DDColor's code reports: M3 of the opponents without their signs.

    It takes |rg| and |yb| before their means and standard deviations. Folded at zero they spread
    less and lie further from it, so pictures of opposite hues (a red and a green half) nearly
    always score lower than by the definition; where rg and yb keep their signs both are equal.
    Scale and standard deviation (by n) are the same: channels of 0 to 255. Source:
    `basicsr/metrics/colorfulness.py` of DDColor.
    """
    red_green, yellow_blue = _opponents(rgb)
    return _spread_and_mean(np.abs(red_green), np.abs(yellow_blue))


def mean_chroma(rgb: Rgb) -> float:
    """Return the mean length of (Cb, Cr), full-range BT.601, as for a plate's `chroma_mean`."""
    red, green, blue = (rgb[..., band].astype(np.float64) for band in range(3))
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    return float(np.hypot((blue - grey) / 1.772, (red - grey) / 1.402).mean())


def _opponents(rgb: Rgb) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    red, green, blue = (rgb[..., band].astype(np.float64) for band in range(3))
    return red - green, (red + green) / 2 - blue


def _spread_and_mean(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.hypot(one.std(), other.std()) + 0.3 * np.hypot(one.mean(), other.mean()))


def _psnr(mean_square: float) -> float:
    if mean_square <= 0:
        return PSNR_MOST
    return min(PSNR_MOST, float(10 * np.log10(PSNR_PEAK**2 / mean_square)))
