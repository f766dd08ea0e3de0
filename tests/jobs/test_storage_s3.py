"""What is particular to S3: identities, versions, pages, broken lines, odd answers."""

from __future__ import annotations

import hashlib
import os
import pickle
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from photochrom.jobs.errors import (
    AccessDenied,
    NotFound,
    SourceChanged,
    StorageError,
    UnsafeStorage,
)
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.s3 import Bucket
from photochrom.jobs.storage.store import Store
from tests.conftest import ACCESS_KEY_ENV, SECRET_KEY_ENV, access_to
from tests.servers import HEADERS, CuttingLine, ScriptedS3, SeaweedFS


def test_a_wrong_secret_is_refused_and_never_shown(
    seaweed: SeaweedFS, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "wrong/secret+0123456789abcdef"
    monkeypatch.setenv(SECRET_KEY_ENV, secret)
    store = Store(f"s3://{bucket}", access_to(seaweed))
    asks: list[Callable[[], object]] = [
        lambda: store.read("x"),
        lambda: store.put("x", b"1"),
        lambda: store.put_if_absent("x", b"1"),
        lambda: store.exists("x"),
        lambda: list(store.list()),
        lambda: store.fetch("x", tmp_path / "x"),
        lambda: store.read_range("x", 0, 5),
        store.probe,
    ]
    for ask in asks:
        with pytest.raises(AccessDenied, match=f"s3://{bucket}") as caught:
            ask()
        assert secret not in f"{caught.value!r} {caught.value}"
        assert seaweed.access_key not in f"{caught.value!r} {caught.value}"
        assert "\n" not in str(caught.value)
    shown = f"{store!r} {store.access!r} {vars(store)!r}".encode() + pickle.dumps(store)
    assert secret.encode() not in shown
    assert seaweed.access_key.encode() not in shown


def test_anonymous_and_nameless_keys_are_refused(
    seaweed: SeaweedFS, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AccessDenied):
        Store(f"s3://{bucket}", Access(endpoint=seaweed.endpoint, anonymous=True)).read("x")
    monkeypatch.delenv(SECRET_KEY_ENV)
    with pytest.raises(AccessDenied, match=SECRET_KEY_ENV):
        Store(f"s3://{bucket}", access_to(seaweed)).read("x")


def test_stores_of_one_process_keep_their_own_identity(
    seaweed: SeaweedFS, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_SECRET", "wrong")
    wrong = {"access_key_env": ACCESS_KEY_ENV, "secret_key_env": "WRONG_SECRET"}
    bad = Store(f"s3://{bucket}", access_to(seaweed).model_copy(update=wrong))
    good = Store(f"s3://{bucket}", access_to(seaweed))
    with CuttingLine(seaweed.endpoint) as line:
        elsewhere = Store(f"s3://{bucket}", access_to(line))
        good.put("x", b"1")
        assert line.calls == 0
        with pytest.raises(AccessDenied):
            bad.read("x")
        assert elsewhere.read("x") == good.read("x") == b"1"
        assert line.calls == 1


def test_a_missing_bucket_is_not_an_empty_one(seaweed: SeaweedFS, bucket: str) -> None:
    store = Store(f"s3://{bucket}-no", access_to(seaweed))
    with pytest.raises(NotFound, match="NoSuchBucket"):
        list(store.list())


def test_a_versioned_bucket_pins_by_version(
    seaweed: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    seaweed.create_bucket(f"{bucket}-v", versioned=True)
    store = Store(f"s3://{bucket}-v", access_to(seaweed))
    store.put("scan.tif", b"first")
    (listed,) = store.list()
    pin = store.stat("scan.tif").version
    assert store.fetch("scan.tif", tmp_path / "x", listed.version).version == listed.version
    store.put("scan.tif", b"second")
    assert store.fetch("scan.tif", tmp_path / "x", pin).version == pin
    assert (tmp_path / "x").read_bytes() == b"first"
    assert store.read("scan.tif") == b"second"
    with pytest.raises(SourceChanged):
        store.fetch("scan.tif", tmp_path / "x", listed.version)
    store.delete("scan.tif")
    assert not store.exists("scan.tif")
    assert store.fetch("scan.tif", tmp_path / "x", pin).size == 5


def test_a_range_of_an_older_version_is_read_though_the_newer_one_is_shorter(
    seaweed: SeaweedFS, bucket: str
) -> None:
    seaweed.create_bucket(f"{bucket}-v", versioned=True)
    store = Store(f"s3://{bucket}-v", access_to(seaweed))
    store.put("shard.tar", b"0123456789")
    pin = store.stat("shard.tar").version
    store.put("shard.tar", b"short")
    assert store.read_range("shard.tar", 1, 3, pin) == b"123"
    assert store.read_range("shard.tar", 8, 5, pin) == b"89"
    assert store.read_range("shard.tar", 10, 5, pin) == b""
    assert store.read_range("shard.tar", 1, 3) == b"hor"


def test_a_broken_range_goes_on_where_it_broke(seaweed: SeaweedFS, bucket: str) -> None:
    data = os.urandom(5 << 20)
    Store(f"s3://{bucket}", access_to(seaweed)).put("shard.tar", data)
    with CuttingLine(seaweed.endpoint, answers=[1 << 20, 1 << 20]) as line:
        store = Store(f"s3://{bucket}", access_to(line))
        assert store.read_range("shard.tar", 1000, 3 << 20) == data[1000 : 1000 + (3 << 20)]
        assert line.calls == 3


def test_a_storage_that_ignores_ranges_is_refused(scripted: ScriptedS3) -> None:
    scripted.answers = [(200, "")]
    with pytest.raises(StorageError, match="does not serve ranges"):
        Store("s3://bucket", access_to(scripted)).read_range("x", 5, 3)


@pytest.mark.parametrize(("given", "told"), [("STANDARD", ""), ("STANDARD_IA", "STANDARD_IA")])
def test_an_unusual_storage_class_is_told(
    seaweed: SeaweedFS, bucket: str, given: str, told: str
) -> None:
    seaweed.client().put_object(Bucket=bucket, Key="x", Body=b"1", StorageClass=given)
    store = Store(f"s3://{bucket}", access_to(seaweed))
    assert [entry.storage_class for entry in store.list()] == [told]
    assert store.stat("x").storage_class == told


def test_a_listing_has_many_pages(seaweed: SeaweedFS, bucket: str) -> None:
    store = Store(f"s3://{bucket}/deep", access_to(seaweed))
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: store.put(f"plates/{n:04}", b""), range(1100)))
    assert [entry.key for entry in store.list("plates")] == [f"plates/{n:04}" for n in range(1100)]


def test_a_broken_download_goes_on_where_it_broke(
    seaweed: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    data = os.urandom(5 << 20)
    Store(f"s3://{bucket}", access_to(seaweed)).put("scan.tif", data)
    with CuttingLine(seaweed.endpoint, answers=[3 << 20, 1 << 20]) as line:
        store = Store(f"s3://{bucket}", access_to(line))
        fetched = store.fetch("scan.tif", tmp_path / "x")
        assert line.calls == 3
    assert fetched.sha256 == hashlib.sha256(data).hexdigest()


def test_a_create_whose_answer_was_lost_is_still_ours(seaweed: SeaweedFS, bucket: str) -> None:
    with CuttingLine(seaweed.endpoint, answers=[1]) as line:
        store = Store(f"s3://{bucket}", access_to(line))
        assert store.put_if_absent("ledger/shard", b"ours")
        assert not store.put_if_absent("ledger/shard", b"theirs")
        assert store.read("ledger/shard") == b"ours"
        assert line.calls >= 2


def test_a_create_cut_before_its_bytes_leaves_nothing(seaweed: SeaweedFS, bucket: str) -> None:
    with CuttingLine(seaweed.endpoint, requests=[HEADERS]) as line:
        store = Store(f"s3://{bucket}", access_to(line))
        assert store.put_if_absent("ledger/shard", b"ours")
        assert store.read("ledger/shard") == b"ours"
        assert line.calls >= 2


def test_an_upload_without_its_last_part_is_found_and_discarded(
    seaweed: SeaweedFS, bucket: str
) -> None:
    store = Store(f"s3://{bucket}/place", access_to(seaweed))
    begun = {key: begin_upload(store, key) for key in ("prints/a.tif", "prints/b.tif", "c.tif")}
    left = list(store.leftovers("prints"))
    assert {one.key: one.name for one in left} == {
        key: name for key, name in begun.items() if key.startswith("prints/")
    }
    assert all(abs((store.clock() - one.begun).total_seconds()) < 300 for one in left)
    assert list(store.list()) == []
    store.discard(left[0])
    store.discard(left[0])
    assert [one.key for one in store.leftovers("prints")] == [left[1].key]
    store.put("prints/a.tif", b"whole")
    assert [one.key for one in store.leftovers("prints")] == [left[1].key]


def begin_upload(store: Store, key: str) -> str:
    """Send the first part of an upload, and no more."""
    with store._at(key) as place:
        assert isinstance(place, Bucket)
        upload: str = place._call("create_multipart_upload", key)["UploadId"]
        part = b"x" * (5 << 20)
        place._call("upload_part", key, UploadId=upload, PartNumber=1, Body=part)
    return upload


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    """Serve answers that SeaweedFS cannot be made to give; nobody tries twice."""
    monkeypatch.setenv(ACCESS_KEY_ENV, "key")
    monkeypatch.setenv(SECRET_KEY_ENV, "secret")
    monkeypatch.setattr("photochrom.jobs.storage.s3.RETRIES", 0)
    with ScriptedS3() as server:
        yield server


def test_a_create_that_met_another_is_tried_again(scripted: ScriptedS3) -> None:
    scripted.answers = [(409, "ConditionalRequestConflict"), (409, "OperationAborted"), (200, "")]
    assert Store("s3://bucket", access_to(scripted)).put_if_absent("ledger/shard", b"x")
    assert scripted.answers == []


def test_a_storage_that_knows_no_conditions_is_unsafe(scripted: ScriptedS3) -> None:
    scripted.answers = [(501, "NotImplemented"), (204, "")]
    with pytest.raises(UnsafeStorage, match="no conditional creates"):
        Store("s3://bucket", access_to(scripted)).probe()


@pytest.mark.parametrize(
    ("status", "code", "kind", "retriable"),
    [
        (503, "SlowDown", StorageError, True),
        (500, "InternalError", StorageError, True),
        (400, "ExpiredToken", AccessDenied, False),
        (403, "InvalidAccessKeyId", AccessDenied, False),
        (404, "NoSuchKey", NotFound, False),
    ],
)
def test_answers_are_told_by_code(
    scripted: ScriptedS3, status: int, code: str, kind: type[StorageError], retriable: bool
) -> None:
    scripted.answers = [(status, code)]
    with pytest.raises(StorageError) as caught:
        Store("s3://bucket", access_to(scripted)).read("x")
    assert type(caught.value) is kind
    assert caught.value.retriable is retriable
    assert f"s3://bucket/x: {code} (HTTP {status})" in str(caught.value)


def test_an_unreachable_storage_may_come_back(scripted: ScriptedS3) -> None:
    scripted.__exit__()
    with pytest.raises(StorageError, match="s3://bucket/x: ") as caught:
        Store("s3://bucket", access_to(scripted)).read("x")
    assert caught.value.retriable


@pytest.mark.parametrize(("limit", "size"), [("READ_TIMEOUT", 1), ("PATIENCE", 12 << 20)])
def test_a_server_that_falls_silent_is_not_waited_for(
    scripted: ScriptedS3, monkeypatch: pytest.MonkeyPatch, limit: str, size: int
) -> None:
    monkeypatch.setattr(f"photochrom.jobs.storage.s3.{limit}", 1)
    monkeypatch.setattr("photochrom.jobs.storage.s3.SLOWEST", 1 << 30)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        scripted.endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StorageError, match="s3://bucket/x: ") as caught:
            Store("s3://bucket", access_to(scripted)).put("x", b"x" * size)
    assert caught.value.retriable
