"""A training's place: pinned once, by what decides the learning and not by where files lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from photochrom.jobs.errors import OtherJob
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training import Training, load_training
from photochrom.jobs.training.place import TRAINING_FILE, StoreKeep, pin


def training_of(place: str, *changes: str) -> Training:
    return load_training("pocket", "photographs.csv", place, changes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "place"))


def repinned(store: Store, change: dict[str, Any]) -> None:
    """Rewrite what is pinned, as another release would have."""
    pinned = json.loads(store.read(TRAINING_FILE))
    pinned["recipe"] |= change
    store.put(TRAINING_FILE, json.dumps(pinned).encode())


def test_the_same_training_is_welcome_again(store: Store) -> None:
    training = training_of(store.root)
    pin(store, training, {})
    pin(store, training, {})
    pin(store, training_of(store.root, "run.threads=5", "run.cpus_per_worker=2"), {})


def test_another_recipe_is_named_setting_by_setting(store: Store) -> None:
    pin(store, training_of(store.root), {})
    other = training_of(store.root, "generator_phases.0.batch=3", "content.calm=0.9")
    with pytest.raises(OtherJob, match=r"content\.calm is 0\.5 there and 0\.9 here") as caught:
        pin(store, other, {})
    assert "generator_phases.0.batch is 16 there and 3 here" in str(caught.value)
    with pytest.raises(OtherJob, match="workers is 1 there and 2 here"):
        pin(store, training_of(store.root, "run.workers=2"), {})


def test_a_file_counts_by_its_digest_wherever_it_lies(store: Store) -> None:
    pin(store, training_of(store.root, "start=a.safetensors"), {"start": "12ab"})
    pin(store, training_of(store.root, "start=moved.safetensors"), {"start": "12ab"})
    with pytest.raises(OtherJob, match=r"files\.start is '12ab' there and '34cd' here"):
        pin(store, training_of(store.root, "start=a.safetensors"), {"start": "34cd"})


def test_a_place_from_before_a_setting_was_there_has_its_default(store: Store) -> None:
    training = training_of(store.root)
    pin(store, training, {})
    pinned = json.loads(store.read(TRAINING_FILE))
    del pinned["recipe"]["content"]["vivid"], pinned["recipe"]["held_blocks"]
    store.put(TRAINING_FILE, json.dumps(pinned).encode())
    pin(store, training, {})
    with pytest.raises(OtherJob, match=r"vivid is 0\.0 there and 0\.5 here"):
        pin(store, training_of(store.root, "content.vivid=0.5"), {})


def test_a_newer_releases_place_says_whose_it_is(store: Store) -> None:
    training = training_of(store.root)
    pin(store, training, {})
    repinned(store, {"telepathy": True})
    with pytest.raises(OtherJob, match=r"a training by photochrom .* cannot go on with"):
        pin(store, training, {})


def test_a_keep_gives_back_what_it_was_given(store: Store, tmp_path: Path) -> None:
    keep = StoreKeep(store)
    (tmp_path / "one").write_bytes(b"1")
    keep.put("checkpoints/one", tmp_path / "one")
    assert keep.keys("checkpoints") == ["checkpoints/one"]
    assert keep.get("checkpoints/one", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"1"
    keep.drop("checkpoints/one")
    keep.drop("checkpoints/one")
    assert not keep.get("checkpoints/one", tmp_path / "back")
