"""A place of plates alone: prints made of them later are the same wherever they are made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from photochrom.jobs.storage.store import Store
from tests.jobs.archive import drive, findings, job_of, keys, place_of, prints, write_photo

_PLAIN = "import sys; from photochrom.jobs.cli import main; sys.argv[0] = 'photochrom'; main()"
_TURNED = "import torch; import pyvips; import tifffile; import PIL.ImageCms; import numpy; "
_SURROUNDINGS = {
    "as it comes": (_PLAIN, {}),
    "many threads": (_PLAIN, {"VIPS_CONCURRENCY": "4", "OMP_NUM_THREADS": "3"}),
    "other imports first": (_TURNED + _PLAIN, {"VIPS_CONCURRENCY": "2", "OMP_NUM_THREADS": "1"}),
}


def made_by(place: Path, program: str, environment: dict[str, str], *options: str) -> list[str]:
    """Print a place in a process of its own; return the prints' names, which tell their bytes."""
    words = [sys.executable, "-c", program, "print", str(place), *options]
    subprocess.run(words, check=True, capture_output=True, env=os.environ | environment)
    return keys(Store(str(place)), "prints")


@pytest.mark.parametrize("options", [("--format", "tiff"), ("--format", "jpeg")])
def test_prints_of_plates_are_the_same_everywhere(options: tuple[str, ...], tmp_path: Path) -> None:
    for number in range(2):
        write_photo(tmp_path / "scans" / f"{number}.png", width=610, height=430, seed=number)
    job = job_of(tmp_path / "scans", tmp_path / "out", "print.format=none")
    drive(job)
    assert prints(place_of(job)) == []
    made = {}
    for name, (program, environment) in _SURROUNDINGS.items():
        copy = tmp_path / name.replace(" ", "-")
        shutil.copytree(tmp_path / "out", copy)
        made[name] = made_by(copy, program, environment, *options)
        assert findings(Store(str(copy))) == []
    first = made.pop("as it comes")
    assert len(first) == 2
    assert all(names == first for names in made.values())


def test_a_print_of_a_plate_is_the_jobs_own(tmp_path: Path) -> None:
    write_photo(tmp_path / "scans" / "one.png", width=300, height=200)
    samples = []
    for name, main_print in (("plates", "none"), ("both", "tiff")):
        job = job_of(tmp_path / "scans", tmp_path / name, f"print.format={main_print}")
        drive(job)
        if main_print == "none":
            made_by(tmp_path / name, _PLAIN, {}, "--format", "tiff")
        (row,) = prints(place_of(job))
        samples.append(row["luma_sha256"])
        (key,) = keys(place_of(job), "prints")
        samples.append(tifffile.imread(tmp_path / name / key).tobytes())
    assert samples[:2] == samples[2:]
