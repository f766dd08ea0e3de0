from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training import data
from photochrom.colorize.training.credits import credit_lines
from photochrom.colorize.training.data import (
    Crop,
    Row,
    Selection,
    batch,
    cut,
    read_manifest,
    read_photos,
    read_refused,
    stretch,
)
from photochrom.colorize.training.degrade import Degrade, age, luma
from tests.colorize.training.tiny import shelf

ROW = Row("a.jpg", "train", "somewhere", "CC-BY-4.0", "street", 0.5, "train-000.tar")


def test_refused_groups_and_licences_are_not_chosen() -> None:
    rows = [
        ROW,
        replace(ROW, group="stamp"),
        replace(ROW, licence="CC BY-SA 3.0"),
        replace(ROW, licence="GPL-2+"),
        replace(ROW, licence="Public domain"),
    ]
    assert [row.licence for row, _ in Selection().choose(rows)] == ["CC-BY-4.0", "Public domain"]


def test_what_was_dropped_by_eye_is_not_chosen(tmp_path: Path) -> None:
    judged = tmp_path / "judged.csv"
    judged.write_text("file,verdict,reason\na.jpg,drop,map\nb.jpg,keep,\n")
    selection = Selection(refused_files=read_refused(judged))
    rows = [replace(ROW, file=name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    assert [row.file for row, _ in selection.choose(rows)] == ["b.jpg", "c.jpg"]


def test_a_table_that_judges_nothing_is_an_error(tmp_path: Path) -> None:
    judged = tmp_path / "judged.csv"
    judged.write_text("name\na.jpg\n")
    for file in (judged, tmp_path / "absent.csv"):
        with pytest.raises(SettingsError, match="is no table of file, verdict, reason"):
            read_refused(file)


def test_the_judged_photographs_are_told_apart() -> None:
    table = Path(data.__file__).parent / "judged.csv"
    dropped = read_refused(table)
    lines = table.read_text().splitlines()[1:]
    assert len({line.partition(",")[0] for line in lines}) == len(lines) == 4164
    assert len(dropped) == 713


def test_a_group_is_cut_at_its_most() -> None:
    selection = Selection(at_most=(("portrait", 2),))
    rows = [replace(ROW, group="portrait", file=f"{i}.jpg") for i in range(5)]
    assert [row.file for row, _ in selection.choose(rows)] == ["0.jpg", "1.jpg"]


def test_weights_follow_group_and_source() -> None:
    selection = Selection(group_factor=(("street", 3.0),), source_factor=(("astronomy", 0.1),))
    rows = [ROW, replace(ROW, group="food"), replace(ROW, group="food", source="astronomy@1")]
    assert [weight for _, weight in selection.choose(rows)] == pytest.approx([1.5, 0.5, 0.05])


def test_photographs_are_read_in_manifest_order(tmp_path: Path) -> None:
    rows = read_manifest(shelf(tmp_path), "train")
    photos = read_photos(tmp_path, [(row, index + 1.0) for index, row in enumerate(rows)][::-1])
    assert [row.file for row in photos.rows] == [f"train{i}.jpg" for i in reversed(range(6))]
    assert photos.images[0].shape == (96, 120, 3)
    assert photos.weights.tolist() == pytest.approx([w / 21 for w in (6, 5, 4, 3, 2, 1)])


def test_a_missing_photograph_and_a_missing_manifest_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no manifest\.csv"):
        read_manifest(tmp_path, "train")
    shelf(tmp_path)
    with pytest.raises(SettingsError, match="1 of 1 photographs are not in the shards"):
        read_photos(tmp_path, [(ROW, 1.0)])


def test_a_stretched_photo_keeps_its_values_and_fills_the_square() -> None:
    photo = torch.full((40, 90, 3), 51, dtype=torch.uint8)
    photo[:, 45:] = 204
    square = stretch(photo, 32)
    assert square.shape == (3, 32, 32)
    assert square[:, :, :14].mean().item() == pytest.approx(0.2, abs=0.01)
    assert square[:, :, 18:].mean().item() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("shape", [(40, 200, 3), (200, 40, 3), (64, 64, 3)])
def test_cuts_of_any_shape_are_squares(shape: tuple[int, int, int]) -> None:
    photo = torch.zeros(shape, dtype=torch.uint8)
    random = np.random.default_rng(0)
    for _ in range(30):
        assert cut(photo, Crop(), 32, random).shape == (3, 32, 32)


def test_a_batch_follows_from_the_random_state(tmp_path: Path) -> None:
    rows = read_manifest(shelf(tmp_path), "train")
    photos = read_photos(tmp_path, [(row, 1.0) for row in rows])
    one, same, other = (batch(photos, Crop(), 4, 32, np.random.default_rng(i)) for i in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_age_is_grey_within_range_and_often_not_the_luma() -> None:
    rgb = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    grey = age(rgb, Degrade(), torch.Generator().manual_seed(1))
    assert grey.shape == (32, 1, 16, 16)
    assert 0 <= grey.min() <= grey.max() <= 1
    changed = ((grey - luma(rgb)).abs().amax((1, 2, 3)) > 1e-4).float().mean()
    assert 0.5 < changed < 1
    assert torch.equal(grey, age(rgb, Degrade(), torch.Generator().manual_seed(1)))


def test_without_degrading_age_is_the_luma() -> None:
    rgb = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    calm = Degrade(emulsion=0, tone=0, grain=0, soft=0)
    assert torch.equal(age(rgb, calm, torch.Generator()), luma(rgb))


def test_credits_count_every_source_and_licence() -> None:
    rows = [ROW, ROW, replace(ROW, source="elsewhere", licence="MIT (LICENSE)", group="food")]
    lines = credit_lines(rows)
    assert lines[2] == "| somewhere | CC-BY-4.0 | street | 2 |"
    assert lines[3] == "| elsewhere | MIT | food | 1 |"
    assert lines[4] == "| **all** | | | **3** |"
