"""A job on its way: nothing is lost of it, its name is its own, and no secret goes along."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.jobs.errand import (
    check_paths,
    errand_name,
    job_text,
    local_paths,
    signed_for,
    variables,
)
from photochrom.jobs.settings import Job, load_job

PLACES = ("s3://scans/glass", "s3://colour/Glass Plates/")


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["paint.render_size=256", "run.replicas=3", "print.format=tiff", "print.tiled=true"],
        ['paint.collections={"roll \\"7\\".a": {"tone": "negative", "base": 0.5}, "ö": {}}'],
        ["marks.c2pa_key=env:KEY", "marks.c2pa_chain=env:CHAIN", 'operator=A. Müller "x" \\ y'],
        ['allow=["s3://one/", "s3://two/"]', "columns.uri=path", "paint.weights=s3://m/w.pth"],
    ],
)
def test_a_jobs_text_reads_back_as_the_job(changes: list[str]) -> None:
    job = load_job(*PLACES, changes)
    assert Job.model_validate(tomllib.loads(job_text(job))) == job


def test_a_jobs_name_is_that_of_its_place_and_recipe() -> None:
    name = errand_name(load_job(*PLACES))
    assert name.startswith("photochrom-glass-plates-")
    assert name == errand_name(load_job(*PLACES, ["run.replicas=3", "operator=somebody"]))
    others = (
        ["paint.render_size=256"],
        ["output=s3://colour/other"],
        ["storage.output.endpoint=http://elsewhere:1"],
    )
    names = {errand_name(load_job(*PLACES, changes)) for changes in others}
    assert len(names | {name}) == 4


def test_only_the_names_of_variables_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANS_SECRET", "hunter2")
    sides = [
        "storage.source.access_key_env=SCANS_KEY",
        "storage.source.secret_key_env=SCANS_SECRET",
    ]
    marks = ["marks.c2pa_key=env:ARCHIVE_KEY", "marks.c2pa_chain=env:ARCHIVE_CHAIN"]
    job = load_job(*PLACES, [*sides, *marks])
    assert variables(job) == {
        "source": ("SCANS_KEY", "SCANS_SECRET"),
        "marks": ("ARCHIVE_KEY", "ARCHIVE_CHAIN"),
    }
    assert "hunter2" not in job_text(job)


def test_who_sends_a_job_answers_for_it() -> None:
    assert signed_for(load_job(*PLACES)).operator
    assert signed_for(load_job(*PLACES, ["operator=A. Archivist"])).operator == "A. Archivist"


def test_paths_of_this_machine_are_refused(tmp_path: Path) -> None:
    marks = [f"marks.c2pa_key={tmp_path}/key.pem", "marks.c2pa_chain=env:CHAIN"]
    job = load_job("s3://scans/glass", str(tmp_path), [*marks, "paint.weights=w.pth"])
    assert set(local_paths(job)) == {"output", "paint.weights", "marks.c2pa_key"}
    with pytest.raises(SettingsError, match="paths of this machine"):
        check_paths(job, shared_paths=False)
    check_paths(job, shared_paths=True)
    check_paths(load_job(*PLACES), shared_paths=False)
