"""Training squares: cut from photographs, and altered as much as a recipe asks for.

A square is both the truth and, greyed, what the generator sees; so both are altered alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.training.settings import Settings

DARK = 28  # of 255: the mean of a slide's border is below
EVEN = 22  # and its spread


def _ordered(sides: tuple[float, float]) -> tuple[float, float]:
    if not 0 < sides[0] <= sides[1] <= 1:
        raise ValueError("must be the least and the most, above 0 and at most 1")
    return sides


Sides = Annotated[tuple[float, float], AfterValidator(_ordered)]
Chance = Annotated[float, Field(ge=0, le=1)]


class Crop(Settings):
    """How a training square is cut from a photograph; whole photos are stretched, as in use."""

    whole: Chance = Field(0.45, description="chance that nearly the whole photo is stretched")
    whole_side: Sides = Field((0.8, 1.0), description="least and most of each side, if so")
    part_side: Sides = Field((0.55, 1.0), description="else of the shorter side")
    ratio: float = Field(0.2, ge=0, description="spread of the log of such a part's aspect ratio")
    flip: Chance = Field(0.5, description="chance of its mirror image")


class Augment(Settings):
    """What is done to squares beyond cutting; the defaults do nothing.

    The ranges are those of the library in which DeOldify was trained: rotation 10, zoom 1.2,
    warp 0.25 and lighting 0.5 are its recipes.
    """

    rotation: float = Field(0.0, ge=0, le=180, description="degrees, at most, either way")
    rotation_chance: Chance = Field(0.75, description="of a rotation")
    zoom: float = Field(1.0, ge=1, description="into a part of the square, at most")
    zoom_chance: Chance = Field(0.75, description="of a zoom")
    warp: float = Field(0.0, ge=0, lt=1, description="of perspective: corners move so far at most")
    warp_chance: Chance = Field(0.75, description="of a warp")
    lighting: float = Field(0.0, ge=0, lt=1, description="of brightness and of contrast")
    lighting_chance: Chance = Field(0.75, description="of brightness, and of contrast")


def trim(photo: Tensor) -> Tensor:
    """Cut off the thin dark borders of a scanned slide (h, w, 3), at most an eighth a side."""
    grey = photo.numpy()
    turned = grey.transpose(1, 0, 2)
    top, bottom = _border(grey), _border(grey[::-1])
    left, right = _border(turned), _border(turned[::-1])
    height, width = photo.shape[:2]
    return photo[top : height - bottom, left : width - right].contiguous()


def _border(lines: NDArray[np.uint8]) -> int:
    """Count the dark, even lines at the start, and one more: the last is often half dark."""
    most = len(lines) // 8
    for count in range(most):
        line = lines[count].mean(1)
        if line.mean() >= DARK or line.std() >= EVEN:
            return count + 1 if count else 0
    return most + 1 if most else 0


def stretch(photo: Tensor, size: int) -> Tensor:
    """Return a photo (h, w, 3) uint8 stretched to a square (3, size, size) in 0..1."""
    return _scaled(photo, size, size)


def _scaled(photo: Tensor, high: int, wide: int) -> Tensor:
    planes = photo.permute(2, 0, 1)[None].float()
    scaled = F.interpolate(planes, (high, wide), mode="bilinear", antialias=True)
    return (scaled[0] / 255).clamp(0, 1)  # (3, high, wide)


def cut(
    photo: Tensor, crop: Crop, augment: Augment, size: int, random: np.random.Generator
) -> Tensor:
    """Return a random square (3, size, size) in 0..1 of a photo (h, w, 3) uint8."""
    height, width = photo.shape[:2]
    if random.random() < crop.whole:
        high = round(height * random.uniform(*crop.whole_side))
        wide = round(width * random.uniform(*crop.whole_side))
    else:
        side = min(height, width) * random.uniform(*crop.part_side)
        ratio = np.exp(random.normal() * crop.ratio / 2)
        high, wide = min(height, round(side / ratio)), min(width, round(side * ratio))
    high, wide = max(1, high), max(1, wide)
    top = int(random.integers(height - high + 1))
    left = int(random.integers(width - wide + 1))
    flipped = random.random() < crop.flip
    view = _view(augment, random)
    if view is None:
        square = stretch(photo[top : top + high, left : left + wide], size)
    else:
        square = _seen(photo, (top, left, high, wide), view, size)
    square = square.flip(2) if flipped else square
    return _lit(square, augment, random)


def cut_all(
    photos: Sequence[Tensor],
    crop: Crop,
    augment: Augment,
    size: int,
    random: np.random.Generator,
) -> Tensor:
    """Return a square of each photo (n, 3, size, size), in their order."""
    return torch.stack([cut(photo, crop, augment, size, random) for photo in photos])


# --- geometry --------------------------------------------------------------------------------


def _view(augment: Augment, random: np.random.Generator) -> NDArray[np.float64] | None:
    """Draw a homography from the square's coordinates in -1..1 to where it looks; None: itself."""
    views = []
    if augment.warp and random.random() < augment.warp_chance:
        views.append(_warp(random.uniform(-augment.warp, augment.warp, 4)))
    if augment.zoom > 1 and random.random() < augment.zoom_chance:
        part = 1 / random.uniform(1, augment.zoom)
        x, y = (1 - part) * random.uniform(-1, 1, 2)
        views.append(np.array([[part, 0, x], [0, part, y], [0, 0, 1]]))
    if augment.rotation and random.random() < augment.rotation_chance:
        angle = math.radians(random.uniform(-augment.rotation, augment.rotation))
        sine, cosine = math.sin(angle), math.cos(angle)
        views.append(np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]))
    if not views:
        return None
    view = np.eye(3)
    for each in views:
        view = each @ view
    return view


def _warp(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the homography that takes a square's corners, moved outwards by pairs, back."""
    a, b, c, d = moves
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float64)
    moved = np.array([[-1 - d, -1 - b], [-1 - c, 1 + b], [1 + d, -1 - a], [1 + c, 1 + a]])
    rows, answers = [], []
    for (x, y), (u, v) in zip(moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        answers += [u, v]
    return np.append(np.linalg.solve(rows, answers), 1.0).reshape(3, 3)


def _seen(
    photo: Tensor, part: tuple[int, int, int, int], view: NDArray[np.float64], size: int
) -> Tensor:
    """Sample a square of a photo once; beyond the photo's edges lies its reflection.

    The photo is first scaled as the part's stretching asks for, so that nothing aliases.
    """
    top, left, high, wide = part
    height, width = photo.shape[:2]
    scaled = _scaled(photo, round(height * size / high), round(width * size / wide))
    centre = np.array([(2 * left + wide) / width - 1, (2 * top + high) / height - 1])
    half = np.array([wide / width, high / height])
    placed = np.array([[half[0], 0, centre[0]], [0, half[1], centre[1]], [0, 0, 1]]) @ view
    middle = (np.arange(size) * 2 + 1) / size - 1
    x, y = np.meshgrid(middle, middle)
    seen = placed @ np.stack([x.ravel(), y.ravel(), np.ones(size * size)])
    grid = torch.from_numpy((seen[:2] / seen[2]).T.reshape(1, size, size, 2)).float()
    sampled = F.grid_sample(scaled[None], grid, "bilinear", "reflection", align_corners=False)
    return sampled[0].clamp(0, 1)


# --- light -----------------------------------------------------------------------------------


def _lit(square: Tensor, augment: Augment, random: np.random.Generator) -> Tensor:
    """Change brightness and contrast, as sums and factors of the logits."""
    most = augment.lighting
    if not most:
        return square
    shift, factor = 0.0, 1.0
    if random.random() < augment.lighting_chance:
        change = random.uniform(0.5 * (1 - most), 0.5 * (1 + most))
        shift = math.log(change / (1 - change))
    if random.random() < augment.lighting_chance:
        factor = math.exp(random.uniform(math.log(1 - most), -math.log(1 - most)))
    if shift == 0 and factor == 1:
        return square
    return torch.sigmoid((torch.logit(square, 1e-7) + shift) * factor)
