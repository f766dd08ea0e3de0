"""A whole job from one bucket to another, on a real S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from photochrom.jobs.audit.stray import verify_file
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.store import Store
from tests.conftest import access_to
from tests.jobs.archive import (
    current,
    drive,
    driver_of,
    findings,
    job_of,
    keys,
    listing,
    outcomes,
    place_of,
    write_photo,
    write_photos,
)
from tests.jobs.program import Program
from tests.servers import SeaweedFS


@pytest.fixture
def job(bucket: str, seaweed: SeaweedFS, tmp_path: Path) -> Job:
    """Put five photos into a bucket, and say what to do with them."""
    access = access_to(seaweed).model_dump_json(exclude_defaults=True)
    sides = (f"storage.source={access}", f"storage.output={access}")
    job = job_of(f"s3://{bucket}/scans", f"s3://{bucket}/colour", "print.format=tiff", *sides)
    scans = Store(f"s3://{bucket}/scans", job.storage.source)
    for path in write_photos(tmp_path / "scans", 5):
        scans.put(str(path.relative_to(tmp_path / "scans")), path.read_bytes())
    return job


def scans_of(job: Job) -> Store:
    return Store(job.manifest, job.storage.source)


def test_a_job_on_s3(job: Job, tmp_path: Path, program: Program) -> None:
    assert drive(job).counts == {("colorized", ""): 5}
    store = place_of(job)
    assert findings(store) == []
    before = listing(store)
    assert drive(job).done_now == 0
    assert listing(store) == before
    reach = [f"storage.output.{key}={value}" for key, value in job.storage.output if value]
    options = [word for change in reach for word in ("--set", change)]
    answer = program("status", job.output, *options, "--json")
    assert (answer.code, answer.json["committed"]) == (0, 5)
    key = keys(store, "prints")[0]
    copy = tmp_path / "copy.tif"
    store.fetch(key, copy)
    assert verify_file(copy, store).findings == ()


def test_a_source_on_s3_that_changes(job: Job, tmp_path: Path) -> None:
    driver = driver_of(job)
    scans, name = scans_of(job), "album-0/photo-000.tif"
    old = scans.read(name)
    scans.put(name, write_photo(tmp_path / "new.tif", 50, width=70).read_bytes())
    driver.run()
    assert outcomes(place_of(job))[name] == "failed:source_changed"
    assert drive(job).counts == {("colorized", ""): 5}
    assert current(place_of(job))[name]["width"] == 70
    scans.put(name, old)
    assert drive(job).counts == {("colorized", ""): 5}
    row = current(place_of(job))[name]
    assert (row["width"], row["plan"]) == (40, 3)
    assert findings(place_of(job)) == []


def test_a_source_that_is_gone(job: Job) -> None:
    driver = driver_of(job)
    scans_of(job).delete("album-0/photo-000.tif")
    assert driver.run().counts == {("colorized", ""): 4, ("failed", "missing"): 1}
    assert findings(place_of(job)) == []
