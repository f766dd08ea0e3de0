"""Retry: failed rows again, and never an old one over a new one."""

from __future__ import annotations

from pathlib import Path

from photochrom.jobs.planning.retry import ALL_FAILED, Again, plan_retry
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


def test_a_retry_supersedes_what_failed(job_folder: Path) -> None:
    """A file that comes back as it was planned: the same row, in a later plan."""
    rows: list[dict[str, object]] = [{"uri": "scans/album-0/photo-000.tif"}, {"uri": "lost.tif"}]
    rows = [row | {"version": "", "bytes": 10} for row in rows]
    job = job_of(write_manifest(job_folder / "list.csv", rows), job_folder / "out")
    assert drive(job).failed == 1
    assert driver_of(job).retry().counts == {("colorized", ""): 1, ("failed", "missing"): 1}
    write_photo(job_folder / "lost.tif", 5)
    assert drive(job).failed == 1
    assert driver_of(job).retry().counts == {("colorized", ""): 2}
    row = current(place_of(job))["lost.tif"]
    assert (row["plan"], row["outcome"]) == (3, "colorized")
    assert findings(place_of(job)) == []
    before = listing(place_of(job))
    assert driver_of(job).retry().counts == {("colorized", ""): 2}
    assert listing(place_of(job)) == before


def test_asking_twice_retries_once(mixed: Path, tmp_path: Path) -> None:
    job = job_of(mixed, tmp_path / "out")
    drive(job)
    first = plan_retry(place_of(job), job.run, Again(("corrupt",)))
    assert [row.row_id for row in first[1].rows] == ["short.jpg"]
    assert first[1].kind == "retry"
    assert len(plan_retry(place_of(job), job.run, Again(("corrupt",)))) == 2
    every = plan_retry(place_of(job), job.run, ALL_FAILED)
    assert [row.row_id for row in every[2].rows] == ["empty.tif", "text.jpg"]
    assert len(plan_retry(place_of(job), job.run, ALL_FAILED)) == 3
    drive(job)
    assert len(plan_retry(place_of(job), job.run, Again(("missing",)))) == 3
    assert findings(place_of(job)) == []


def test_a_mended_file_is_not_hidden_by_a_retry_of_the_old_one(mixed: Path, tmp_path: Path) -> None:
    job = job_of(mixed, tmp_path / "out")
    drive(job)
    write_photo(mixed / "short.jpg", 41)
    (mixed / "empty.tif").unlink()
    assert driver_of(job).retry().counts[("colorized", "")] == 10
    assert outcomes(place_of(job))["short.jpg"] == "colorized"
    assert driver_of(job).retry().counts[("colorized", "")] == 10
    assert findings(place_of(job)) == []


def test_a_retry_plans_nothing_that_did_not_fail(mixed: Path, tmp_path: Path) -> None:
    job = job_of(mixed, tmp_path / "out")
    driver_of(job).run(sample=2)
    before = outcomes(place_of(job))
    driver_of(job).retry(Again(("too_large",)))
    assert outcomes(place_of(job)) == before
