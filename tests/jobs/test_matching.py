"""Which painted picture belongs to which original: by names alone, never by guessing."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.jobs.errors import ManifestError
from photochrom.jobs.identity import print_name
from photochrom.jobs.scoring.matching import Matching, PicturePlace, match_places
from photochrom.jobs.storage.access import Access

HEX = "0123456789abcdef"


def matched(tmp_path: Path, painted: list[str], truth: list[str]) -> Matching:
    """Match two folders of empty files."""
    for folder, names in (("painted", painted), ("truth", truth)):
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    places = [PicturePlace(str(tmp_path / each), Access()) for each in ("painted", "truth")]
    return match_places(*places)


def names(found: Matching) -> dict[str, str]:
    return {pair.truth.name: pair.painted.name for pair in found.pairs}


@pytest.mark.parametrize(
    ("painted", "truth"),
    [
        (f"a.{HEX}.ai-colorized.jpg", "a.tif"),
        ("a.ai-colorized.png", "a.jpg"),
        ("a.png", "a.jpg"),
        (f"unsorted/a.{HEX}.ai-colorized.tif", "a.tif"),
        (f"prints/unsorted/a.{HEX}.ai-colorized.tif", "a.tif"),
        (f"prints/1904/a.b.{HEX}.ai-colorized.tif", "1904/a.b.tif"),
        (
            print_name("Zürich 1904", "Fähre #2.tif", "key", "sha", "jpg"),
            "Zürich 1904/Fähre #2.tif",
        ),
        (f"a.{HEX}.{HEX}.ai-colorized.tif", f"a.{HEX}.jpg"),
    ],
)
def test_a_print_belongs_to_what_it_is_named_after(
    painted: str, truth: str, tmp_path: Path
) -> None:
    assert names(matched(tmp_path, [painted], [truth])) == {truth: painted}


def test_sub_folders_count(tmp_path: Path) -> None:
    found = matched(tmp_path, ["x/a.png", "y/a.png"], ["x/a.jpg", "y/a.jpg"])
    assert names(found) == {"x/a.jpg": "x/a.png", "y/a.jpg": "y/a.png"}
    with pytest.raises(ManifestError, match="none of 1 painted pictures is named after one of 1"):
        matched(tmp_path / "apart", ["x/a.png"], ["y/a.jpg"])


def test_what_stays_alone_is_named(tmp_path: Path) -> None:
    found = matched(tmp_path, ["a.png", "b.png", "notes.txt"], ["a.jpg", "c.jpg", ".d.jpg"])
    assert (found.painted_alone, found.truth_alone) == (("b.png",), ("c.jpg",))


def test_plates_beside_prints_are_passed_over(tmp_path: Path) -> None:
    plate = f"plates/ab/{HEX}.{HEX}.png"
    found = matched(tmp_path, [f"prints/unsorted/a.{HEX}.ai-colorized.jpg", plate], ["a.jpg"])
    assert len(found.pairs) == 1
    assert found.painted_alone == ()


@pytest.mark.parametrize(
    ("painted", "truth"),
    [
        (["a.ai-colorized.png", "a.ai-colorized.jpg"], ["a.jpg"]),
        ([f"a.{HEX}.ai-colorized.jpg", f"unsorted/a.{HEX}.ai-colorized.jpg"], ["a.jpg"]),
        (["a.png"], ["a.jpg", "a.tif"]),
        (["a-b.png"], ["a b.jpg", "a-b.jpg"]),
    ],
)
def test_two_of_one_name_are_an_error(painted: list[str], truth: list[str], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"both go by .*; keep one of them"):
        matched(tmp_path, painted, truth)


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no pictures there"):
        matched(tmp_path, ["notes.txt"], ["a.jpg"])
