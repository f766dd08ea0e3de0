from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photochrom.colorize.picture.marking.marks import DIGITAL_SOURCE_TYPE, read_marks
from photochrom.colorize.scoring import Encoder, Pair, Report, Scorer
from photochrom.colorize.scoring.figures import Truth
from photochrom.colorize.scoring.sheet import picks, write_sheet
from tests.colorize.scoring.shown import NAMES, photograph


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    shown = {name: photograph(name, 100) for name in NAMES}
    return [Pair(name, Truth(picture).grey, picture) for name, picture in shown.items()]


@pytest.fixture(scope="module")
def report(pairs: list[Pair]) -> Report:
    scorer = Scorer(Encoder(device="cpu"))
    for pair in pairs:
        scorer.add(pair)
    return scorer.report()


@pytest.mark.parametrize("each", [1, 2, 4])
def test_nobody_is_picked_twice(report: Report, each: int) -> None:
    chosen = picks(report, each)
    names = [name for name, _ in report.ranked]
    assert len({one.name for one in chosen}) == len(chosen) == min(4, 3 * each)
    assert (chosen[0].name, chosen[0].place) == (names[0], "best")
    assert chosen[-1].name == names[-1]


def test_the_sheet_shows_and_says_what_it_is(
    report: Report, pairs: list[Pair], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "sheet.jpg"
    write_sheet(pairs, picks(report, 1), report, path)
    shown = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert read_marks(path).digital_source_type == DIGITAL_SOURCE_TYPE
    spread = shown.max(2) - shown.min(2)
    left, middle, right = (spread[40:140, 8 + n * 208 : 200 + n * 208].mean() for n in range(3))
    assert right > 4 * max(left, middle)
