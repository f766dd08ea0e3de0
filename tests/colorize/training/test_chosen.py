"""The choice of Pocket's photographs, and the manifest that it becomes."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training import chosen
from photochrom.colorize.training.chosen import (
    CHOSEN,
    COLUMNS,
    credit_lines,
    read_candidates,
    read_weights,
    training_rows,
)
from tests.colorize.training.tiny import write_candidates


def lines() -> list[dict[str, str]]:
    with CHOSEN.open(newline="") as table:
        return list(csv.DictReader(table))


def test_each_is_named_once_and_whoever_is_left_out_has_a_reason() -> None:
    rows = lines()
    assert len({row["file"] for row in rows}) == len(rows)
    assert [row for row in rows if (float(row["weight"]) == 0) != bool(row["reason"])] == []
    assert all(float(row["weight"]) >= 0 for row in rows)


def test_thousands_are_chosen_and_they_count_one_each_in_the_mean() -> None:
    taken = [weight for weight in read_weights().values() if weight]
    assert len(taken) > 6000
    assert len(lines()) - len(taken) > 1000
    assert sum(taken) / len(taken) == pytest.approx(1, abs=0.05)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rows: dict[str, dict[str, str]] = {
        "a.jpg": {},
        "b.jpg": {"shard": "b.tar", "licence": "CC-BY-4.0 (read on its page)", "source": "two"},
        "c.jpg": {"group": "sea"},
        "left.jpg": {},
        "new.jpg": {},
    }
    return write_candidates(tmp_path, rows)


WEIGHTS = {"a.jpg": 2.0, "b.jpg": 0.5, "c.jpg": 1.0, "left.jpg": 0.0, "gone.jpg": 1.0}


def test_a_manifest_has_who_is_chosen_and_there(photos: Path) -> None:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in training_rows(photos, WEIGHTS)]
    assert [(row["row_id"], row["member"], row["weight"]) for row in rows] == [
        ("a.jpg", "a.jpg", 2.0),
        ("b.jpg", "b.jpg", 0.5),
        ("c.jpg", "c.jpg", 1.0),
    ]
    assert rows[1]["uri"] == (photos / "b.tar").as_uri()


def test_credits_count_by_source_and_licence(photos: Path) -> None:
    taken = [one for one in read_candidates(photos) if WEIGHTS.get(one.file)]
    assert credit_lines(taken)[2:] == [
        "| made here | CC0-1.0 | sea, street | 2 |",
        "| two | CC-BY-4.0 | street | 1 |",
        "| **all** | | | **3** |",
    ]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["chosen", *map(str, arguments)])
    monkeypatch.setattr(chosen, "read_weights", lambda: WEIGHTS)
    chosen.main()


def test_the_programme_writes_the_manifest_and_prints_credits(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos / "list.csv"
    run(monkeypatch, "--photos", photos, "--out", out, "--credits")
    with out.open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["weight"] for row in rows] == ["2.0", "0.5", "1.0"]
    assert tuple(rows[0]) == COLUMNS
    said = capsys.readouterr().out
    assert f"{out}: 3 photographs" in said
    assert "| **all** | | | **3** |" in said


def test_a_folder_without_a_manifest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match="holds no manifest"):
        read_candidates(tmp_path)
    with pytest.raises(SystemExit):
        run(monkeypatch, "--photos", tmp_path, "--credits")
    assert f"{tmp_path} holds no manifest.csv" in capsys.readouterr().err
