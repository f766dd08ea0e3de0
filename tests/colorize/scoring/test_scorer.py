from __future__ import annotations

import json
import subprocess
import sys

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.scoring import Encoder, Pair, Report, Scorer, check_saturations, scorer
from photochrom.colorize.scoring.figures import Truth
from photochrom.colorize.scoring.pictures import saturated
from tests.colorize.scoring.shown import NAMES, photograph


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(device="cpu")


def pairs(factor: float = 1.0) -> list[Pair]:
    """Return photographs beside themselves with their chroma scaled: the worst is the brightest."""
    shown = [(name, photograph(name, 120)) for name in NAMES]
    return [Pair(name, saturated(picture, factor), picture) for name, picture in shown]


def scored(encoder: Encoder, found: list[Pair], *saturations: float) -> Report:
    taken = Scorer(encoder, saturations or (1.0,), len(found))
    for pair in found:
        taken.add(pair)
    return taken.report()


def test_the_truth_is_nearest_and_grey_is_a_prediction(encoder: Encoder) -> None:
    report = scored(encoder, pairs(), 0.0, 0.5, 1.0)
    nothing, half, whole = report.painted
    assert nothing.figures == report.grey.figures
    assert whole.figures.mae_ab == 0
    assert report.kid_ratio(nothing) == pytest.approx(1, abs=1e-6)
    assert report.kid_ratio(whole) == pytest.approx(0, abs=1e-6)
    assert (report.kid_ratio(half) or 0) < 0.5
    assert 0 < (half.distance.frechet or 0) < (report.grey.distance.frechet or 0)
    assert report.colourfulness_ratio(whole, "hs") == 1
    assert 0 < half.figures.ciede2000 < report.grey.figures.ciede2000
    assert report.grey.figures.low_chroma == 1


def test_photographs_are_ranked_by_their_distance(encoder: Encoder) -> None:
    found = pairs(0.3)
    report = scored(encoder, found, 0.5, 1.0)
    by_name = {p.name: Truth(p.truth).figures(p.painted).ciede2000 for p in found}
    assert dict(report.ranked) == by_name
    assert [name for name, _ in report.ranked] == sorted(by_name, key=by_name.__getitem__)
    assert report.ranked_at == 1
    assert scored(encoder, found, 0.5, 2.0).ranked_at == 0.5


def test_everything_is_named_in_json(encoder: Encoder) -> None:
    told = scored(encoder, pairs(0.5), 0.8, 1.2).as_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["encoder"]["images"] == told["photographs"] == 4
    assert told["encoder"]["name"] == "EfficientNet-Lite1"
    assert len(told["encoder"]["weights_sha256"]) == 64
    assert [line["saturation"] for line in told["painted"]] == [0.8, 1.2]
    assert told["painted"][0]["kid_ratio"] < 1
    assert told["truth"]["colourfulness_hs"] > told["painted"][0]["colourfulness_hs"]
    assert told["worst"][0]["ciede2000"] >= told["worst"][1]["ciede2000"]


def test_one_photograph_has_no_distances(encoder: Encoder) -> None:
    report = scored(encoder, pairs(0.5)[:1])
    assert report.painted[0].distance.kid is None
    assert report.kid_ratio(report.painted[0]) is None
    assert report.painted[0].figures.mae_ab > 0


def test_of_many_only_some_are_encoded(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "ENCODED", 10)
    taken = Scorer(encoder, (1.0,), 40)
    (pair, *_) = pairs(0.5)
    for number in range(40):
        taken.add(Pair(f"{number}.jpg", pair.painted, pair.truth))
    report = taken.report()
    assert report.photographs == 40
    assert 3 <= report.encoded <= 20


def test_nothing_is_no_report(encoder: Encoder) -> None:
    with pytest.raises(SettingsError, match="no photograph could be scored"):
        Scorer(encoder).report()


@pytest.mark.parametrize("factor", [-0.1, 11.0, float("nan")])
def test_a_saturation_has_bounds(factor: float) -> None:
    with pytest.raises(SettingsError, match="must be between 0 and 10"):
        check_saturations([factor])
    assert check_saturations([0.8, 1.0, 0.8]) == (0.8, 1.0)


@pytest.mark.parametrize("package", ["skimage", "torchmetrics"])
def test_a_missing_package_is_one_line_with_its_mend(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from photochrom.colorize.errors import SettingsError\n"
        "try:\n    from photochrom.colorize.scoring import Scorer\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"scoring needs {package}")
    assert ran.stdout.endswith("pip install 'photochrom[score]'\n")
