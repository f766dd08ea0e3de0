"""Signing in jobs: every print by the named key, whose bytes appear nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture.marking.c2pa import is_installed, read_manifest
from photochrom.colorize.picture.marking.chain import make_test_chain
from photochrom.jobs.audit.stray import verify_file
from photochrom.jobs.errors import OtherJob
from photochrom.jobs.messages import Attempt
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.settings import load_job
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.worker import Orders, Worker
from tests.jobs.archive import (
    current,
    drive,
    findings,
    job_of,
    keys,
    place_of,
    planned_only,
    prints,
    write_photos,
)
from tests.jobs.program import Program

pytestmark = pytest.mark.skipif(not is_installed(), reason="needs pip install 'photochrom[c2pa]'")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_test_chain(folder, "City Archive")
    return folder


def by(chain: Path) -> tuple[str, str]:
    return f"marks.c2pa_key={chain}/key.pem", f"marks.c2pa_chain={chain}/chain.pem"


def files(store: Store) -> list[Path]:
    return [Path(store.root.removeprefix("file://")) / key for key in keys(store, "prints")]


@pytest.mark.parametrize("format", ["jpeg", "tiff"])
def test_every_print_of_a_job_is_signed(format: str, chain: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 3)
    job = job_of(tmp_path / "scans", tmp_path / "out", f"print.format={format}", *by(chain))
    drive(job)
    store = place_of(job)
    anchors = (chain / "anchor.pem").read_text()
    assert [read_manifest(path, anchors).state for path in files(store)] == ["trusted"] * 3
    assert {row["marks"] for row in prints(store)} == {"xmp+c2pa"}
    assert findings(store) == []


def test_further_prints_are_signed_too(chain: Path, tmp_path: Path, program: Program) -> None:
    write_photos(tmp_path / "scans", 2)
    job = job_of(tmp_path / "scans", tmp_path / "out", *by(chain))
    drive(job)
    assert program("print", tmp_path / "out", "--format", "webp").code == 0
    store = place_of(job)
    assert len(files(store)) == 4
    assert all(read_manifest(path).holds for path in files(store))
    assert program("print", tmp_path / "out", "--format", "webp").code == 0
    assert len(files(store)) == 4
    keyless = ("--set", "marks.c2pa_key=null", "--set", "marks.c2pa_chain=null")
    assert program("print", tmp_path / "out", "--format", "webp", *keyless).code == 0
    assert sorted(row["marks"] for row in prints(store)) == ["xmp"] * 2 + ["xmp+c2pa"] * 4
    assert findings(store) == []


def test_the_key_is_nowhere_but_where_it_was(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIVE_KEY", (chain / "key.pem").read_text())
    write_photos(tmp_path / "scans", 1)
    changes = ("marks.c2pa_key=env:ARCHIVE_KEY", by(chain)[1])
    job = job_of(tmp_path / "scans", tmp_path / "out", *changes)
    drive(job)
    (path,) = files(place_of(job))
    assert read_manifest(path).holds
    secret = (chain / "key.pem").read_bytes().splitlines()[1]
    for file in (tmp_path / "out").rglob("*"):
        assert file.is_dir() or secret not in file.read_bytes()
    assert read_pinned(place_of(job)).job.marks.c2pa_key == "env:ARCHIVE_KEY"


def test_signed_and_unsigned_prints_are_two_recipes(chain: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 1)
    plain = job_of(tmp_path / "scans", tmp_path / "out")
    signed = job_of(tmp_path / "scans", tmp_path / "out", *by(chain))
    assert plain.print_digest != signed.print_digest
    drive(plain)
    with pytest.raises(OtherJob, match="c2pa is False there and True here"):
        drive(signed)


def test_the_next_years_key_goes_on(chain: Path, tmp_path: Path) -> None:
    """Who signs is in each file; another key or certificate is no other job."""
    make_test_chain(tmp_path / "renewed", "City Archive")
    write_photos(tmp_path / "scans", 1)
    drive(job_of(tmp_path / "scans", tmp_path / "out", *by(chain)))
    write_photos(tmp_path / "scans", 1, first=1)
    job = job_of(tmp_path / "scans", tmp_path / "out", *by(tmp_path / "renewed"))
    drive(job)
    found = {
        read_manifest(path, (chain / "anchor.pem").read_text()).state
        for path in files(place_of(job))
    }
    assert found == {"trusted", "valid"}
    assert findings(place_of(job)) == []


def test_work_done_twice_is_one_print(chain: Path, tmp_path: Path) -> None:
    """A signature is never the same twice: two files, but one row counts, and neither is wrong."""
    write_photos(tmp_path / "scans", 2)
    job = job_of(tmp_path / "scans", tmp_path / "out", *by(chain))
    (shard,) = planned_only(job)[0].shards
    store = place_of(job)
    worker = Worker(Orders(job, read_pinned(store), "tests"))
    for _ in range(2):
        list(worker.run(Attempt(shard, 1, False, frozenset(), False)))
    assert len(files(store)) == 4
    assert len(prints(store)) == 2
    drive(job)
    assert [verify_file(path).findings for path in files(store)] == [()] * 4
    assert findings(store) == []


def test_a_failed_signature_fails_the_photo(chain: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 1)
    dead = "marks.tsa_url=http://127.0.0.1:9/stamp"
    job = job_of(tmp_path / "scans", tmp_path / "out", dead, *by(chain))
    drive(job)
    store = place_of(job)
    assert files(store) == []
    assert prints(store) == []
    (row,) = current(store).values()
    assert (row["outcome"], row["ai_colorized"]) == ("failed", False)
    assert "C2PA" in row["error"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["marks.c2pa_key=key.pem"], "go together"),
        (["marks.tsa_url=http://x"], "name c2pa_key"),
        (["marks.c2pa_key=-----BEGIN PRIVATE KEY-----", "marks.c2pa_chain=x"], "never the key"),
        (["marks.c2pa_key=a", "marks.c2pa_chain=b", "marks.tsa_url=ftp://x"], "must start with"),
        (["marks.key=a"], "no such setting"),
    ],
)
def test_settings_that_cannot_be(changes: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        job_of(tmp_path, tmp_path / "out", *changes)
    assert "\n" not in str(caught.value)


def test_paths_are_relative_to_the_job_file(tmp_path: Path) -> None:
    text = 'manifest = "m.csv"\noutput = "out"\n[marks]\nc2pa_key = "keys/k.pem"\n'
    (tmp_path / "job.toml").write_text(text + 'c2pa_chain = "env:CHAIN"\n')
    job = load_job(str(tmp_path / "job.toml"))
    assert job.marks.c2pa_key == str(tmp_path / "keys/k.pem")
    assert job.marks.c2pa_chain == "env:CHAIN"
    assert job.print.c2pa


def test_what_is_not_there_is_named(chain: Path, tmp_path: Path) -> None:
    job = job_of(tmp_path, tmp_path / "out", "marks.c2pa_key=/no/key.pem", by(chain)[1])
    with pytest.raises(SettingsError, match=r"marks.c2pa_key: /no/key.pem: No such file"):
        job.marks.signer()
    assert "NO_SUCH_KEY" not in os.environ
    job = job_of(tmp_path, tmp_path / "out", "marks.c2pa_key=env:NO_SUCH_KEY", by(chain)[1])
    with pytest.raises(SettingsError, match="NO_SUCH_KEY is not set here"):
        job.marks.signer()


def test_a_few_photos_signed(chain: Path, tmp_path: Path, program: Program) -> None:
    photo = write_photos(tmp_path / "scans", 1)[0]
    keys_ = ("--c2pa-key", chain / "key.pem", "--c2pa-chain", chain / "chain.pem")
    answer = program("colorize", photo, "--out", tmp_path / "out", "--model", "echo", *keys_)
    assert answer.code == 0
    (path,) = (tmp_path / "out").iterdir()
    assert read_manifest(path, (chain / "anchor.pem").read_text()).state == "trusted"


def test_the_helpers_words_can_be_pasted(tmp_path: Path, program: Program) -> None:
    answer = program("marks", "test-chain", "--out", tmp_path / "keys")
    assert answer.code == 0
    section = answer.out[answer.out.index("[marks]") :]
    text = f'manifest = "m.csv"\noutput = "out"\n{section}'
    (tmp_path / "job.toml").write_text(text)
    assert load_job(str(tmp_path / "job.toml")).marks.signer() is not None
