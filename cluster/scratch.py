"""Scratch folders: gone with their block, or swept by the next one if their process was killed."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "photochrom."
DYING_SECONDS = 5.0
YOUNG_SECONDS = 60.0  # its maker may not hold it yet


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """Make a private folder, below the system's own or `place`, and remove it at the end.

    The kernel lets go of a held folder when its process dies, however it dies: that is how the
    next one knows it for abandoned, across containers too.
    """
    place = place or Path(tempfile.gettempdir())
    sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    held = _open(folder)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        _remove(folder)
        os.close(held)


def _remove(folder: Path) -> None:
    """Remove a folder that dying processes may still write to; give up after some seconds."""
    deadline = time.monotonic() + DYING_SECONDS
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def sweep(place: Path) -> None:
    """Remove this user's scratch folders that no process holds any more."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    """Remove a folder unless it is held, which raises BlockingIOError."""
    found = _open(folder)
    try:
        facts = os.fstat(found)
        if facts.st_uid != os.getuid() or time.time() - facts.st_mtime < YOUNG_SECONDS:
            return
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(found)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
