"""What is particular to local folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from photochrom.jobs.errors import BadAddress, NotFound, SourceChanged, StorageError, UnsafeStorage
from photochrom.jobs.storage.local import Folder
from photochrom.jobs.storage.store import Store


def test_a_killed_writer_leaves_no_object(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from photochrom.jobs.storage.store import Store\n"
        "os.fsync = lambda fd: os.kill(os.getpid(), 9)\n"
        "getattr(Store(sys.argv[1]), sys.argv[2])('ledger/shard', b'half')\n"
    )
    store = Store(str(tmp_path))
    for verb in ("put", "put_if_absent"):
        run = subprocess.run([sys.executable, "-c", code, str(tmp_path), verb], timeout=60)
        assert run.returncode == -9
    assert len(list(tmp_path.rglob(".photochrom-*"))) == 2
    assert list(store.list()) == []
    assert store.put_if_absent("ledger/shard", b"whole")


def test_a_failed_write_removes_its_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        Store(str(tmp_path)).put("a", b"x")
    assert caught.value.retriable
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_hard_links_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    with pytest.raises(UnsafeStorage, match="no hard links"):
        Store(str(tmp_path)).probe()


def test_a_file_written_to_while_it_is_read_has_changed(tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(b"x" * (3 << 20))
    _, chunks = Folder(f"file://{tmp_path}").open("scan", "")
    next(chunks)
    with (tmp_path / "scan").open("ab") as file:
        file.write(b"more")
    with pytest.raises(SourceChanged, match="while it was read"):
        list(chunks)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/a.tif").write_bytes(b"x")
    (tmp_path / "scans/up").symlink_to(tmp_path)
    (tmp_path / "scans/gone.tif").symlink_to(tmp_path / "nowhere")
    (tmp_path / "other").symlink_to(tmp_path / "scans")
    store = Store(str(tmp_path))
    found = [entry.key for entry in store.list()]
    assert found == ["other/a.tif", "other/gone.tif", "scans/a.tif", "scans/gone.tif"]
    with pytest.raises(NotFound):
        store.read("scans/gone.tif")


def test_a_name_that_is_not_utf8_is_said(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xe9.tif")).write_bytes(b"x")
    with pytest.raises(BadAddress, match="not UTF-8"):
        list(Store(str(tmp_path)).list())


def test_a_fetch_that_cannot_be_kept_names_the_target(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put("a", b"x")
    with pytest.raises(StorageError, match=str(tmp_path / "no/folder")):
        store.fetch("a", tmp_path / "no/folder")


@pytest.mark.parametrize("link", [False, True])
def test_pipes_and_devices_are_no_files(link: bool, tmp_path: Path) -> None:
    """Nobody writes into the pipe; /dev/zero never ends."""
    if link:
        (tmp_path / "a.tif").symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(StorageError):
        Store(str(tmp_path)).fetch("a.tif", tmp_path / "copy")
