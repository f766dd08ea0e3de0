"""Store: the only door to storage, over local folders, S3 and memory.

Keys are relative to the root. Nothing is cached, so a listing always shows what stands; creating
is first-writer-wins, which is what commits are made of; errors are ours and name the URI.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from photochrom.jobs.errors import BadAddress, NotFound, StorageError, UnsafeStorage
from photochrom.jobs.storage.access import Access, Entry, Leftover, Place
from photochrom.jobs.storage.local import Folder, Memory

__all__ = ["Access", "Entry", "Fetched", "Leftover", "Store", "split_uri"]


_CREATIONS = 3  # of one object, before a storage that contradicts itself is believed to fail


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: bytes, their sha256, and the version they are."""

    size: int
    sha256: str
    version: str


def split_uri(uri: str) -> tuple[str, str]:
    """Split an object's URI, or its path, into the widest root and the key under it."""
    whole = _normal(uri)
    scheme, rest = whole.split("://", 1)
    if scheme == "file":
        return "file:///", _checked(rest.lstrip("/"))
    first, _, key = rest.partition("/")
    return f"{scheme}://{first}", _checked(key)


def _normal(uri: str) -> str:
    """Write a URI with a known scheme and no slash at its end; URIs are not percent-decoded."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return "file://" + os.path.abspath(os.path.expanduser(uri)).rstrip("/")
    if scheme == "file":
        return "file://" + os.path.abspath(rest).rstrip("/")
    if scheme not in ("s3", "memory"):
        raise BadAddress(f"{scheme}://: no such storage; there are file://, s3:// and memory://")
    rest = rest.strip("/")
    if "@" in rest.partition("/")[0] or (scheme == "s3" and not rest):
        raise BadAddress(f"{scheme}://: a bucket's name must follow, and no credentials")
    return f"{scheme}://{rest}"


def _checked(key: str) -> str:
    """Refuse keys that could leave the root, or that not every place and table can hold."""
    parts = key.split("/")
    if not parts[0] or not parts[-1] or ".." in parts:
        raise BadAddress(f"{key!r} is no key: it is empty, absolute, a folder or has '..'")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in key):
        raise BadAddress(f"{key!r} is no key: it has control characters")
    return _utf8(key)


def _utf8(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise BadAddress(f"{key!r} is not UTF-8; rename it") from None
    return key


class Store:
    """The objects under one root; threads share it, forks and pickles connect anew."""

    def __init__(self, root: str, access: Access | None = None) -> None:
        self.root = _normal(root)
        self.access = access or Access()
        self._places: dict[int, Place] = {}

    def __repr__(self) -> str:
        return f"Store({self.root!r}, {self.access!r})"

    def __getstate__(self) -> tuple[str, Access]:
        return self.root, self.access

    def __setstate__(self, state: tuple[str, Access]) -> None:
        self.root, self.access = state
        self._places = {}

    def uri(self, key: str) -> str:
        """Name an object in full."""
        return f"{self.root}/{key}"

    def read(self, key: str, version: str = "") -> bytes:
        """Get an object whole; raise SourceChanged if its pin is broken."""
        _, chunks = self._stream(key, version)
        return b"".join(chunks)

    def read_range(self, key: str, start: int, length: int, version: str = "") -> bytes:
        """Get `length` bytes from `start` on, or those of them that there are.

        Raises SourceChanged if a pin is broken, as `fetch` does.
        """
        if start < 0 or length < 1:
            raise ValueError(f"{length} bytes from {start} on are no range")
        with self._at(key) as place:
            return place.read_range(key, start, length, version)

    def fetch(self, key: str, path: Path, version: str = "") -> Fetched:
        """Stream an object to a file, hashing on the way; raise SourceChanged if its pin is broken.

        The pin is what `list` or `stat` said: on S3 a VersionId or ETag and size, locally the
        time of writing and size. None asked, the version found is given back.
        """
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("wb") as file:
                found, chunks = self._stream(key, version)
                with closing(chunks):
                    for chunk in chunks:
                        digest.update(chunk)
                        size += file.write(chunk)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise StorageError(f"{path}: cannot keep {self.uri(key)} here: {error}") from error
            raise
        return Fetched(size, digest.hexdigest(), found)

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all, over any that stands."""
        with self._at(key) as place:
            place.write(key, data)

    def put_file(self, key: str, path: Path) -> None:
        """Write a file's bytes as an object, whole or not at all, over any that stands."""
        with self._at(key) as place:
            place.upload(key, path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create an object; say whether the one that stands has our bytes.

        A refused create may be the repetition of our own, whose answer was lost: so we look, and
        where nothing stands after all, create it again.
        """
        for _ in range(_CREATIONS):
            with self._at(key) as place:
                if place.create(key, data):
                    return True
            with suppress(NotFound):
                return self.read(key) == data
        raise StorageError(f"{self.uri(key)}: said to stand, but it is not there")

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """List all objects below a folder, sorted by key; a folder that isn't there has none."""
        folder = prefix.rstrip("/")
        with self._in(_checked(folder) if folder else "") as place:
            for entry in place.list(f"{folder}/" if folder else ""):
                _utf8(entry.key)
                yield entry

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Name the folders right below one that have objects, sorted, without listing those."""
        folder = prefix.rstrip("/")
        with self._in(_checked(folder)) as place:
            return place.folders(f"{folder}/")

    def stat(self, key: str) -> Entry:
        """Look at an object without reading it."""
        with self._at(key) as place:
            return place.stat(key)

    def exists(self, key: str) -> bool:
        """Say whether an object stands."""
        try:
            self.stat(key)
        except NotFound:
            return False
        return True

    def answer(self, key: str) -> None:
        """Raise StorageError if nothing answers: that the object is absent or denied is one."""
        try:
            self.stat(key)
        except StorageError as error:
            if error.retriable:
                raise

    def delete(self, key: str) -> None:
        """Remove an object; one that is absent is fine."""
        with suppress(NotFound), self._at(key) as place:
            place.delete(key)

    def leftovers(self, folder: str) -> Iterator[Leftover]:
        """List writes below a folder that were begun and have not ended: they may yet."""
        with self._in(_checked(folder)) as place:
            yield from place.leftovers(f"{folder}/")

    def discard(self, leftover: Leftover) -> None:
        """Remove what a write left; what is gone already is fine."""
        with suppress(NotFound), self._at(leftover.key) as place:
            place.discard(leftover)

    def clock(self) -> datetime:
        """Return the time by the storage's clock, which dates all objects."""
        key = f".probe/{uuid4().hex}"
        self.put(key, b"")
        try:
            return self.stat(key).modified
        finally:
            with suppress(StorageError):
                self.delete(key)

    def probe(self) -> None:
        """Raise UnsafeStorage if a second create of the same object isn't refused."""
        key = f".probe/{uuid4().hex}"
        try:
            first = self.put_if_absent(key, b"first")
            second = self.put_if_absent(key, b"second")
        finally:
            with suppress(StorageError):
                self.delete(key)
        if second or not first:
            raise UnsafeStorage(
                f"{self.root}: the storage ignores conditional creates (If-None-Match: *), so two "
                "workers could overwrite each other's commits; use one that honours them"
            )

    def _stream(self, key: str, version: str) -> tuple[str, Generator[bytes]]:
        with self._at(key) as place:
            found, chunks = place.open(key, version)
        return found, self._named(key, chunks)

    def _named(self, key: str, chunks: Generator[bytes]) -> Generator[bytes]:
        with self._at(key), closing(chunks):
            yield from chunks

    def _at(self, key: str) -> AbstractContextManager[Place]:
        return self._in(_checked(key))

    @contextmanager
    def _in(self, spot: str) -> Iterator[Place]:
        """Give this process's place, and turn its errors into ours."""
        # dict operations are atomic and a place connects late, so no lock that a fork could freeze
        place = self._places.get(os.getpid())
        place = place or self._places.setdefault(os.getpid(), self._open())
        try:
            yield place
        except place.failures as error:
            kind, what = place.explain(error)
            raise kind(f"{self.uri(spot)}: {what}") from error

    def _open(self) -> Place:
        if self.root.startswith("s3://"):
            # s3fs takes half a second to import
            from photochrom.jobs.storage.s3 import Bucket

            return Bucket(self.root, self.access)
        return Folder(self.root) if self.root.startswith("file://") else Memory(self.root)
