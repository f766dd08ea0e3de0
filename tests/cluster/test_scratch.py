"""What a killed process leaves on a disk is removed by the next one, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from photochrom.cluster.scratch import YOUNG_SECONDS, scratch_folder

HOLD = """
import sys
from pathlib import Path
from photochrom.cluster.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "scan").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


def hold(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a scratch folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def age(folder: Path) -> None:
    old = time.time() - 2 * YOUNG_SECONDS
    os.utime(folder, (old, old))


def test_a_scratch_folder_is_private_and_ends_with_its_block(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "scan").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_only_what_nobody_holds_is_swept(tmp_path: Path) -> None:
    others = tmp_path / "photochrom-of-somebody-else"
    others.mkdir()
    living, held = hold(tmp_path)
    killed, abandoned = hold(tmp_path)
    with living, killed:
        killed.kill()
        killed.wait()
        for folder in (others, held, abandoned):
            age(folder)
        with scratch_folder(tmp_path):
            assert (held / "scan").exists()
            assert not abandoned.exists()
        living.communicate()
    assert list(tmp_path.iterdir()) == [others]


def test_a_folder_that_was_made_just_now_is_left(tmp_path: Path) -> None:
    killed, abandoned = hold(tmp_path)
    with killed:
        killed.kill()
        killed.wait()
        with scratch_folder(tmp_path):
            assert abandoned.exists()


def test_a_folder_that_is_still_written_to_is_removed_all_the_same(tmp_path: Path) -> None:
    def write() -> None:
        for number in range(400):
            with suppress(FileNotFoundError):
                (folder / f"{number}.log").touch()
            time.sleep(0.001)

    with scratch_folder(tmp_path) as folder:
        writer = threading.Thread(target=write)
        writer.start()
        while not list(folder.iterdir()):
            time.sleep(0.001)
    writer.join()
    assert list(tmp_path.iterdir()) == []
