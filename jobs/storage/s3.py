"""Objects in an S3 bucket, through s3fs, with nothing cached and every answer checked."""

from __future__ import annotations

import base64
import errno
import hashlib
import mimetypes
import os
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiobotocore.session import AioSession  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.handlers import add_expect_header  # type: ignore[import-untyped]
from botocore.utils import parse_timestamp  # type: ignore[import-untyped]
from fsspec.asyn import sync
from s3fs import S3FileSystem

from photochrom.jobs.errors import (
    AccessDenied,
    BadAddress,
    NotFound,
    SourceChanged,
    StorageError,
    UnsafeStorage,
)
from photochrom.jobs.storage.access import CHUNK, Access, Entry, Leftover, explain_os_error

RETRIES = 5
READ_TIMEOUT = 60
PATIENCE = 600.0  # seconds for a call with all its retries, and more for
SLOWEST = 1 << 17  # bytes a second
PART = 8 << 20
PARTS_AT_ONCE = 4
CONNECTIONS = 64
_BREAKS = 3
_CONFLICT_PAUSES = (0.1, 0.3, 1.0, 3.0)
_KINDS: dict[int, type[StorageError]] = {
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    412: SourceChanged,
}
_BEYOND_THE_END = 416
_NOT_TOLD = {403, 405, 501}
_NO_SUCH_VERSION = {400, 403, 404, 405, 501}
_LIBRARY_ERRORS = (BotoCoreError, ClientError, aiohttp.ClientError)
_NO_IDENTITY = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)


class Bucket:
    """A prefix of an S3 bucket."""

    failures: tuple[type[Exception], ...] = (OSError, *_LIBRARY_ERRORS)

    def __init__(self, root: str, access: Access) -> None:
        self._root = root
        self._bucket, _, base = root.removeprefix("s3://").partition("/")
        self._base = f"{base}/" if base else ""
        self._files = _connect(access)
        self._seals = access.endpoint is not None  # for Amazon's, botocore adds a checksum itself

    def _call(self, method: str, key: str, **more: Any) -> Any:
        where = {"Bucket": self._bucket, "Key": self._base + key}
        size = len(more.get("Body", b""))
        return self._wait(size, self._files._call_s3, method, **where, **more)

    def _wait(self, size: int, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Run a call on s3fs's loop, but not for ever: a server may stop reading."""
        limit = PATIENCE + size / SLOWEST
        return sync(self._files.loop, call, *args, timeout=limit, **more)

    def open(self, key: str, version: str) -> tuple[str, Generator[bytes]]:
        """Start reading what stands, or what is pinned if it still exists."""
        answer = self._get(key, version)
        return version or _version(answer), self._chunks(key, answer)

    def read_range(self, key: str, start: int, length: int, version: str) -> bytes:
        """Get some bytes of what stands, or of what is pinned if it still exists."""
        try:
            answer = self._get(key, version, Range=f"bytes={start}-{start + length - 1}")
        except self.failures as error:
            if _status(error) != _BEYOND_THE_END:
                raise
            self._close(self._get(key, version))  # that it is there, and as pinned
            return b""
        if answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            return b"".join(self._chunks(key, answer, start))
        self._close(answer)
        raise OSError(errno.ENOTSUP, "the storage does not serve ranges of bytes")

    def _get(self, key: str, version: str, **more: str) -> Any:
        """Ask for what stands now, and for an older VersionId only if that is another version."""
        missing: Exception | None = None
        try:
            answer = self._call("get_object", key, **more)
            if not version or version in (_version(answer), _etag_and_size(answer)):
                return answer
            self._close(answer)
        except FileNotFoundError as error:
            if not version:
                raise
            missing = error
        except self.failures as error:
            # a range may lie beyond what stands now, but not beyond what is pinned
            if _status(error) != _BEYOND_THE_END or version in ("", self.stat(key).version):
                raise
        older = self._get_older(key, version, **more)
        if older is None:
            gone = SourceChanged(f"{self._root}/{key}: the pinned version {version} is gone")
            raise missing or gone
        return older

    def _get_older(self, key: str, version: str, **more: str) -> Any | None:
        try:
            answer = self._call("get_object", key, VersionId=version, **more)
        except self.failures as error:
            if _status(error) in _NO_SUCH_VERSION:
                return None
            raise
        if answer.get("VersionId") == version:
            return answer
        self._close(answer)  # SeaweedFS gives what stands when a bucket has no versions
        return None

    def _chunks(self, key: str, answer: Any, start: int = 0) -> Generator[bytes]:
        """Stream the body; where the connection breaks, go on from there with the same object."""
        same = {"IfMatch": answer["ETag"]} | _version_id(answer)
        done, size = 0, answer["ContentLength"]
        for breaks in range(_BREAKS + 1):
            try:
                while chunk := self._wait(CHUNK, _gather, answer["Body"]):
                    done += len(chunk)
                    yield chunk
                if done == size:
                    return
            except self.failures:
                if breaks == _BREAKS or done >= size:
                    raise
            finally:
                self._close(answer)
            left = f"bytes={start + done}-{start + size - 1}"
            answer = self._call("get_object", key, Range=left, **same)
        raise ConnectionError(f"{done} of {size} bytes came")

    def _close(self, answer: Any) -> None:
        self._files.loop.call_soon_threadsafe(answer["Body"].close)

    def write(self, key: str, data: bytes) -> None:
        """Write bytes, whole or not at all."""
        if len(data) < 2 * PART:
            self._call("put_object", key, Body=data, **self._sealed(key, data))
        else:
            more = {"chunksize": PART, **_content_type(key)}
            self._wait(len(data), self._files._pipe_file, self._path(key), data, **more)

    def upload(self, key: str, path: Path) -> None:
        """Write a file's bytes, whole or not at all."""
        size = path.stat().st_size
        if size < 2 * PART:
            self.write(key, path.read_bytes())
        else:
            more = {"chunksize": PART, **_content_type(key)}
            self._wait(size, self._files._put_file, str(path), self._path(key), **more)

    def _path(self, key: str) -> str:
        return f"{self._bucket}/{self._base}{key}"

    def _sealed(self, key: str, data: bytes) -> dict[str, str]:
        """Seal the bytes: SeaweedFS stores an empty object if the line breaks before them."""
        if not self._seals:
            return _content_type(key)
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"ContentMD5": base64.b64encode(digest).decode(), **_content_type(key)}

    def create(self, key: str, data: bytes) -> bool:
        """Write bytes only if nothing stands there."""
        for pause in (*_CONFLICT_PAUSES, None):
            try:
                self._call("put_object", key, Body=data, IfNoneMatch="*", **self._sealed(key, data))
            except self.failures as error:
                status = _status(error)
                if status == 412:
                    return False
                if status == 501:
                    raise UnsafeStorage(f"{self._root}: knows no conditional creates") from error
                if status != 409 or pause is None:
                    raise
                time.sleep(pause)
            else:
                return True
        raise AssertionError("the last pause is None")

    def list(self, folder: str) -> Iterator[Entry]:
        """Sort here: not every server lists in the order of keys."""
        found = [
            _entry(item["Key"].removeprefix(self._base), item, item["Size"])
            for page in self._pages(folder)
            for item in page.get("Contents", ())
            if not item["Key"].endswith("/")
        ]
        return iter(sorted(found, key=lambda entry: entry.key))

    def folders(self, folder: str) -> tuple[str, ...]:
        """Let the server look for the slashes."""
        found = (
            item["Prefix"].split("/")[-2]
            for page in self._pages(folder, Delimiter="/")
            for item in page.get("CommonPrefixes", ())
        )
        return tuple(sorted(found))

    def _pages(self, folder: str, **more: str) -> Iterator[Any]:
        """Ask for a listing, page by page."""
        token: dict[str, str] = {}
        where = {"Bucket": self._bucket, "Prefix": self._base + folder} | more
        while True:
            page = self._wait(0, self._files._call_s3, "list_objects_v2", **where, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def stat(self, key: str) -> Entry:
        """Look at an object."""
        answer = self._call("head_object", key)
        return _entry(key, answer, answer["ContentLength"])

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._call("delete_object", key)

    def leftovers(self, folder: str) -> Iterator[Leftover]:
        """List uploads in parts that are not complete, where the server tells them and their age.

        What their parts take, nobody tells.
        """
        where = {"Bucket": self._bucket, "Prefix": self._base + folder}
        markers: dict[str, str] = {}
        while True:
            try:
                page = self._wait(
                    0, self._files._call_s3, "list_multipart_uploads", **where, **markers
                )
            except self.failures as error:
                if _status(error) in _NOT_TOLD:
                    return
                raise
            for upload in page.get("Uploads") or ():
                if begun := upload.get("Initiated"):
                    key = upload["Key"].removeprefix(self._base)
                    yield Leftover(key, 0, begun.astimezone(UTC), upload["UploadId"])
            names = ("KeyMarker", "UploadIdMarker")
            after = {name: page[f"Next{name}"] for name in names if page.get(f"Next{name}")}
            if not page.get("IsTruncated") or not after or after == markers:
                return
            markers = after

    def discard(self, leftover: Leftover) -> None:
        """Abort an upload in parts, which removes its parts; what has no name is an object."""
        if leftover.name:
            self._call("abort_multipart_upload", leftover.key, UploadId=leftover.name)
        else:
            self.delete(leftover.key)

    def explain(self, error: Exception) -> tuple[type[StorageError], str]:
        """Name the code only: a server's message may repeat the access key."""
        if isinstance(error, _NO_IDENTITY):
            return AccessDenied, str(error)
        if isinstance(error, ParamValidationError) or isinstance(
            error.__cause__, ParamValidationError
        ):
            return BadAddress, " ".join(str(error).split())
        answer = _answer(error)
        if answer is None:
            return explain_os_error(error)
        code = answer.get("Error", {}).get("Code", "no code")
        status = _status(error)
        denied = AccessDenied if isinstance(error, PermissionError) else StorageError
        return _KINDS.get(status, denied), f"{code} (HTTP {status})"


def _connect(access: Access) -> S3FileSystem:
    config: dict[str, Any] = {
        "retries": {"mode": "standard", "max_attempts": RETRIES},
        "connect_timeout": 10,
        "read_timeout": READ_TIMEOUT,
        "max_pool_connections": CONNECTIONS,
    }
    if access.endpoint:
        # some servers that aren't Amazon's refuse botocore's checksums; ours are Content-MD5
        config["request_checksum_calculation"] = "when_required"
        config["response_checksum_validation"] = "when_required"
    session = AioSession(profile=access.profile)
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_instant)
    # waiting for "100 Continue" costs a round trip and has no timeout
    session.unregister("before-call.s3", add_expect_header)
    files = S3FileSystem(
        session=session,
        anon=access.anonymous,
        endpoint_url=access.endpoint,
        key=_secret(access.access_key_env),
        secret=_secret(access.secret_key_env),
        client_kwargs={"region_name": access.region} if access.region else {},
        config_kwargs=config,
        max_concurrency=PARTS_AT_ONCE,
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    files.retries = 1  # botocore retries already
    return files


def _secret(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise AccessDenied(f"the environment variable {name}, named in the settings, is not set")
    return os.environ[name]


def _instant(value: Any) -> datetime:
    """Read a time; botocore tries all notations there are, which takes most of a listing's time."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        found = parse_timestamp(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def _gather(body: Any) -> bytes:
    """Read up to a chunk: aiohttp hands out whatever has arrived."""
    parts: list[bytes] = []
    room = CHUNK
    while room and (part := await body.read(room)):
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _entry(key: str, item: Any, size: int) -> Entry:
    version = _version({"ContentLength": size} | item)
    kind = item.get("StorageClass", "STANDARD")  # a listing says STANDARD, a HEAD says nothing
    modified = item["LastModified"].astimezone(UTC)
    return Entry(key, size, version, modified, "" if kind == "STANDARD" else kind)


def _version_id(answer: Any) -> dict[str, str]:
    """Get the VersionId, unless it is the one that every write to an unversioned bucket has."""
    version = answer.get("VersionId", "null")
    return {} if version == "null" else {"VersionId": version}


def _version(answer: Any) -> str:
    return _version_id(answer).get("VersionId") or _etag_and_size(answer)


def _etag_and_size(answer: Any) -> str:
    """Return the tag and the object's whole size, also where a range of it was asked for."""
    whole = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
    return f"{answer['ETag'].strip(chr(34))}-{whole}"


def _content_type(key: str) -> dict[str, str]:
    kind, _ = mimetypes.guess_type(key)
    return {"ContentType": kind} if kind else {}


def _answer(error: BaseException | None) -> dict[str, Any] | None:
    """Find what the server said below the error that s3fs made of it."""
    while error is not None:
        if isinstance(error, ClientError):
            return dict(error.response)
        error = error.__cause__
    return None


def _status(error: BaseException) -> int:
    answer = _answer(error) or {}
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
