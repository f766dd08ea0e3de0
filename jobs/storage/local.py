"""Objects in a local folder, and objects in this process's memory."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from photochrom.jobs.errors import SourceChanged, StorageError, UnsafeStorage
from photochrom.jobs.storage.access import CHUNK, Entry, Leftover, explain_os_error

_TEMPORARY = ".photochrom-"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class Folder:
    """A folder of the local file system, or of one mounted here."""

    failures: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, root: str) -> None:
        self._root = Path(root.removeprefix("file://") or "/")

    def open(self, key: str, version: str) -> tuple[str, Generator[bytes]]:
        """Open the object that stands; a pin must be its version."""
        file, found = self._opened(key, version)
        return found, self._chunks(file, found)

    def read_range(self, key: str, start: int, length: int, version: str) -> bytes:
        """Get some bytes of the object that stands."""
        file, found = self._opened(key, version)
        with file:
            file.seek(start)
            data = file.read(length)
            _check_unchanged(file, found)
        return data

    def _opened(self, key: str, version: str) -> tuple[BinaryIO, str]:
        self.stat(key)  # a pipe would never answer, and a device never end
        file = (self._root / key).open("rb")
        found = _local_version(os.fstat(file.fileno()))
        if version not in ("", found):
            file.close()
            raise SourceChanged(f"{self._root / key}: pinned as {version}, now {found}")
        return file, found

    def _chunks(self, file: BinaryIO, found: str) -> Generator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk
            _check_unchanged(file, found)

    def write(self, key: str, data: bytes) -> None:
        """Write bytes, whole or not at all."""
        self._publish(key, io.BytesIO(data), os.replace)

    def upload(self, key: str, path: Path) -> None:
        """Write a file's bytes, whole or not at all."""
        with path.open("rb") as source:
            self._publish(key, source, os.replace)

    def create(self, key: str, data: bytes) -> bool:
        """Write bytes only if nothing stands there: a link is refused where a name exists."""
        try:
            self._publish(key, io.BytesIO(data), os.link)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise UnsafeStorage(f"{self._root}: no hard links here, so no safe commits") from error
        return True

    def _publish(self, key: str, source: BinaryIO, settle: Callable[[Path, Path], None]) -> None:
        """Write beside the target, make it durable, then let it appear whole."""
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{_TEMPORARY}{uuid4().hex}.tmp")
        try:
            with temporary.open("xb") as file:
                shutil.copyfileobj(source, file, CHUNK)
                file.flush()
                os.fsync(file.fileno())
            settle(temporary, target)
            _sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def list(self, folder: str) -> Iterator[Entry]:
        """List what stands below a folder, sorted by key."""
        return self._walk(folder, ())

    def _walk(self, folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
        """Follow links to folders too, but never into a folder we are in."""
        try:
            this = os.stat(self._root / folder)
            found = list(os.scandir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        here = (this.st_dev, this.st_ino)
        if here in above:
            return
        # "a.tif" sorts before "a/b.tif", as it does on S3
        for item in sorted(found, key=lambda item: item.name + "/" * _is_folder(item)):
            if _is_folder(item):
                yield from self._walk(f"{folder}{item.name}/", (*above, here))
            elif status := _look(item):
                yield _local_entry(folder + item.name, status)

    def folders(self, folder: str) -> tuple[str, ...]:
        """Name the folders right below one, sorted."""
        try:
            found = list(os.scandir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted(item.name for item in found if _is_folder(item)))

    def stat(self, key: str) -> Entry:
        """Look at an object."""
        path = self._root / key
        status = path.stat()
        if not path.is_file():
            raise IsADirectoryError(errno.EISDIR, "not a file", str(path))
        return _local_entry(key, status)

    def delete(self, key: str) -> None:
        """Remove an object."""
        (self._root / key).unlink(missing_ok=True)

    def leftovers(self, folder: str) -> Iterator[Leftover]:
        """List temporary files: a write that lives may be among them."""
        for path in (self._root / folder).rglob(f"{_TEMPORARY}*.tmp"):
            with suppress(FileNotFoundError):
                status = path.stat()
                begun = datetime.fromtimestamp(status.st_mtime, UTC)
                yield Leftover(str(path.relative_to(self._root)), status.st_size, begun)

    def discard(self, leftover: Leftover) -> None:
        """Remove a temporary file."""
        self.delete(leftover.key)

    def explain(self, error: Exception) -> tuple[type[StorageError], str]:
        """Say what an error means."""
        return explain_os_error(error)


def _check_unchanged(file: BinaryIO, found: str) -> None:
    if _local_version(os.fstat(file.fileno())) != found:
        raise SourceChanged(f"{file.name}: written to while it was read")


def _sync(folder: Path) -> None:
    """Make a folder's new names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_folder(item: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder; a link that leads round in a circle is none."""
    try:
        return item.is_dir()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _look(item: os.DirEntry[str]) -> os.stat_result | None:
    """Stat a file that is an object; a dangling link is one, so that its failure becomes a row."""
    if item.name.startswith(_TEMPORARY) or not (item.is_symlink() or item.is_file()):
        return None
    for follow in (True, False):
        try:
            return item.stat(follow_symlinks=follow)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise
    return None


def _local_entry(key: str, status: os.stat_result) -> Entry:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Entry(key, status.st_size, _local_version(status), modified)


def _local_version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size}"


class Memory:
    """Objects in this process, for tests and trials; all Memory places share one heap."""

    failures: tuple[type[Exception], ...] = (OSError,)
    _lock = threading.RLock()

    def __init__(self, root: str) -> None:
        from fsspec.implementations.memory import MemoryFileSystem

        self._root = "/" + root.removeprefix("memory://")
        self._files = MemoryFileSystem(skip_instance_cache=True)

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    def open(self, key: str, version: str) -> tuple[str, Generator[bytes]]:
        """Open the object that stands; a pin must be its version."""
        data, found = self._held(key, version)
        return found, (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))

    def read_range(self, key: str, start: int, length: int, version: str) -> bytes:
        """Get some bytes of the object that stands."""
        return self._held(key, version)[0][start : start + length]

    def _held(self, key: str, version: str) -> tuple[bytes, str]:
        data: bytes = self._files.cat_file(self._path(key))
        found = _content_version(data)
        if version not in ("", found):
            raise SourceChanged(f"memory:/{self._path(key)}: pinned as {version}, now {found}")
        return data, found

    def write(self, key: str, data: bytes) -> None:
        """Write bytes, whole or not at all."""
        with self._lock:
            self._files.pipe_file(self._path(key), data)

    def upload(self, key: str, path: Path) -> None:
        """Write a file's bytes, whole or not at all."""
        self.write(key, path.read_bytes())

    def create(self, key: str, data: bytes) -> bool:
        """Write bytes only if nothing stands there."""
        with self._lock:
            if self._files.isfile(self._path(key)):
                return False
            self.write(key, data)
            return True

    def list(self, folder: str) -> Iterator[Entry]:
        """List what stands below a folder, sorted by key."""
        with self._lock:
            below = len(self._path(""))
            paths = sorted(self._files.find(self._path(folder)))
            entries = [self.stat(path[below:]) for path in paths]
        return iter(entries)

    def folders(self, folder: str) -> tuple[str, ...]:
        """Name the folders right below one, sorted."""
        below = (entry.key.removeprefix(folder).split("/") for entry in self.list(folder))
        return tuple(sorted({name for name, *rest in below if rest}))

    def stat(self, key: str) -> Entry:
        """Look at an object."""
        with self._lock:
            data: bytes = self._files.cat_file(self._path(key))
            modified: datetime = self._files.modified(self._path(key))
        return Entry(key, len(data), _content_version(data), modified)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._lock:
            self._files.rm_file(self._path(key))

    def leftovers(self, folder: str) -> Iterator[Leftover]:
        """There are none: writes end at once."""
        return iter(())

    def discard(self, leftover: Leftover) -> None:
        """Do nothing, as there are none."""

    def explain(self, error: Exception) -> tuple[type[StorageError], str]:
        """Say what an error means."""
        return explain_os_error(error)


def _content_version(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:32]}-{len(data)}"
