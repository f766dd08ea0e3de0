"""DeOldify's own way with a picture, step by step, for those who compare.

Photochrom takes only the colour of a raw answer, and lays it on luma that never moves; the original
makes an 8-bit picture of it, rounding down, and swaps its luma in 8-bit YUV, which moves it.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from photochrom.colorize.generator.deoldify import denormalise, normalise


def model_input(picture: Image.Image, side: int) -> Tensor:
    """Return what the network sees of a picture: (1, 3, side, side), normalised as ImageNet's.

    The picture is stretched to a square in colour and made grey afterwards; the other order rounds
    differently. `side` is 16 times the original's render factor.
    """
    square = picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    grey = np.array(square.convert("L"), np.float32)
    return normalise(torch.from_numpy(grey)[None, None])


def raw_colour(raw: Tensor, width: int, height: int) -> Image.Image:
    """Return a raw answer (1, 3, s, s) as the picture that the original calls raw colour."""
    values = (denormalise(raw)[0] * 255).to(torch.uint8).permute(1, 2, 0)  # (s, s, 3)
    square = Image.fromarray(values.cpu().numpy())
    return square.resize((width, height), Image.Resampling.BILINEAR)
