"""Weights: used where they lie, or fetched from a storage once for all workers of a machine.

What was fetched is kept under its sha256, as `weights/<sha256><suffix>` in this user's cache. One
process fetches while the others wait; if it dies, the kernel lets its lock go, and the next one
removes what it left.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from uuid import uuid4

from photochrom.colorize.errors import ModelError, SettingsError, WrongWeights
from photochrom.colorize.generator import weights_digest
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.generator.weights import digest as file_digest
from photochrom.jobs.errors import NotFound, StorageError
from photochrom.jobs.identity import digest
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Fetched, Store, split_uri

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what this machine's disk says, no storage
_SHA256 = re.compile(r"[0-9a-f]{64}")


def weights_sha256(job: Job) -> str:
    """Return the digest of a job's weights.

    Those in a storage are fetched for it, unless `paint.sha256` says it: then workers prove it.
    Raises ModelError, SettingsError, StorageError.
    """
    paint = job.paint
    uri = paint.weights or ""
    if "://" not in uri:
        return weights_digest(paint.model, Path(uri) if uri else None)
    if not find_model(paint.model).bytes:
        raise ModelError(f"{paint.model} has no weights: leave paint.weights out")
    if paint.sha256 is None:
        return _asked(uri, job.storage.source)
    if not _SHA256.fullmatch(paint.sha256.lower()):
        raise SettingsError(f"paint.sha256 is {paint.sha256!r}, which is not 64 hex digits")
    return paint.sha256.lower()


def weights_file(job: Job, sha256: str) -> Path | None:
    """Return a job's weights as a file of this machine; None if they are embedded.

    Raises StorageError, WrongWeights if those in the storage are others.
    """
    uri = job.paint.weights
    if uri is None or "://" not in uri:
        return Path(uri) if uri else None
    name = sha256 + PurePosixPath(uri).suffix
    for place in _places():
        if _has(place / "weights" / name, sha256):
            return place / "weights" / name
    with _alone() as folder:
        if not _has(folder / name, sha256):
            _fetch(uri, job.storage.source, folder, sha256)
        return folder / name


def kept_file(uri: str, access: Access) -> tuple[Path, str]:
    """Return a file of weights as one of this machine, and its sha256.

    One in a storage is fetched once. Raises ModelError, StorageError.
    """
    if "://" not in uri:
        return Path(uri), file_digest(Path(uri))
    sha256 = _asked(uri, access)
    name = sha256 + PurePosixPath(uri).suffix
    with _alone() as folder:
        if not _has(folder / name, sha256):
            _fetch(uri, access, folder, sha256)
        return folder / name, sha256


def _asked(uri: str, access: Access) -> str:
    """Return the digest of what a URI names: as noted of this version of it, else by fetching."""
    root, key = split_uri(uri)
    with _mendable(uri):
        version = Store(root, access).stat(key).version
    with _alone() as folder:
        note = folder / f"{digest(uri, access.endpoint, version)}.note"
        if note.is_file() and _SHA256.fullmatch(known := note.read_text()):
            return known
        found = _fetch(uri, access, folder)
        note = folder / f"{digest(uri, access.endpoint, found.version)}.note"
        note.write_text(found.sha256)
        return found.sha256


def _fetch(uri: str, access: Access, folder: Path, wanted: str | None = None) -> Fetched:
    """Fetch weights to the name that their digest gives them."""
    root, key = split_uri(uri)
    part = folder / f"{uuid4().hex}.part"
    with _mendable(uri):
        found = Store(root, access).fetch(key, part)
    if wanted not in (None, found.sha256):
        part.unlink()
        raise WrongWeights(
            f"{uri}: these weights are sha256 {found.sha256}, not {wanted}; put those there"
        )
    part.replace(folder / (found.sha256 + PurePosixPath(uri).suffix))
    return found


@contextmanager
def _mendable(uri: str) -> Iterator[None]:
    """Say of missing weights, and of no room for them here, how to mend it."""
    try:
        yield
    except NotFound as error:
        raise NotFound(f"{uri}: no such weights; put them there, or name others") from error
    except StorageError as error:
        if getattr(error.__cause__, "errno", None) not in _FULL:
            raise
        raise StorageError(
            f"{error}; make room, or set PHOTOCHROM_CACHE to another folder"
        ) from error


def _has(file: Path, sha256: str) -> bool:
    """Say whether a file is there and whole."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except OSError:
        return False


@contextmanager
def _alone() -> Iterator[Path]:
    """Give the folder for weights to this process alone, without what a killed one has left."""
    folder = _folder()
    try:
        lock = os.open(folder / "lock", os.O_RDONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob("*.part"):
                left.unlink()
            yield folder
        finally:
            os.close(lock)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot keep weights here: {error}; set PHOTOCHROM_CACHE to another folder"
        ) from error


def _folder() -> Path:
    """Return the first folder for weights that can be written."""
    for place in _places():
        with suppress(OSError):
            place.mkdir(0o700, parents=True, exist_ok=True)
            (place / "weights").mkdir(exist_ok=True)
            if os.access(place / "weights", os.W_OK | os.X_OK):
                return place / "weights"
    places = ", ".join(map(str, _places()))
    raise StorageError(f"no folder for weights: {places} cannot be written; set PHOTOCHROM_CACHE")


def _places() -> Iterator[Path]:
    """Yield where a cache may be: where the user says or systems have it, else with temporaries."""
    system = os.environ.get("XDG_CACHE_HOME", "")
    system = system if os.path.isabs(system) else os.path.expanduser("~/.cache")
    if named := os.environ.get("PHOTOCHROM_CACHE"):
        yield Path(os.path.abspath(os.path.expanduser(named)))
    elif os.path.isabs(system):  # a user may have no home
        yield Path(system, "photochrom")
    spare = Path(tempfile.gettempdir(), f"photochrom-cache-{os.getuid()}")
    if not _foreign(spare):
        yield spare


def _foreign(folder: Path) -> bool:
    """Say whether a folder among everybody's temporaries was put there by somebody else."""
    try:
        facts = folder.lstat()
    except OSError:
        return False
    return facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode)
