"""Jobs on a real head, sent to its jobs server: who sends them sees nothing but that address."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from photochrom.cluster.cargo import from_here
from photochrom.cluster.submit import JobServer
from photochrom.jobs.errand import errand_name
from photochrom.jobs.settings import load_job
from photochrom.jobs.storage.store import Store
from tests.cluster.head import Head, installed
from tests.conftest import ACCESS_KEY_ENV, SECRET_KEY_ENV, access_to
from tests.jobs.archive import current, findings, write_photos
from tests.jobs.program import Program
from tests.servers import SeaweedFS

ARCHIVE = Path(__file__).parent.parent / "data" / "archive"
PHOTOGRAPHS = 26
SOME_FAILED = 3
OTHER_RAY = "Requires-Dist: ray>=99"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not installed(), reason="needs ray[default]: pip install 'photochrom[dev]'"),
]


@pytest.fixture(scope="module")
def head(seaweed: SeaweedFS) -> Iterator[Head]:
    """Run a head whose machine, other than ours, has the keys to the storage."""
    keys = {ACCESS_KEY_ENV: seaweed.access_key, SECRET_KEY_ENV: seaweed.secret_key}
    with Head(keys) as head:
        yield head


@pytest.fixture(autouse=True)
def _let_in(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")  # which Ray would prefer to what it is told


@pytest.fixture
def on_s3(bucket: str, seaweed: SeaweedFS) -> list[str]:
    """Put the sample archive into a bucket, and say what to do with it."""
    access = access_to(seaweed)
    scans = Store(f"s3://{bucket}/scans", access)
    for path in ARCHIVE.rglob("*"):
        if path.is_file():
            scans.put(str(path.relative_to(ARCHIVE)), path.read_bytes())
    reach = access.model_dump_json(exclude_defaults=True)
    sides = (f"storage.source={reach}", f"storage.output={reach}")
    changes = (*sides, "paint.render_size=64", "run.shard_rows=1")
    options = [word for change in changes for word in ("--set", change)]
    return [f"s3://{bucket}/scans/manifest.csv", f"s3://{bucket}/colour", *options]


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_job_is_sent_refused_stopped_and_finished(
    on_s3: list[str], head: Head, seaweed: SeaweedFS, program: Program
) -> None:
    sent = program("submit", *on_s3, "--address", head.address, "--json")
    assert sent.code == 0, sent
    assert sent.json["status"] == "RUNNING"
    name, _, number = sent.json["id"].rpartition("-")
    assert number == "1"
    assert name.startswith("photochrom-colour-")

    again = program("submit", *on_s3, "--address", head.address)
    assert again.code == 1
    assert f"{name}-1 is running" in again.err
    assert "--stop" in again.err

    store = Store(on_s3[1], access_to(seaweed))
    wait_for(lambda: any(store.list("ledger")))
    stopped = program("submit", *on_s3, "--address", head.address, "--stop")
    assert (stopped.code, stopped.out) == (0, f"{name}-1 is stopped\n")
    commits = len(list(store.list("ledger")))
    assert 0 < commits < PHOTOGRAPHS
    nothing = program("submit", *on_s3, "--address", head.address, "--stop")
    assert (nothing.code, "neither pending nor running" in nothing.err) == (1, True)

    done = program("submit", *on_s3, "--address", head.address, "--follow")
    assert done.code == SOME_FAILED, done
    assert f"{name}-2 failed" in done.err
    assert "arrived: photochrom" in done.out
    assert "everything is under s3://" in done.out
    assert len(current(store)) == PHOTOGRAPHS
    assert findings(store) == []


def altered_wheel(folder: Path, change: Callable[[str, str], str]) -> Path:
    """Make a wheel of the Photochrom that runs here, with some texts in it changed."""
    load = from_here(folder / "unpacked")
    wheel = folder / "photochrom-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (folder / "unpacked").rglob("*"):
            name = str(path.relative_to(folder / "unpacked"))
            if path.suffix == ".py" or path.parent == load.info:
                archive.writestr(name, change(path.name, path.read_text("utf-8")))
            elif path.is_file():
                archive.write(path, name)
    return wheel


def test_workers_run_what_was_sent(head: Head, tmp_path: Path, program: Program) -> None:
    def change(name: str, text: str) -> str:
        old = 'return version("photochrom")'
        return text.replace(old, 'return "as sent"') if name == "pinned.py" else text

    wheel = altered_wheel(tmp_path, change)
    write_photos(tmp_path / "scans", 3)
    job = [tmp_path / "scans", tmp_path / "out", "--set", "paint.model=echo"]
    job += ["--set", "paint.tone=positive", "--address", head.address]
    refused = program("submit", *job, "--wheel", wheel)
    assert refused.code == 2
    assert f"output is {tmp_path / 'out'}" in refused.err
    done = program("submit", *job, "--wheel", wheel, "--shared-paths", "--follow")
    assert done.code == 0, done
    rows = current(Store(str(tmp_path / "out"))).values()
    assert [row["code_version"] for row in rows] == ["as sent"] * 3


def test_another_release_than_the_images_is_refused(
    head: Head, tmp_path: Path, program: Program
) -> None:
    def change(name: str, text: str) -> str:
        return text.replace("\nVersion: ", "\nVersion: 9") if name == "METADATA" else text

    wheel = altered_wheel(tmp_path, change)
    job = ["s3://nowhere/scans", "s3://nowhere/out", "--address", head.address]
    answer = program("submit", *job, "--wheel", wheel)
    assert answer.code == 2
    assert "is installed in the image and 9" in answer.err
    assert "cluster render" in answer.err


def test_a_release_that_needs_another_ray_is_not_sent(
    head: Head, tmp_path: Path, program: Program
) -> None:
    def change(name: str, text: str) -> str:
        return text.replace("Requires-Dist: ray>=2.50", OTHER_RAY) if name == "METADATA" else text

    wheel = altered_wheel(tmp_path, change)
    job = ["s3://elsewhere/scans", "s3://elsewhere/out", "--address", head.address]
    answer = program("submit", *job, "--wheel", wheel)
    assert answer.code == 1
    assert "ray>=99: start the cluster from an image" in answer.err
    assert JobServer(head.address).active(errand_name(load_job(*job[:2]))) is None


def test_who_has_no_token_is_told_so(
    head: Head, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    answer = program("submit", "s3://a/scans", "s3://a/out", "--address", head.address)
    assert answer.code == 1
    assert "asks for its token" in answer.err


CLIENT = """
import sys, ray
ray.init(sys.argv[1])

@ray.remote
class Station:
    def run(self):
        yield 1

try:
    Station.remote().run.options(num_returns="streaming").remote()
except RuntimeError as error:
    print(error)
"""


def test_ray_client_still_cannot_stream(head: Head) -> None:
    """Once it can, `run --address ray://...` need not be refused any more."""
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    said = subprocess.run(
        [sys.executable, "-c", CLIENT, head.client_address],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment | {"RAY_AUTH_MODE": "token"},
    )
    assert "not currently supported when using Ray Client" in said.stdout, said.stderr
