"""Which tone a photo is printed by: who says it, and what becomes of one that nobody can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture import photo as photos
from photochrom.colorize.picture.toning.evidence import Verdict
from photochrom.jobs.pinned import PaintRecipe
from photochrom.jobs.planning.retry import Again
from photochrom.jobs.settings import load_job
from tests.jobs.archive import (
    current,
    drive,
    driver_of,
    findings,
    job_of,
    listing,
    outcomes,
    place_of,
    write_manifest,
    write_photo,
)

RECIPE = {"model": "pocket", "weights_sha256": "ab", "render_size": 256, "tone": "auto"}


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing show what it is."""
    tone = photos.ToneTable.decide.__globals__
    monkeypatch.setitem(tone, "judge", lambda *_: Verdict("unknown", "score 0.600 for negative"))


@pytest.mark.usefixtures("doubtful")
def test_a_photo_of_unknown_tone_waits_for_a_word(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_photo(tmp_path / "scans" / f"{name}.png", 3)
    job = job_of(tmp_path / "scans", tmp_path / "out", "paint.tone=auto")
    assert drive(job).counts == {("skipped", "tone_unknown"): 2}
    row = current(place_of(job))["a.png"]
    assert (row["tone"], row["tone_evidence"]) == ("unknown", "score 0.600 for negative")
    assert row["plate_uri"] is None
    again = Again(tone="negative", where="row_id = 'a.png'")
    counts = {("colorized", ""): 1, ("skipped", "tone_unknown"): 1}
    assert driver_of(job).retry(again).counts == counts
    row = current(place_of(job))["a.png"]
    assert row["tone"] == "negative"
    assert row["tone_evidence"].startswith("retry; ")
    before = listing(place_of(job))
    assert drive(job).counts == counts, "a run does not take back what a retry said"
    assert listing(place_of(job)) == before
    assert findings(place_of(job)) == []


@pytest.mark.usefixtures("doubtful")
def test_the_manifest_may_say_it_later(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", 3)
    manifest = write_manifest(tmp_path / "list.csv", [{"uri": "a.png", "tone": ""}])
    job = job_of(manifest, tmp_path / "out", "paint.tone=auto")
    drive(job)
    assert outcomes(place_of(job)) == {"a.png": "skipped:tone_unknown"}
    write_manifest(manifest, [{"uri": "a.png", "tone": "positive"}])
    drive(job)
    assert outcomes(place_of(job)) == {"a.png": "colorized"}


def test_a_roll_is_turned_over_alike(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for seed in (1, 2):
        write_photo(tmp_path / f"{seed}.png", seed)
        rows.append({"uri": f"{seed}.png", "collection": "roll 7"})
    roll = ("tone=negative", "base=0.9", "densest=0.02")
    changes = [f"paint.collections.roll 7.{change}" for change in roll]
    job = job_of(write_manifest(tmp_path / "l.csv", rows), tmp_path / "out", *changes)
    drive(job)
    made = current(place_of(job)).values()
    assert {row["tone_evidence"].partition(";")[0] for row in made} == {"collection"}
    assert len({row["tone_table_sha256"] for row in made}) == 1
    assert findings(place_of(job)) == []


def test_recipes_without_collections_keep_their_digest() -> None:
    plain = PaintRecipe(**RECIPE, precision="float32")
    assert "collections" not in plain.model_dump(mode="json")
    rolls = {"roll 7": {"tone": "negative"}}
    used = PaintRecipe(**RECIPE, precision="float32", collections=rolls)
    assert used.digest != plain.digest
    assert PaintRecipe.model_validate_json(used.model_dump_json()) == used


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("paint.collections.r.base=0.1", "densest must be less than base"),
        ("paint.collections.r.bass=1", "there are base, densest, tone"),
    ],
)
def test_a_roll_is_checked(change: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_job("scans", "out", ["paint.collections.r.densest=0.2", change])


def test_unknown_tones_are_not_done_again_without_a_word() -> None:
    with pytest.raises(SettingsError, match="--tone positive or negative"):
        Again(("tone_unknown",))
    with pytest.raises(SettingsError, match="tone_unknown alone"):
        Again(("corrupt",), "negative")
    with pytest.raises(SettingsError, match="there are positive, negative"):
        Again(tone="sepia")
