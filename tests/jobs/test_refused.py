"""The table of photographs that a training passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.colorize.training.shelf import Refused
from photochrom.jobs.settings import Storage
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training import refused as module
from photochrom.jobs.training.gallery import Gallery, gallery_of
from photochrom.jobs.training.photographs import TrainingColumns, read_naming
from photochrom.jobs.training.refused import Refusals, count_refused


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in "abc":
        (photos / f"{name}.jpg").write_bytes(name.encode())
    access = Storage().source
    naming = read_naming(str(photos), str(tmp_path / "out"), access, (), TrainingColumns())
    return gallery_of(naming, access)


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def test_a_table_goes_on_from_what_is_there(gallery: Gallery, place: Store) -> None:
    with Refusals(place, 0) as refusals:
        refusals.add(gallery, Refused(2, "no colour", "the file is grey"))
        refusals.add(gallery, Refused(2, "no colour", "the file is grey"))
    with Refusals(place, 0) as refusals:
        refusals.add(gallery, Refused(0, "too small", '9 x 9 pixels, and "32" are the least'))
    assert place.read("refused/0.csv").decode() == (
        'id,kind,reason\na.jpg,too small,"9 x 9 pixels, and ""32"" are the least"\n'
        "c.jpg,no colour,the file is grey\n"
    )


def test_workers_that_met_the_same_one_count_it_once(gallery: Gallery, place: Store) -> None:
    for rank, indices in enumerate([(0, 1), (1, 2)]):
        with Refusals(place, rank) as refusals:
            for index in indices:
                refusals.add(gallery, Refused(index, "no colour", "it is grey"))
    assert count_refused(place) == {"no colour": 3}


def test_nothing_is_written_of_nothing(place: Store) -> None:
    with Refusals(place, 0):
        pass
    assert list(place.list()) == []
    assert not count_refused(place)


def test_one_that_dies_has_written_before(
    gallery: Gallery, place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", -1.0)
    Refusals(place, 0).add(gallery, Refused(1, "no colour", "it is grey"))
    assert count_refused(place) == {"no colour": 1}
