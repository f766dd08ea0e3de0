"""Finished jobs, made once and copied for each test that spoils one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from photochrom.jobs.storage.store import Store
from tests.jobs.archive import drive, job_of, write_colour_photo, write_photo, write_photos
from tests.jobs.program import Program


@pytest.fixture(scope="session")
def finished_tiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `scans` and a finished job of TIFF prints in `out`."""
    folder = tmp_path_factory.mktemp("finished")
    write_photos(folder / "scans", 4)
    drive(job_of(folder / "scans", folder / "out", "print.format=tiff"))
    return folder


@pytest.fixture
def place(finished_tiff: Path, tmp_path: Path) -> Store:
    """Copy the finished place to where it may be spoiled; its originals are shared."""
    shutil.copytree(finished_tiff / "out", tmp_path / "out")
    return Store(str(tmp_path / "out"))


@pytest.fixture
def job_folder(tmp_path: Path) -> Path:
    """Return a folder with six photos in `scans`."""
    write_photos(tmp_path / "scans", 6)
    return tmp_path


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """Run `photochrom` in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    return Program(monkeypatch, capsys)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder of nine photos, one in colour and three that cannot be read."""
    folder = tmp_path / "scans"
    write_photos(folder, 9)
    write_colour_photo(folder / "holiday.png")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "text.jpg").write_text("no photo")
    whole = write_photo(folder / "short.jpg", 40, width=200, height=200).read_bytes()
    (folder / "short.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("left out")
    return folder
