"""Prints made later: from plates, by CPUs alone, as provable as the first ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture import Photo, PrintRecipe
from photochrom.jobs.audit.orphans import orphans
from photochrom.jobs.audit.questions import Questions
from photochrom.jobs.driving import reprint as reprint_module
from photochrom.jobs.driving import watch
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.driving.presses import here
from photochrom.jobs.driving.reprint import Reprint, print_recipe
from photochrom.jobs.errors import JobError, StorageError
from photochrom.jobs.messages import Attempt, NotPrinted
from photochrom.jobs.pinned import Pinned, read_pinned
from photochrom.jobs.planning.plan import read_plans
from photochrom.jobs.settings import print_digest
from photochrom.jobs.status import status_of
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working import press
from photochrom.jobs.working.press import Press, PrintOrders
from photochrom.monitoring import Metrics, PrometheusBackend
from tests.jobs.archive import (
    NO_METERS,
    Listener,
    current,
    drive,
    findings,
    job_of,
    keys,
    listing,
    place_of,
    planned_only,
    prints,
    write_photo,
    write_photos,
)
from tests.jobs.program import Program, imported

SMALL = PrintRecipe(format="png", long_side=20)


def reprint(
    store: Store, recipe: PrintRecipe, where: str = "TRUE", **changes: Any
) -> list[NotPrinted]:
    work = Reprint(store, pinned_at(store, **changes), recipe, here, Listener(), NO_METERS)
    work.run(where)
    return work.failures


def pinned_at(store: Store, **changes: Any) -> Pinned:
    """Return what is pinned in a place, which may have moved since, with some of it changed."""
    pinned = read_pinned(store)
    job = pinned.job.model_copy(update={"output": store.root, **changes})
    return pinned.model_copy(update={"job": job})


def test_another_format_and_size_are_found_by_all_who_look(place: Store) -> None:
    before = listing(place)
    assert reprint(place, SMALL) == []
    after = listing(place)
    assert {key: after[key] for key in before} == before
    made = [row for row in prints(place) if row["print_digest"] == print_digest(SMALL)]
    assert [row["row_id"] for row in made] == list(current(place))
    assert {row["output_format"] for row in made} == {"png"}
    assert {max(row["width"], row["height"]) for row in made} == {20}
    assert {row["luma_proof"] for row in made} == {"exact"}
    assert [(n, digest) for digest, n, _ in status_of(place).prints] == [
        (4, digest) for digest in sorted({row["print_digest"] for row in prints(place)})
    ]
    assert findings(place) == []
    assert orphans(place) == []


def test_the_same_again_makes_nothing(place: Store) -> None:
    reprint(place, SMALL)
    before = listing(place)
    assert reprint(place, SMALL) == []
    assert listing(place) == before


def test_the_same_print_again_has_the_same_bytes(place: Store) -> None:
    reprint(place, SMALL)
    first = {key: place.read(key) for key in keys(place, "prints")}
    for key in keys(place, f"printed/{print_digest(SMALL)}"):
        if key.endswith(".parquet"):
            place.delete(key)
    reprint(place, SMALL)
    assert {key: place.read(key) for key in keys(place, "prints")} == first


def test_the_jobs_own_recipe_makes_the_jobs_own_prints(place: Store) -> None:
    first = {key: place.read(key) for key in keys(place, "prints")}
    for key in [*keys(place, "prints"), *keys(place, "printed")]:
        if not key.endswith(".json"):
            place.delete(key)
    assert "a colorized row without its print" in {f.what for f in findings(place)}
    reprint(place, read_pinned(place).job.print)
    assert {key: place.read(key) for key in keys(place, "prints")} == first
    assert findings(place) == []


def test_a_job_of_plates_alone_is_printed_later(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "print.format=none")
    drive(job)
    store = place_of(job)
    assert prints(store) == []
    assert reprint(store, PrintRecipe(format="tiff")) == []
    assert len(prints(store)) == 6
    assert findings(store) == []
    with pytest.raises(JobError, match="choose a format"):
        reprint(store, read_pinned(store).job.print)


def test_negatives_are_printed_as_positives(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 2)
    job = job_of(tmp_path / "scans", tmp_path / "out", "paint.tone=negative", "print.format=none")
    drive(job)
    assert reprint(place_of(job), PrintRecipe(format="png", long_side=30)) == []
    assert reprint(place_of(job), PrintRecipe(format="tiff", compression="deflate")) == []
    assert len(prints(place_of(job))) == 4
    assert findings(place_of(job)) == []


def test_a_selection_first_then_the_rest(place: Store) -> None:
    reprint(place, SMALL, "collection = 'album-1'")
    made = [row["row_id"] for row in prints(place) if row["output_format"] == "png"]
    assert made == [name for name in current(place) if name.startswith("album-1/")]
    reprint(place, SMALL)
    assert len(prints(place)) == 8
    assert findings(place) == []
    with pytest.raises(JobError, match="the question failed"):
        reprint(place, SMALL, "colection = 1")


def test_what_failed_is_not_printed(job_folder: Path) -> None:
    (job_folder / "scans" / "text.jpg").write_text("no photo")
    job = job_of(job_folder / "scans", job_folder / "out")
    assert drive(job).failed == 1
    reprint(place_of(job), SMALL)
    assert len(prints(place_of(job))) == 12


def test_a_changed_source_is_not_printed(job_folder: Path, program: Program) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "print.format=none")
    drive(job)
    write_photo(job_folder / "scans/album-0/photo-000.tif", 99)
    answer = program("print", job_folder / "out", "--format", "webp", "--long-side", "30")
    assert answer.code == 3
    assert f"5 prints made, under {job_folder}/out/prints" in answer.out
    assert "the original's bytes are not those that were colorized" in answer.out
    assert len(prints(place_of(job))) == 5


def test_a_place_that_was_moved_is_printed_where_it_is(place: Store, tmp_path: Path) -> None:
    shutil.move(str(tmp_path / "out"), tmp_path / "moved")
    moved = Store(str(tmp_path / "moved"))
    assert reprint(moved, SMALL) == []
    assert findings(moved) == []
    assert all(
        row["output_uri"].startswith(moved.root)
        for row in prints(moved)
        if row["output_format"] == "png"
    )


def test_a_job_is_followed_to_its_end(job_folder: Path) -> None:
    """What it commits while it is followed is printed, its own recipe's prints as they are."""
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job, sample=2)
    planned_only(job)
    store = place_of(job)

    def goes_on(seconds: float) -> None:
        assert len(current(store)) == 2
        assert len(prints(store)) == 4, "what there is has been printed"
        drive(job)

    work = Reprint(store, read_pinned(store), SMALL, here, Listener(), NO_METERS, goes_on)
    work.run(follow=True)
    assert (work.made, work.failures) == (6, [])
    assert len(prints(store)) == 12
    assert findings(store) == []


def test_a_large_place_is_printed_in_rounds(place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprint_module, "ROUND_ROWS", 3)
    listener = Listener()
    work = Reprint(place, pinned_at(place), SMALL, here, listener, NO_METERS)
    work.run()
    assert work.made == 4
    assert listener.begun == [(3, 0), (1, 0)]
    assert len(listener.finished) == 4
    assert findings(place) == []


class Weather:
    """A place that is away while `away` counts down, once for each question whether it is there."""

    def __init__(self, patch: pytest.MonkeyPatch, away: int) -> None:
        self.away = away
        patch.setattr(Store, "clock", self._clock)
        patch.setattr(watch, "by_chance", lambda: 0.001)

    def _clock(self) -> None:
        self.away -= 1
        if self.away >= 0:
            raise StorageError("no route to host")

    def stops(self, made: Any) -> Any:
        """Let a function fail as long as the place is away."""

        def failing(*given: Any, **named: Any) -> Any:
            if self.away > 0:
                raise StorageError("no route to host")
            return made(*given, **named)

        return failing


@pytest.mark.parametrize(
    "where", [(press, "read_original"), (reprint_module, "read_plans"), (Questions, "ask")]
)
def test_an_outage_costs_no_attempt_and_ends_no_printing(
    place: Store, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str]
) -> None:
    weather, backend, listener = Weather(monkeypatch, 3), PrometheusBackend(), Listener()
    monkeypatch.setattr(*where, weather.stops(getattr(*where)))
    pinned = pinned_at(place)
    run = pinned.job.run.model_copy(update={"attempts": 1})
    pinned = pinned_at(place, run=run)
    work = Reprint(place, pinned, SMALL, here, listener, Meters(Metrics(backend)), lambda _: None)
    work.run(follow=True)
    assert (work.made, work.failures) == (4, [])
    assert [note.partition(",")[0] for note in listener.notes] == [
        *["the storage is away"] * 3,
        "the storage answers again; the job goes on",
    ]
    counted = backend.registry.get_sample_value
    assert counted("photochrom_prints_total", {"format": "png"}) == 4
    assert counted("photochrom_storage_away") == 0
    assert findings(place) == []


def test_an_outage_that_meets_a_last_attempt_fails_no_photo(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    weather = Weather(monkeypatch, 1)
    monkeypatch.setattr(press, "read_original", weather.stops(press.read_original))
    printing = Press(PrintOrders(pinned_at(place), SMALL, threads=1))
    shard = next(shard for plan in read_plans(place) for shard in plan.shards)
    with pytest.raises(StorageError, match="no route to host"):
        list(printing.run(Attempt(shard, 2, True, frozenset(), True)))
    assert len(prints(place)) == 4


def test_a_storage_that_fails_for_one_photo_costs_that_print_alone(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = press.read_original

    def failing(sources: Any, row: dict[str, Any], *given: Any, **named: Any) -> Photo:
        if row["row_id"].endswith("000.tif"):
            raise StorageError("connection reset")
        return made(sources, row, *given, **named)

    monkeypatch.setattr(press, "read_original", failing)
    run = pinned_at(place).job.run.model_copy(update={"attempts": 2})
    (failure,) = reprint(place, SMALL, run=run)
    assert (failure.row_id, failure.reason) == ("album-0/photo-000.tif", "storage")
    assert len(prints(place)) == 4 + 3
    monkeypatch.setattr(press, "read_original", made)
    assert reprint(place, SMALL) == []
    assert len(prints(place)) == 8


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"format": "gif"}, "--format: "),
        ({"long_side": 3}, "--long-side: "),
        ({"quality": 0}, "--quality: "),
        ({"compression": "zip"}, "--compression: "),
        ({"lossless": True}, "--lossless: .*jpeg cannot be lossless"),
    ],
)
def test_a_recipe_that_cannot_be_is_named_by_its_option(asked: dict[str, Any], words: str) -> None:
    options = {"format": "jpeg", "long_side": None} | asked
    with pytest.raises(SettingsError, match=words):
        print_recipe(**options)


@pytest.mark.parametrize(
    "arguments",
    [
        ("print", "--format", "png", "--long-side", "20"),
        ("audit",),
        ("verify",),
        ("status",),
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_no_torch_and_no_ray_behind_the_readers(arguments: tuple[str, ...], place: Store) -> None:
    verb, *options = arguments
    answer, modules = imported(verb, place.root, *options)
    assert answer.code == 0
    assert not {"torch", "ray"} & modules
    assert "pyarrow" in modules  # so the list is of the right process
