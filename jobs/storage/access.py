"""Where objects live and as whom we come: Access, and what every Place can do.

A Place speaks one protocol under one root, with keys that its Store has checked. It raises the
errors of its own library, which its `explain` turns into ours.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from photochrom.jobs.errors import AccessDenied, NotFound, StorageError

CHUNK = 1 << 20

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Access(BaseModel):
    """Where a storage answers and as whom we come; keys are named by environment variable only."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+/?$")] | None = None
    region: str | None = None
    profile: str | None = None
    access_key_env: EnvironmentName | None = None
    secret_key_env: EnvironmentName | None = None
    anonymous: bool = False

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if (self.access_key_env is None) != (self.secret_key_env is None):
            raise ValueError("access_key_env and secret_key_env go together")
        if sum((self.anonymous, self.profile is not None, self.access_key_env is not None)) > 1:
            raise ValueError("choose one of anonymous, profile and access_key_env")
        return self


@dataclass(frozen=True, slots=True)
class Entry:
    """An object that stands: its key under the root, bytes, version and time of writing (UTC)."""

    key: str
    size: int
    version: str
    modified: datetime
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A write that was begun and never ended: its key, bytes, begin (UTC), the storage's name."""

    key: str
    size: int
    begun: datetime
    name: str = ""


class Place(Protocol):
    """What one protocol does under one root; `failures` are the errors `explain` understands."""

    failures: tuple[type[Exception], ...]

    def open(self, key: str, version: str) -> tuple[str, Generator[bytes]]:
        """Start reading; give the version that is read and its chunks."""

    def read_range(self, key: str, start: int, length: int, version: str) -> bytes:
        """Get some bytes, or those of them that there are, of what stands or is pinned."""

    def write(self, key: str, data: bytes) -> None:
        """Write bytes, whole or not at all."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's bytes, whole or not at all."""

    def create(self, key: str, data: bytes) -> bool:
        """Write bytes only if nothing stands there; say whether it was done."""

    def list(self, folder: str) -> Iterator[Entry]:
        """List what stands below a folder ("" or ending in a slash), sorted by key."""

    def folders(self, folder: str) -> tuple[str, ...]:
        """Name the folders right below one ("" or ending in a slash), sorted."""

    def stat(self, key: str) -> Entry:
        """Look at an object."""

    def delete(self, key: str) -> None:
        """Remove an object."""

    def leftovers(self, folder: str) -> Iterator[Leftover]:
        """List what writes below a folder (ending in a slash) left when their processes died."""

    def discard(self, leftover: Leftover) -> None:
        """Remove what a write left."""

    def explain(self, error: Exception) -> tuple[type[StorageError], str]:
        """Say in one line, without credentials, what one of `failures` means."""


def explain_os_error(error: Exception) -> tuple[type[StorageError], str]:
    """Say in one line what an error of the operating system means for an object."""
    what = str(getattr(error, "strerror", None) or error).partition("\n")[0]
    what = what or type(error).__name__
    if file := getattr(error, "filename", None):
        what = f"{what}: {file}"
    nowhere = getattr(error, "errno", None) in (errno.ENAMETOOLONG, errno.ELOOP)
    if nowhere or isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return NotFound, f"no such object ({what})"
    return AccessDenied if isinstance(error, PermissionError) else StorageError, what
