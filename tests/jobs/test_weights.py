"""Weights in a storage: fetched once for a machine, proven, and mended where they are not whole.

`python -m tests.jobs.test_weights JOB.toml SHA256` prints where a worker would find them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from photochrom.cluster import PoolError
from photochrom.colorize.errors import ModelError, SettingsError, WrongWeights
from photochrom.colorize.generator.known import find_model
from photochrom.jobs.errors import NotFound, StorageError
from photochrom.jobs.planning.order import Order
from photochrom.jobs.settings import Job, load_job
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.store import Store
from photochrom.jobs.weights import weights_file, weights_sha256
from tests.conftest import access_to
from tests.drills.place import until
from tests.jobs.archive import current, drive, findings, job_of, place_of, write_photo
from tests.servers import HOST, CuttingLine, SeaweedFS

WEIGHTS = b"as good as any weights" * 100_000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
OTHER = "0" * 64
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep weights in a folder of the test's own, which is not there yet."""
    monkeypatch.setenv("PHOTOCHROM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def uri(bucket: str, seaweed: SeaweedFS) -> str:
    """Put weights into a bucket."""
    Store(f"s3://{bucket}", access_to(seaweed)).put("models/best.safetensors", WEIGHTS)
    return f"s3://{bucket}/models/best.safetensors"


def job_with(uri: str, access: Access | None = None, *changes: str) -> Job:
    source = (access or Access()).model_dump_json(exclude_defaults=True)
    more = ("paint.model=pocket", f"storage.source={source}", f"paint.weights={uri}")
    return job_of("scans", "out", *more, *changes)


def names(folder: Path) -> set[str]:
    """Return what is in the folder for weights, but for the lock."""
    return {path.name for path in folder.iterdir()} - {"lock"}


def finder(job: Job, folder: Path) -> subprocess.Popen[str]:
    """Start a process that looks for the weights as a worker does."""
    job_file = folder / "job.json"
    job_file.write_text(job.model_dump_json())
    command = [sys.executable, "-m", "tests.jobs.test_weights", str(job_file), SHA256]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


# --- where they lie -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_is_used_where_it_lies(scheme: str, tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "best.safetensors"
    path.write_bytes(WEIGHTS)
    job = job_with(f"{scheme}{path}")
    assert weights_sha256(job) == SHA256
    assert weights_file(job, SHA256) == path
    assert not cache.exists()


def test_weights_may_be_named_by_path_or_address(tmp_path: Path) -> None:
    job_file = tmp_path / "job.toml"
    for written, read in {
        "best.pth": f"{tmp_path}/best.pth",
        "file:///best.pth": "/best.pth",
        "s3://models/best.pth": "s3://models/best.pth",
    }.items():
        job_file.write_text(f'manifest = "a"\noutput = "b"\n[paint]\nweights = "{written}"\n')
        job = load_job(str(job_file))
        assert job.paint.weights == read
        assert Job.model_validate_json(job.model_dump_json()) == job
    for elsewhere in ("https://example.org/best.pth", "memory://models/best.pth"):
        with pytest.raises(SettingsError, match=r"paint\.weights: .* starts with s3:// or file"):
            job_with(elsewhere)


def test_an_embedded_model_has_no_file_to_look_for() -> None:
    job = job_of("scans", "out", "paint.model=pocket")
    assert weights_file(job, SHA256) is None
    assert weights_sha256(job) == find_model("pocket").sha256


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("paint.model=pockett", ModelError, "no model is called 'pockett'"),
        ("paint.model=echo", ModelError, "echo has no weights"),
        ("paint.sha256=../../etc", SettingsError, "'../../etc', which is not 64 hex digits"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_fetched(
    change: str, error: type[Exception], words: str, cache: Path
) -> None:
    with pytest.raises(error, match=words):
        weights_sha256(job_with("s3://nowhere/best.pth", None, f"paint.sha256={SHA256}", change))
    assert not cache.exists()


# --- fetched --------------------------------------------------------------------------------------


def test_the_driver_takes_a_job_at_its_word(cache: Path) -> None:
    job = job_with("s3://nowhere/best.pth", None, f"paint.sha256={SHA256.upper()}")
    assert weights_sha256(job) == SHA256
    assert not cache.exists()


def test_the_driver_fetches_what_it_does_not_know_once(
    uri: str, seaweed: SeaweedFS, cache: Path
) -> None:
    job = job_with(uri, access_to(seaweed))
    assert weights_sha256(job) == SHA256
    kept = cache / f"{SHA256}.safetensors"
    assert kept.read_bytes() == WEIGHTS
    kept.unlink()
    assert weights_sha256(job) == SHA256
    assert not kept.exists()
    root, _, key = uri.rpartition("/models/")
    Store(root, access_to(seaweed)).put(f"models/{key}", b"new weights")
    assert weights_sha256(job) == hashlib.sha256(b"new weights").hexdigest()


def test_a_full_disk_tells_of_the_cache(
    uri: str, seaweed: SeaweedFS, cache: Path, tmp_path: Path
) -> None:
    job = job_with(uri, access_to(seaweed))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limit[1]))
    try:
        for asked in (lambda: weights_sha256(job), lambda: weights_file(job, SHA256)):
            with pytest.raises(StorageError, match=f"^{cache}/.* set PHOTOCHROM_CACHE to another"):
                asked()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert names(cache) == set()
    assert weights_file(job, SHA256) == cache / f"{SHA256}.safetensors"


def test_two_processes_at_once_fetch_once(
    uri: str, seaweed: SeaweedFS, cache: Path, tmp_path: Path
) -> None:
    cache.mkdir(parents=True)
    with CuttingLine(seaweed.endpoint) as line:
        job = job_with(uri, access_to(line))
        with held(cache / "lock") as waiting:
            both = [finder(job, tmp_path) for _ in range(2)]
            until(lambda: waiting() == 2, "both wait for the lock")
        answers = [process.communicate()[0].strip() for process in both]
        assert line.calls == 1
    assert answers == [str(cache / f"{SHA256}.safetensors")] * 2
    assert names(cache) == {f"{SHA256}.safetensors"}
    assert weights_file(job, SHA256) == cache / f"{SHA256}.safetensors"  # the line is closed


@contextmanager
def held(path: Path) -> Iterator[Callable[[], int]]:
    """Hold a lock, and count who waits for it."""
    lock = os.open(path, os.O_RDONLY | os.O_CREAT)
    inode = str(os.fstat(lock).st_ino)

    def waiting() -> int:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return sum("->" in line and line[-3].endswith(f":{inode}") for line in lines)

    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield waiting
    finally:
        os.close(lock)


def test_other_weights_than_those_named_are_refused(
    uri: str, seaweed: SeaweedFS, cache: Path
) -> None:
    job = job_with(uri, access_to(seaweed), f"paint.sha256={OTHER}")
    with pytest.raises(WrongWeights) as caught:
        weights_file(job, weights_sha256(job))
    assert str(caught.value).startswith(f"{uri}: these weights are sha256 {SHA256}, not {OTHER}; ")
    assert names(cache) == set()


def test_a_job_with_other_weights_than_it_says_does_no_work(
    uri: str, seaweed: SeaweedFS, tmp_path: Path
) -> None:
    write_photo(tmp_path / "scans" / "photo.png")
    source = access_to(seaweed).model_dump_json(exclude_defaults=True)
    paint = ("paint.model=pocket", f"paint.weights={uri}", f"paint.sha256={OTHER}")
    job = job_of(tmp_path / "scans", tmp_path / "out", f"storage.source={source}", *paint)
    with pytest.raises(PoolError, match=f"did not start: WrongWeights: {uri}: .* not {OTHER}"):
        drive(job)
    assert current(place_of(job)) == {}


def test_weights_that_are_not_there_are_named(bucket: str, seaweed: SeaweedFS) -> None:
    uri = f"s3://{bucket}/lost.safetensors"
    job = job_with(uri, access_to(seaweed))
    for asked in (lambda: weights_sha256(job), lambda: weights_file(job, SHA256)):
        with pytest.raises(NotFound, match=f"^{uri}: no such weights; put them there, or"):
            asked()


def test_a_kept_file_that_is_not_whole_is_fetched_again(
    uri: str, seaweed: SeaweedFS, cache: Path
) -> None:
    job = job_with(uri, access_to(seaweed))
    kept = weights_file(job, SHA256)
    assert kept == cache / f"{SHA256}.safetensors"
    os.truncate(kept, 1000)
    assert weights_file(job, SHA256) == kept
    assert kept.read_bytes() == WEIGHTS


def test_a_killed_fetch_leaves_nothing_that_stays(
    uri: str, seaweed: SeaweedFS, cache: Path, tmp_path: Path
) -> None:
    with stalling(3 << 20) as endpoint:
        stalled = job_with(uri, access_to(seaweed).model_copy(update={"endpoint": endpoint}))
        with finder(stalled, tmp_path) as process:
            until(lambda: [part.stat().st_size for part in cache.glob("*.part")], "some bytes")
            process.send_signal(signal.SIGKILL)
    assert len(names(cache)) == 1
    assert weights_file(job_with(uri, access_to(seaweed)), SHA256)
    assert names(cache) == {f"{SHA256}.safetensors"}


@contextmanager
def stalling(after: int) -> Iterator[str]:
    """Serve twice as many bytes as come, then keep silent; yield the endpoint."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                lines.append(line)
                line.recv(1 << 16)
                head = f'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: {2 * after}\r\n\r\n'
                line.sendall(head.encode() + bytes(after))

    lines: list[socket.socket] = []
    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for line in lines:
                line.close()


def test_a_whole_job_with_weights_on_s3(bucket: str, seaweed: SeaweedFS, tmp_path: Path) -> None:
    pocket = find_model("pocket")
    assert pocket.embedded
    access = access_to(seaweed)
    store = Store(f"s3://{bucket}", access)
    store.put_file("models/pocket.safetensors", pocket.embedded)
    for number in range(2):
        store.put_file(f"scans/{number}.png", write_photo(tmp_path / "photo.png", number))
    side = access.model_dump_json(exclude_defaults=True)
    job = job_of(
        f"s3://{bucket}/scans",
        f"s3://{bucket}/colour",
        f"storage.source={side}",
        f"storage.output={side}",
        "paint.model=pocket",
        f"paint.weights=s3://{bucket}/models/pocket.safetensors",
    )
    assert Order.of(job).pinned.paint.weights_sha256 == pocket.sha256
    assert drive(job).counts == {("colorized", ""): 2}
    rows = current(place_of(job)).values()
    assert {(row["model"], row["weights_sha256"]) for row in rows} == {("pocket", pocket.sha256)}
    assert findings(place_of(job)) == []


# --- the cache ------------------------------------------------------------------------------------


def test_the_cache_is_where_systems_have_it(
    uri: str, seaweed: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_with(uri, access_to(seaweed))
    monkeypatch.delenv("PHOTOCHROM_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for base, change in (("system", str(tmp_path / "system")), ("home/.cache", "relative")):
        monkeypatch.setenv("XDG_CACHE_HOME", change)
        found = weights_file(job, SHA256)
        assert found == tmp_path / base / "photochrom" / "weights" / f"{SHA256}.safetensors"


def test_a_cache_that_cannot_be_written_gives_way_to_the_temporaries(
    uri: str, seaweed: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_with(uri, access_to(seaweed))
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "temporaries").mkdir()
    monkeypatch.setenv("PHOTOCHROM_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporaries"))
    found = weights_file(job, SHA256)
    assert found
    assert found.is_relative_to(tmp_path / "temporaries")
    assert found.parents[1].stat().st_mode & 0o777 == 0o700


def test_a_cache_that_somebody_else_has_put_there_is_not_used(
    uri: str, seaweed: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_with(uri, access_to(seaweed))
    (tmp_path / "file").write_text("no folder")
    for name in ("temporaries", "theirs"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PHOTOCHROM_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporaries"))
    (tmp_path / "temporaries" / f"photochrom-cache-{os.getuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError, match="cannot be written; set PHOTOCHROM_CACHE"):
        weights_file(job, SHA256)
    assert list((tmp_path / "theirs").iterdir()) == []


if __name__ == "__main__":
    print(weights_file(Job.model_validate_json(Path(sys.argv[1]).read_text()), sys.argv[2]))
