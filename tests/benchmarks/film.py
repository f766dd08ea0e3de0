"""Makes film negatives, and worn or mounted positives, of grey photographs, as scanners see them.

A grey picture is float64 in [0, 1], (h, w), with the tone curve of a display; so is what comes
back, before `scanned` rounds it. What decides positive or negative has learned nothing from here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Grey = NDArray[np.float64]
Dice = np.random.Generator


def developed(picture: Grey, dice: Dice) -> tuple[Grey, float]:
    """Expose and develop a film: return its transmittance, and that of its clear base.

    Gamma .5 to .9, base .03 to .35, fog, a toe and a shoulder, under- and over-exposure, grain.
    """
    gamma, base, fog = dice.uniform(0.5, 0.9), dice.uniform(0.03, 0.35), dice.uniform(0, 0.12)
    light = np.log10(np.maximum(picture**2.2, 1e-4)) + dice.uniform(1.6, 3.0)
    toe, most = dice.uniform(0.05, 0.35), dice.uniform(1.6, 2.6)
    bent = toe * np.logaddexp(0, light / toe)
    density = most * -np.expm1(-gamma * bent / most)
    density += dice.uniform(0, 0.04) * dice.normal(size=density.shape) * np.sqrt(density + 0.1)
    return 10 ** -(base + fog + density), float(10**-base)


def negative(picture: Grey, dice: Dice, rebate: bool) -> Grey:
    """Return the scan of a film negative, within its rebate or cut to the picture."""
    film, base = developed(picture, dice)
    sides = with_rebate if rebate else untouched
    film, around = sides(film, base, dice)
    return lit(film, base, dice, around)


def untouched(film: Grey, base: float, dice: Dice) -> tuple[Grey, NDArray[np.bool_]]:
    """Leave a film as it is, without anything around the picture."""
    return film, np.zeros(film.shape, bool)


def with_rebate(film: Grey, base: float, dice: Dice) -> tuple[Grey, NDArray[np.bool_]]:
    """Lay clear film around a picture, on one to four sides, with or without holes and letters."""
    pads = pads_of(film.shape, dice, 0.02, 0.14)
    whole = np.pad(film, pads, constant_values=base)
    around = np.pad(np.zeros(film.shape, bool), pads, constant_values=True)
    if dice.random() < 0.3:
        perforate(whole, pads, dice)
    if dice.random() < 0.4:
        letter(whole, pads, dice, base * 10 ** -dice.uniform(0.6, 1.6))
    if dice.random() < 0.25:  # the holder that the film lies in
        mask = pads_of(whole.shape, dice, 0.01, 0.05)
        whole = np.pad(whole, mask, constant_values=1e-4)
        around = np.pad(around, mask, constant_values=True)
    return whole, around


def pads_of(shape: tuple[int, ...], dice: Dice, least: float, most: float) -> list[tuple[int, int]]:
    """Choose the widths of a border, in pixels, on one to four sides."""
    sides = dice.permutation(4) < dice.choice([1, 2, 3, 4], p=[0.1, 0.25, 0.1, 0.55])
    width = dice.uniform(least, most)
    pixels = [
        int(on * max(3, round(width * dice.uniform(0.7, 1.3) * shape[n // 2])))
        for n, on in enumerate(sides)
    ]
    return [(pixels[0], pixels[1]), (pixels[2], pixels[3])]


def perforate(film: Grey, pads: list[tuple[int, int]], dice: Dice) -> None:
    """Punch holes along the wider pair of edges, where the light passes unhindered."""
    axis = 0 if sum(pads[0]) >= sum(pads[1]) else 1
    lines = film if axis == 0 else film.T
    pitch = max(6, round(lines.shape[1] / dice.integers(8, 14)))
    for pad, edge in zip(pads[axis], (lines, lines[::-1]), strict=True):
        if pad >= 6:
            for start in range(int(dice.integers(pitch)), lines.shape[1], pitch):
                edge[pad // 4 : pad - pad // 3, start : start + round(pitch * 0.42)] = 1.0


def letter(film: Grey, pads: list[tuple[int, int]], dice: Dice, value: float) -> None:
    """Expose the maker's letters on the first wide edge."""
    for side, edge in enumerate((film, film[::-1], film.T, film.T[::-1])):
        pad = pads[side // 2][side % 2]
        if pad >= 8:
            label = Image.new("L", (edge.shape[1], pad))
            text = "SAFETY FILM  17A" if dice.random() < 0.5 else "KODAK  23"
            ImageDraw.Draw(label).text((pad, pad // 2 - 4), text, fill=255)
            edge[:pad][np.asarray(label) > 128] = value
            return


def lit(film: Grey, base: float, dice: Dice, around: NDArray[np.bool_]) -> Grey:
    """Scan transmittance: exposure, flare, fall-off, clipping, levels, the scanner's gamma."""
    exposure = dice.choice([dice.uniform(0.5, 0.98) / base, dice.uniform(0.7, 1.1)])
    scan = fallen(film, dice) * exposure + dice.uniform(0, 0.01)
    scan = np.clip(scan, 0, 1) ** (1 / dice.choice([1.0, 1.8, 2.2, 2.4]))
    if dice.random() < 0.35:  # automatic levels, by the picture or by all that is seen
        seen = scan[~around] if dice.random() < 0.5 else scan
        low, high = np.quantile(seen, [dice.uniform(0, 0.01), 1 - dice.uniform(0, 0.01)])
        scan = (scan - low) / max(high - low, 0.05)
    return tilted(scan, dice)


def fallen(scan: Grey, dice: Dice) -> Grey:
    """Let the light fall off from one corner to the other, by up to 6 %."""
    across, down = dice.uniform(-0.03, 0.03, 2)
    slope = np.add.outer(
        np.linspace(-down, down, len(scan)), np.linspace(-across, across, scan.shape[1])
    )
    return scan * (1 + slope)


def tilted(scan: Grey, dice: Dice) -> Grey:
    """Lay a third of the originals down askew, by up to a degree."""
    if dice.random() > 0.33:
        return scan
    image = Image.fromarray(scan.astype(np.float32))
    outside = float(scan[0, 0])
    turned = image.rotate(dice.uniform(-1, 1), Image.Resampling.BILINEAR, fillcolor=outside)
    return np.asarray(turned, np.float64)


def plain(picture: Grey, dice: Dice) -> Grey:
    """Return a positive as it is, or of another contrast."""
    return picture ** np.exp(dice.uniform(-0.3, 0.3))


def on_paper(picture: Grey, dice: Dice) -> Grey:
    """Print with a white border, faded or not, a caption below now and then."""
    ink, paper = dice.uniform(0.02, 0.2), dice.uniform(0.8, 1.0)
    print_ = ink + (paper - ink) * plain(picture, dice)
    pads = pads_of(picture.shape, dice, 0.02, 0.14)
    sheet = np.pad(print_, pads, constant_values=paper)
    if dice.random() < 0.4:
        letter(sheet, pads, dice, ink)
    return tilted(fallen(sheet, dice), dice)


def in_black(picture: Grey, dice: Dice) -> Grey:
    """Print with the negative's rebate around it, which is black; or scan in a black mask."""
    pads = pads_of(picture.shape, dice, 0.01, 0.1)
    return tilted(np.pad(plain(picture, dice), pads, constant_values=dice.uniform(0, 0.12)), dice)


def toned(picture: Grey, dice: Dice) -> Grey:
    """Return the grey of a faded or toned print: no black, no white."""
    ink, paper = dice.uniform(0.05, 0.35), dice.uniform(0.6, 0.95)
    return ink + (paper - ink) * picture ** dice.uniform(0.7, 1.4)


def high_key(picture: Grey, dice: Dice) -> Grey:
    """Print so light that highlights are lost."""
    return np.clip(picture ** dice.uniform(0.35, 0.6) * dice.uniform(1.0, 1.2), 0, 1)


def low_key(picture: Grey, dice: Dice) -> Grey:
    """Print so dark that shadows are lost."""
    return np.clip(picture ** dice.uniform(1.6, 2.8) * 1.05 - 0.05, 0, 1)


POSITIVES: dict[str, Callable[[Grey, Dice], Grey]] = {
    "plain": plain,
    "white border": on_paper,
    "black border": in_black,
    "toned, faded": toned,
    "high key": high_key,
    "low key": low_key,
}
NEGATIVES: dict[str, Callable[[Grey, Dice], Grey]] = {
    "rebate": lambda picture, dice: negative(picture, dice, rebate=True),
    "no rebate": lambda picture, dice: negative(picture, dice, rebate=False),
}


def scanned(scan: Grey, dice: Dice) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Round a scan to 8 or 16 bits, with the noise of a sensor, mirrored or turned now and then."""
    noisy = np.clip(scan + dice.uniform(0, 0.006) * dice.normal(size=scan.shape), 0, 1)
    if dice.random() < 0.1:
        noisy = noisy[:, ::-1]
    if dice.random() < 0.1:
        noisy = np.rot90(noisy, dice.integers(4))
    if dice.random() < 0.5:
        return np.rint(noisy * 255).astype(np.uint8)
    return np.rint(noisy * 65535).astype(np.uint16)
