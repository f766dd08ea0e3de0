from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from photochrom.colorize.picture.luma import luma
from photochrom.colorize.scoring.figures import (
    PSNR_MOST,
    Truth,
    colourfulness_ddcolor,
    colourfulness_hs,
    mean_of,
    rounded,
)
from tests.colorize.scoring.shown import Rgb, photograph


def flat(*colours: tuple[int, int, int]) -> Rgb:
    """Return a picture of vertical stripes, one of each colour."""
    return np.repeat(np.array([colours], np.uint8), 8, axis=0)


def test_the_truth_itself_is_no_distance_away() -> None:
    picture = photograph("coffee")
    found = Truth(picture).figures(picture)
    assert (found.mae_ab, found.ciede2000, found.luma_error_max) == (0, 0, 0)
    assert found.psnr_ab == PSNR_MOST
    assert found.low_chroma == 0


def test_known_colours_have_known_distances() -> None:
    red, green = (255, 0, 0), (0, 255, 0)  # Lab 53.24 80.09 67.20 and 87.73 -86.18 83.18
    found = Truth(flat(red)).figures(flat(green))
    assert found.mae_ab == pytest.approx((166.27 + 15.98) / 2, abs=0.05)
    square = (166.27**2 + 15.98**2) / 2
    assert found.psnr_ab == pytest.approx(10 * math.log10(255**2 / square), abs=0.01)
    assert found.ciede2000 == pytest.approx(86.6, abs=0.1)
    assert found.luma_error_max == found.luma_error_mean == 150 - 76


def test_grey_is_the_luma_that_generators_see() -> None:
    truth = Truth(photograph("chelsea"))
    found = truth.figures(truth.grey)
    assert np.array_equal(truth.grey[..., 1], luma(truth.rgb))
    assert found.luma_error_max == 0
    assert found.low_chroma == 1
    assert found.mae_ab > 10
    assert found.colourfulness_hs == found.colourfulness_ddcolor == 0


def test_ddcolors_colourfulness_drops_the_signs() -> None:
    halves = flat((255, 0, 0), (0, 255, 0))  # rg is 255 and -255, yb is 127.5 in both
    assert colourfulness_hs(halves) == pytest.approx(255 + 0.3 * 127.5)
    assert colourfulness_ddcolor(halves) == pytest.approx(0.3 * math.hypot(255, 127.5))
    one_way = flat((255, 0, 0), (200, 100, 40))
    assert colourfulness_ddcolor(one_way) == pytest.approx(colourfulness_hs(one_way))


def test_what_is_next_to_no_colour_goes_by_the_products_threshold() -> None:
    truth = Truth(photograph("coffee"))
    tinted = truth.grey.copy()
    tinted[..., 2] -= np.minimum(tinted[..., 2], 3)
    assert truth.figures(tinted).low_chroma == 1
    tinted[..., 2] -= np.minimum(tinted[..., 2], 6)
    assert truth.figures(tinted).low_chroma == 0


def test_means_are_means_but_the_largest_error_is_the_largest() -> None:
    picture = photograph("rocket")
    one = Truth(picture).figures(picture)
    other = replace(one, mae_ab=3.0, low_chroma=1.0, luma_error_max=9.0)
    found = mean_of([one, other])
    assert (found.mae_ab, found.low_chroma, found.luma_error_max) == (1.5, 0.5, 9.0)
    assert rounded(found)["colourfulness_hs"] == round(one.colourfulness_hs, 4)
