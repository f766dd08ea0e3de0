"""The pictures that are scored: read as strictly as originals, shrunk, and set side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import rgb2lab

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.generator.colour import cbcr, lab_to_rgb
from photochrom.colorize.picture import Photo, Plate
from photochrom.colorize.picture.luma import Samples, luma
from photochrom.colorize.picture.photo import file_sha256
from photochrom.colorize.picture.printing.merge import FRACTION, merge
from photochrom.colorize.picture.printing.plate import LOW_CHROMA, Upsampled
from photochrom.colorize.picture.reading.decoders import open_source
from photochrom.colorize.picture.reading.limits import MAX_PIXELS
from photochrom.colorize.picture.scaling import area, fit
from photochrom.colorize.picture.vips import pyvips
from photochrom.colorize.scoring.figures import mean_chroma

Rgb = NDArray[np.uint8]

_CHROMA = 128 << FRACTION
_HALF = np.array([0.5 / 1.772, 0.5 / 1.402])[:, None, None]  # a level of blue, of red
_SAME_SHAPE = 0.02  # of the aspect ratio: prints have whole pixels


@dataclass(frozen=True, eq=False)
class ColourPhoto:
    """A picture as a `Photo`, whose luma is whole, and its colours (h, w, 3), shrunk to sRGB."""

    photo: Photo
    rgb: Rgb

    @classmethod
    def open(cls, path: Path, side: int, max_pixels: int = MAX_PIXELS) -> ColourPhoto:
        """Read a file strictly, upright; its longer side becomes `side`, if it was more.

        Three bytes for each of its pixels are held meanwhile. Raises SourceError.
        """
        source = open_source(path, max_pixels)
        whole = np.empty((source.header.height, source.header.width, 3), np.uint8)

        def rows() -> Iterator[Samples]:
            first = 0
            for block in source.rows():
                last = first + len(block)
                whole[first:last] = _eight_bits(block)
                first = last
                yield block

        photo = Photo.read(replace(source, rows=rows), file_sha256(path))
        small = _resized(whole, *fit(source.header.width, source.header.height, side))
        return cls(photo, _finished(small, source.header.orientation, source.header.icc))

    @property
    def in_colour(self) -> bool:
        """Whether there is colour to be compared with: more than prints may have and be pale.

        Whoever names a photograph vouches for its colour: a pale or toned one counts. The stricter
        rule by which jobs skip colour originals would leave out the muted, where paint errs most.
        """
        return mean_chroma(self.rgb) >= LOW_CHROMA

    def painted(self, plate: Plate) -> Rgb:
        """Lay a plate on this picture's own luma, as prints are made."""
        height, width = self.rgb.shape[:2]
        cb, cr = Upsampled(plate.chroma, width, height).rows(0, height)
        return merge(luma(self.rgb), cb, cr, 8)[0].astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Pair:
    """A painted picture and the truth, of one size, both (h, w, 3) sRGB."""

    name: str
    painted: Rgb
    truth: Rgb

    @classmethod
    def of(cls, name: str, painted: Rgb, truth: Rgb) -> Pair:
        """Bring both to the smaller one's size; raises SourceError for pictures of other shapes."""
        (high, wide), (true_high, true_wide) = painted.shape[:2], truth.shape[:2]
        if abs(wide * true_high / (high * true_wide) - 1) > _SAME_SHAPE + 1 / min(high, true_high):
            raise SourceError(
                Fault.UNSUPPORTED,
                f"painted {wide} x {high}, but the truth is {true_wide} x {true_high}",
            )
        if high * wide > true_high * true_wide:
            return cls(name, _resized(painted, true_wide, true_high), truth)
        return cls(name, painted, _resized(truth, wide, high))


def saturated(painted: Rgb, factor: float) -> Rgb:
    """Scale a picture's colour around its grey in CIELAB; its luma stays, by the prints' merge."""
    if factor == 1:
        return painted
    lab = rgb2lab(painted)
    lab[..., 1:] *= factor
    planes = torch.from_numpy(np.ascontiguousarray(lab.transpose(2, 0, 1)))[None]
    levels = cbcr(lab_to_rgb(planes))[0].numpy() * 255
    levels += (
        np.sign(levels) * _HALF
    )  # the merge drops fractions, and a picture comes a second time
    steps = np.rint(levels * (1 << FRACTION)).clip(-_CHROMA, _CHROMA - 1)
    cb, cr = steps.astype(np.int32)
    return merge(luma(painted), cb, cr, 8)[0].astype(np.uint8)


def _eight_bits(block: Samples) -> Rgb:
    """Return rows (n, w[, 3]) of 8 or 16 bits as (n, w, 3) of 8."""
    if block.dtype == np.uint16:
        block = ((block.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return (block if block.ndim == 3 else block[..., None]).astype(np.uint8)


def _resized(rgb: Rgb, width: int, height: int) -> Rgb:
    """Return each channel's means over areas, as small prints are made."""
    bands = [area(rgb[..., band], width, height) for band in range(3)]
    return np.stack(bands, -1).astype(np.uint8)


def _finished(rgb: Rgb, orientation: int, icc: bytes | None) -> Rgb:
    """Turn a picture upright, and from its own profile to sRGB."""
    image = pyvips.Image.new_from_array(rgb, interpretation="srgb").copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image = image.autorot()
    if icc is not None and icc[16:20] == b"RGB ":
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        try:
            image = image.icc_transform("srgb", embedded=True, intent="relative")
            return np.asarray(image.numpy(), np.uint8)
        except pyvips.Error as error:
            raise SourceError(Fault.CORRUPT, f"its colour profile: {error}") from error
    return np.asarray(image.numpy(), np.uint8)
