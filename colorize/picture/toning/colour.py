"""Is this photo already in colour? Toned prints and scanner noise are not colour.

A sepia or blue print has one hue that follows its lightness: the tint that each lightness has on
average is taken off first. What is left over is chroma that only a colour original has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RESIDUAL = 3.5  # Lab units: above what paper, scanner noise and JPEG leave behind
_BLUR = 9  # pixels: scanner noise has no extent, colour has
_MARGIN = 0.1  # of each side: targets, wedges, mounts and rebates lie along the edges
_SHARE = 0.05  # of what is left: a stamp in the frame is not a colour photo
_LEVELS = 16
_TINTED = 5.0  # Lab units: a scanner's cast is below
_MIDTONES = (20, 85)  # L*: black and paper say little of a toner
_HUES = (
    (25, "red"),
    (92, "brown"),
    (115, "yellow"),
    (190, "green"),
    (300, "blue"),
    (345, "purple"),
    (361, "red"),
)  # up to these degrees in the plane of a and b

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
_WHITE = np.array([0.95047, 1.0, 1.08883])


def is_colour(rgb: NDArray[np.float64]) -> bool:
    """Tell whether a sample of a picture, (h, w, 3) sRGB in [0, 1], shows real colour."""
    lab = _lab(_blurred(_middle(rgb))).reshape(-1, 3)
    residual = lab[:, 1:] - _tint(lab)
    magnitude = np.hypot(residual[:, 0], residual[:, 1])
    return bool((magnitude > _RESIDUAL).mean() > _SHARE)


def tone_name(rgb: NDArray[np.float64]) -> str:
    """Name the tint of a print that is not in colour, (h, w, 3) sRGB in [0, 1]; "" if it has none.

    The word says what is seen, not by which process it was toned, or whether it only yellowed.
    """
    lab = _lab(_blurred(_middle(rgb))).reshape(-1, 3)
    middle = lab[(lab[:, 0] > _MIDTONES[0]) & (lab[:, 0] < _MIDTONES[1])]
    if not len(middle):
        return ""
    a, b = np.median(middle[:, 1:], axis=0)
    if np.hypot(a, b) < _TINTED:
        return ""
    hue = np.degrees(np.arctan2(b, a)) % 360
    return next(name for end, name in _HUES if hue < end)


def _middle(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out the margin, but for pictures of a few pixels."""
    down, across = (int(np.ceil(side * _MARGIN)) if side > 9 else 0 for side in rgb.shape[:2])
    return rgb[down : len(rgb) - down, across : rgb.shape[1] - across]


def _blurred(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over squares of _BLUR pixels, edges repeated."""
    for axis in (0, 1):
        reach = [(_BLUR // 2, _BLUR // 2) if n == axis else (0, 0) for n in range(3)]
        padded = np.pad(rgb, reach, mode="edge")
        rgb = np.lib.stride_tricks.sliding_window_view(padded, _BLUR, axis=axis).mean(-1)
    return rgb


def _tint(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median a, b at each pixel's lightness, blended between lightness levels."""
    level = np.clip(lab[:, 0] / 100 * _LEVELS, 0, _LEVELS - 1).astype(int)
    filled = np.unique(level)
    centres = (filled + 0.5) * 100 / _LEVELS
    medians = np.array([np.median(lab[level == n, 1:], axis=0) for n in filled])
    return np.stack([np.interp(lab[:, 0], centres, medians[:, k]) for k in (0, 1)], axis=1)


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert sRGB in [0, 1] to CIELAB (D65); the last axis holds the channels."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    scaled = linear @ _TO_XYZ.T / _WHITE
    root = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
