"""The contract of a Store, the same for every kind of storage."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from photochrom.jobs.errors import (
    BadAddress,
    NotFound,
    SourceChanged,
    StorageError,
    UnsafeStorage,
)
from photochrom.jobs.storage.access import Place
from photochrom.jobs.storage.local import Memory
from photochrom.jobs.storage.store import Store, split_uri
from tests.conftest import access_to

NAMES = ["a.tif", "a/b.tif", "a/c/d.tif", "b-1.tif", "b/é ü+%20?#.tif"]


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Open an empty place of each kind, below the top of its storage."""
    if request.param == "file":
        return Store(str(tmp_path / "place"))
    if request.param == "memory":
        return Store(f"memory://{uuid4().hex}/place")
    bucket = request.getfixturevalue("bucket")
    return Store(f"s3://{bucket}/place/", access_to(request.getfixturevalue("seaweed")))


def test_what_was_put_is_read(store: Store) -> None:
    store.put("plates/00/x.png", b"one")
    store.put("plates/00/x.png", b"two, longer")
    store.put("empty", b"")
    assert store.read("plates/00/x.png") == b"two, longer"
    assert store.read("empty") == b""
    assert store.uri("a b") == f"{store.root}/a b"


def test_big_files_go_and_come_back_whole(store: Store, tmp_path: Path) -> None:
    data = os.urandom(30 << 20)
    (tmp_path / "scan").write_bytes(data)
    store.put_file("prints/scan.tif", tmp_path / "scan")
    fetched = store.fetch("prints/scan.tif", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert fetched.sha256 == hashlib.sha256(data).hexdigest()
    assert fetched.size == len(data)
    store.put("prints/again.tif", data)
    assert store.read("prints/again.tif") == data


def test_folders_are_named_without_what_is_in_them(store: Store) -> None:
    for name in NAMES:
        store.put(f"printed/{name}", b"")
    assert store.folders("printed") == ("a", "b")
    assert store.folders("printed/a") == ("c",)
    assert store.folders("printed/b") == ()
    assert store.folders("nowhere") == ()


def test_a_listing_is_sorted_whole_and_never_stale(store: Store) -> None:
    assert list(store.list()) == []
    assert list(store.list("a")) == []
    for name in reversed(NAMES):
        store.put(name, name.encode())
    assert [entry.key for entry in store.list()] == NAMES
    assert [entry.key for entry in store.list("a/")] == ["a/b.tif", "a/c/d.tif"]
    assert [entry.key for entry in store.list("a")] == ["a/b.tif", "a/c/d.tif"]
    store.put("a/bb.tif", b"")
    store.delete("a/c/d.tif")
    assert [entry.key for entry in store.list("a/")] == ["a/b.tif", "a/bb.tif"]


def test_an_entry_tells_what_stat_tells(store: Store) -> None:
    store.put(NAMES[-1], b"12345")
    (entry,) = store.list()
    assert entry == store.stat(NAMES[-1])
    assert entry.size == 5
    assert entry.modified.tzinfo is UTC
    assert abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=2)


def test_absent_objects(store: Store, tmp_path: Path) -> None:
    assert not store.exists("no/such")
    store.delete("no/such")
    for ask in (store.read, store.stat, lambda key: store.fetch(key, tmp_path / "x")):
        with pytest.raises(NotFound, match=store.uri("no/such")) as caught:
            ask("no/such")
        assert not caught.value.retriable
    assert not (tmp_path / "x").exists()
    store.put("some", b"")
    assert store.exists("some")
    store.delete("some")
    assert not store.exists("some")


def test_a_folder_is_no_object(store: Store) -> None:
    store.put("folder/object", b"x")
    assert not store.exists("folder")
    with pytest.raises(NotFound):
        store.read("folder")


def test_a_pin_holds_or_the_source_has_changed(store: Store, tmp_path: Path) -> None:
    store.put("scan.tif", b"first")
    pin = store.stat("scan.tif").version
    assert store.fetch("scan.tif", tmp_path / "x").version == pin
    assert store.fetch("scan.tif", tmp_path / "x", pin).version == pin
    store.put("scan.tif", b"other")
    assert store.stat("scan.tif").version != pin
    with pytest.raises(SourceChanged, match=r"scan\.tif"):
        store.fetch("scan.tif", tmp_path / "y", pin)
    assert not (tmp_path / "y").exists()
    store.delete("scan.tif")
    with pytest.raises(NotFound):
        store.fetch("scan.tif", tmp_path / "y", pin)


def test_a_range_is_what_there_is_of_it(store: Store) -> None:
    data = os.urandom(3 << 20)
    store.put("shard.tar", data)
    store.put("empty", b"")
    for start, length in ((0, 1), (0, len(data)), (7, 2 << 20), (len(data) - 5, 5)):
        assert store.read_range("shard.tar", start, length) == data[start : start + length]
    assert store.read_range("shard.tar", len(data) - 5, 100) == data[-5:]
    assert store.read_range("shard.tar", len(data), 1) == b""
    assert store.read_range("shard.tar", len(data) + 100, 10) == b""
    assert store.read_range("empty", 0, 10) == b""
    for start, length in ((-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="no range"):
            store.read_range("shard.tar", start, length)


def test_a_range_of_what_is_absent_or_a_folder(store: Store) -> None:
    store.put("folder/object", b"x")
    for key in ("no/such", "folder"):
        with pytest.raises(NotFound, match=store.uri(key)):
            store.read_range(key, 0, 5)


def test_a_pin_holds_for_ranges_and_whole_reads_too(store: Store) -> None:
    store.put("shard.tar", b"first")
    pin = store.stat("shard.tar").version
    assert store.read_range("shard.tar", 1, 3, pin) == b"irs"
    assert store.read_range("shard.tar", 9, 3, pin) == b""
    assert store.read("shard.tar", pin) == b"first"
    store.put("shard.tar", b"second")
    for start in (1, 9):
        with pytest.raises(SourceChanged, match=r"shard\.tar"):
            store.read_range("shard.tar", start, 3, pin)
    with pytest.raises(SourceChanged, match=r"shard\.tar"):
        store.read("shard.tar", pin)
    store.delete("shard.tar")
    with pytest.raises(NotFound):
        store.read_range("shard.tar", 1, 3, pin)


def test_one_of_twelve_creates_wins(store: Store) -> None:
    together = threading.Barrier(12)

    def commit(writer: int) -> bool:
        together.wait()
        return store.put_if_absent("ledger/shard.parquet", b"writer %d" % writer)

    with ThreadPoolExecutor(12) as threads:
        won = list(threads.map(commit, range(12)))
    assert won.count(True) == 1
    assert store.read("ledger/shard.parquet") == b"writer %d" % won.index(True)


def test_a_create_repeated_with_the_same_bytes_stands(store: Store) -> None:
    assert store.put_if_absent("job.json", b"{}")
    assert store.put_if_absent("job.json", b"{}")
    assert not store.put_if_absent("job.json", b"{ }")
    assert store.read("job.json") == b"{}"


@pytest.mark.parametrize("lies", [1, 2, 3])
def test_a_create_that_is_refused_over_nothing_is_made_again(
    lies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, create, left = Store(f"memory://{uuid4().hex}"), Memory.create, [False] * lies

    def stale(self: Memory, key: str, data: bytes) -> bool:
        return left.pop() if left else create(self, key, data)

    monkeypatch.setattr(Memory, "create", stale)
    if lies < 3:
        assert store.put_if_absent("job.json", b"{}")
        assert store.read("job.json") == b"{}"
    else:
        with pytest.raises(StorageError, match="said to stand, but it is not there") as raised:
            store.put_if_absent("job.json", b"{}")
        assert raised.value.retriable


def test_the_time_is_the_storage_s_own(store: Store) -> None:
    before = store.clock()
    store.put("a", b"1")
    assert before <= store.stat("a").modified <= store.clock()
    assert [entry.key for entry in store.list()] == ["a"]


def test_the_probe_passes_and_leaves_nothing(store: Store) -> None:
    store.probe()
    assert list(store.list()) == []


@pytest.mark.parametrize("key", ["", "/a", "a/", "..", "a/../b", "a\0", "a\nb", "\udce9.tif"])
def test_keys_that_no_object_has(store: Store, key: str) -> None:
    with pytest.raises(BadAddress):
        store.put(key, b"")
    with pytest.raises(BadAddress):
        store.exists(key)
    assert list(store.list()) == []


def test_a_store_travels(store: Store) -> None:
    store.put("x", b"1")
    copy = pickle.loads(pickle.dumps(store))
    assert copy.root == store.root
    assert copy.read("x") == b"1"


def _read_into(store: Store, answers: multiprocessing.Queue[bytes]) -> None:
    answers.put(store.read("x"))


def test_a_fork_connects_anew(store: Store) -> None:
    store.put("x", b"1")
    code = (
        "import multiprocessing, pickle, sys\n"
        "from tests.jobs.test_store import _read_into\n"
        "context = multiprocessing.get_context('fork')\n"
        "store = pickle.load(sys.stdin.buffer)\n"
        "if store.root.startswith('memory'): store.put('x', b'1')\n"
        "assert store.read('x') == b'1'\n"
        "answers = context.Queue()\n"
        "child = context.Process(target=_read_into, args=(store, answers))\n"
        "child.start()\n"
        "print(answers.get(timeout=30))\n"
        "child.join()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(store), capture_output=True, timeout=60
    )
    assert run.stdout == b"b'1'\n", run.stderr


class CarelessMemory(Memory):
    """A storage that takes no notice of the condition, as some S3 look-alikes do."""

    def create(self, key: str, data: bytes) -> bool:
        self.write(key, data)
        return True


class CarelessStore(Store):
    def _open(self) -> Place:
        return CarelessMemory(self.root)


def test_the_probe_refuses_a_careless_storage() -> None:
    store = CarelessStore(f"memory://{uuid4().hex}")
    with pytest.raises(UnsafeStorage, match="ignores conditional creates"):
        store.probe()
    assert list(store.list()) == []


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://bucket/a/b.tif", ("s3://bucket", "a/b.tif")),
        ("file:///x/y.tif", ("file:///", "x/y.tif")),
        ("/x//y.tif", ("file:///", "x/y.tif")),
        ("memory://x/y.tif", ("memory://x", "y.tif")),
        ("s3://bucket/a//b%20c.tif", ("s3://bucket", "a//b%20c.tif")),
    ],
)
def test_uris_split(uri: str, parts: tuple[str, str]) -> None:
    assert split_uri(uri) == parts
    assert Store(parts[0]).uri(parts[1]) == uri.replace("/x//", "file:///x/")


def test_paths_are_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Store("out/").root == f"file://{tmp_path}/out"
    assert split_uri("x.tif") == ("file:///", f"{tmp_path}/x.tif".lstrip("/"))


@pytest.mark.parametrize(
    "uri", ["gs://b/k", "https://host/x", "s3://", "s3://bucket", "s3://key:secret@bucket/x"]
)
def test_uris_that_lead_nowhere(uri: str) -> None:
    with pytest.raises(BadAddress) as caught:
        split_uri(uri)
    assert "secret" not in str(caught.value)
