"""`photochrom train` on a real local Ray: each start takes seconds, so one run answers much."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from photochrom.colorize import load_generator
from photochrom.colorize.training.trainer import WEIGHTS
from photochrom.jobs.storage.store import Store
from tests.colorize.training.tiny import write_tar
from tests.conftest import ACCESS_KEY_ENV, SECRET_KEY_ENV, access_to
from tests.jobs.program import Program
from tests.servers import SeaweedFS

RECIPE = """
family = "pocket"
side = 64
average = 0.5
manifest = "photos.csv"
output = "out"
[content]
chroma = 1.0
classes = 0.1
[critic]
kind = "features"
width = 8
[validation]
size = 32
photographs = 2
minutes = 1e-9
shown = 1
[[generator_phases]]
size = 32
batch = 2
epochs = 6
rate = 1e-3
[[critic_phases]]
size = 32
batch = 2
rate = 1e-3
[[gan_phases]]
size = 32
batch = 2
epochs = 2
rate = 1e-3
schedule = "constant"
critic_threshold = 9.0
check_steps = 4
[run]
threads = 1
checkpoint_minutes = 1e-9
"""
TRAIN, HELD_OUT = 10, 2


def prepare(folder: Path) -> Path:
    """Write twelve photographs, one of them broken, their manifest, and the recipe's file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tar(folder / "photos.tar", TRAIN + HELD_OUT)
    lines = ["row_id,uri,member,split"]
    for index in range(TRAIN + HELD_OUT):
        split = "train" if index < TRAIN else "val"
        lines.append(f"{index},photos.tar,{index:02d}.jpg,{split}")
    lines[TRAIN] = "x,broken.jpg,,train"
    (folder / "broken.jpg").write_text("no photograph")
    (folder / "photos.csv").write_text("\n".join(lines) + "\n")
    (folder / "ours.toml").write_text(RECIPE)
    return folder / "ours.toml"


def command(*arguments: object) -> list[str]:
    start = "import sys; from photochrom.jobs.cli import main; sys.argv[0] = 'photochrom'; main()"
    return [sys.executable, "-c", start, "train", *map(str, arguments)]


def trained(*arguments: object) -> Any:
    """Train in a process of its own to the end; return what it printed as JSON."""
    done = subprocess.run(
        command(*arguments, "--json"), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def curve(store: Store) -> list[dict[str, str]]:
    text = store.read("curve.csv").decode()
    lines = csv.DictReader(io.StringIO(text))
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@dataclass(frozen=True)
class Unbroken:
    """A training in one go, and what the command said."""

    folder: Path
    said: Any

    @property
    def store(self) -> Store:
        return Store(str(self.folder / "out"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    return Unbroken(folder, trained(prepare(folder)))


@pytest.mark.slow
def test_a_training_comes_to_its_end(unbroken: Unbroken) -> None:
    file = unbroken.folder / "out" / WEIGHTS
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert unbroken.said == {
        "uri": f"file://{file}",
        "sha256": sha256,
        "bytes": file.stat().st_size,
    }
    assert load_generator("pocket", weights=file, sha256=sha256).weights_sha256 == sha256
    steps = [(line["kind"], line["step"]) for line in curve(unbroken.store)]
    assert steps == [
        *[("generator", step) for step in ("5", "10", "15", "20", "25", "30")],
        *[("critic", "5"), ("gan", "4"), ("gan", "8"), ("gan", "10")],
    ]
    kept = {entry.key.partition("/")[0] for entry in unbroken.store.list()}
    assert kept == {
        *("training.json", "photographs.parquet", "curve.csv", "checkpoints", "sheets"),
        *("refused", WEIGHTS),
    }
    assert unbroken.store.read("refused/0.csv").startswith(b"id,kind,reason\nx,SourceError,")


@pytest.mark.slow
def test_the_same_command_says_the_same_and_learns_no_more(
    unbroken: Unbroken, program: Program
) -> None:
    before = {entry.key: entry.version for entry in unbroken.store.list()}
    answer = program("train", unbroken.folder / "ours.toml")
    assert answer.code == 0
    assert unbroken.said["sha256"] in answer.out
    assert f'model = "pocket"\nweights = "{unbroken.folder}/out/{WEIGHTS}"' in answer.out
    assert {entry.key: entry.version for entry in unbroken.store.list()} == before


@pytest.mark.slow
def test_another_recipe_at_the_same_place_is_refused(unbroken: Unbroken, program: Program) -> None:
    file = unbroken.folder / "ours.toml"
    for change, told in (
        ("seed=3", "recipe.seed is 0 there and 3 here"),
        ("gan_phases.0.rate=0.5", "recipe.gan_phases.0.rate is 0.001 there and 0.5 here"),
        ("run.workers=2", "workers is 1 there and 2 here"),
    ):
        answer = program("train", file, "--set", change)
        assert answer.code == 1
        assert told in answer.err
        assert "Choose another output place" in answer.err
        assert len(answer.err.splitlines()) == 1
    assert program("train", file, "--set", "run.threads=2").code == 0


def stopped_when(file: Path, number: signal.Signals, seen: Path, pattern: str) -> tuple[int, str]:
    """Start a training, stop it as soon as its place has such an object; say how it ended."""
    with subprocess.Popen(
        command(file), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        stop_when(running, number, seen, pattern)
        return running.returncode, running.stderr.read() if running.stderr else ""


def stop_when(
    running: subprocess.Popen[str], number: signal.Signals, seen: Path, pattern: str
) -> None:
    """Send a signal to a driver as soon as its place has such an object, and wait for its end."""
    deadline = time.monotonic() + 240
    while not list(seen.glob(pattern)):
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < deadline, "nothing was kept"
        time.sleep(0.05)
    running.send_signal(number)
    running.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_it_goes_on_to_the_same_end(unbroken: Unbroken, tmp_path: Path) -> None:
    file = prepare(tmp_path)
    place = tmp_path / "out"
    code, said = stopped_when(file, signal.SIGTERM, place, "checkpoints/000-00000010*")
    assert (code, "interrupted; the same command goes on from here" in said) == (130, True)
    assert stopped_when(file, signal.SIGKILL, place, "checkpoints/002-00000004*")[0] == -9
    assert not (place / WEIGHTS).exists()
    assert trained(file)["sha256"] == unbroken.said["sha256"]
    assert curve(Store(str(tmp_path / "out"))) == curve(unbroken.store)


@pytest.mark.slow
def test_two_workers_learn_together(unbroken: Unbroken, tmp_path: Path) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("needs two CPUs")
    said = trained(prepare(tmp_path), "--set", "run.workers=2")
    lines, alone = curve(Store(str(tmp_path / "out"))), curve(unbroken.store)
    assert said["sha256"] != unbroken.said["sha256"]
    assert [(line["kind"], line["steps"]) for line in lines] == [
        *[("generator", "15")] * 6,  # at each epoch of 3 steps, and a checkpoint at 10
        *[("critic", "3"), ("gan", "5"), ("gan", "5")],
    ]
    assert int(lines[-1]["photographs"]) == 4 * (15 + 3 + 5)
    assert 0 < float(lines[-1]["mae"]) < 2 * float(alone[-1]["mae"])


@pytest.mark.slow
def test_it_trains_over_s3(
    unbroken: Unbroken, seaweed: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    file, photos = prepare(tmp_path), Store(f"s3://{bucket}/photos", access_to(seaweed))
    for name in ("photos.tar", "broken.jpg", "photos.csv"):
        photos.put_file(name, tmp_path / name)
    access = {
        "endpoint": seaweed.endpoint,
        "access_key_env": ACCESS_KEY_ENV,
        "secret_key_env": SECRET_KEY_ENV,
    }
    changes = [
        f"storage.{side}.{name}={value}"
        for side in ("source", "output")
        for name, value in access.items()
    ]
    places = (f"s3://{bucket}/photos/photos.csv", f"s3://{bucket}/ours")
    said = trained(file, *places, *(word for change in changes for word in ("--set", change)))
    assert said["uri"] == f"s3://{bucket}/ours/{WEIGHTS}"
    assert said["sha256"] == unbroken.said["sha256"]
    assert curve(Store(f"s3://{bucket}/ours", access_to(seaweed))) == curve(unbroken.store)


@pytest.mark.slow
def test_a_crew_that_is_too_large_and_photographs_that_none_are_held_out_of(tmp_path: Path) -> None:
    file = prepare(tmp_path)
    (tmp_path / "photos.csv").write_text("uri\nphotos.tar\n")
    changes = ("--set", "validation.share=0", "--set", "run.workers=999")
    done = subprocess.run(command(file, *changes), capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    held_out, crew = done.stderr.splitlines()
    assert held_out.startswith("no photograph is held out: nothing is measured")
    assert crew.startswith("photochrom: 999 workers of 1 CPUs and 0 GPUs do not fit")


def test_what_is_wrong_is_told_before_anything_starts(tmp_path: Path, program: Program) -> None:
    file = prepare(tmp_path)
    for change, told in (
        ("start=/no/such.safetensors", "cannot read the weights /no/such.safetensors"),
        (f"critic.weights={tmp_path}/none.pth", f"cannot read the weights {tmp_path}/none.pth"),
        ("cycles=-1", "cycles: Input should be greater than or equal to 0"),
        (f"manifest={tmp_path}/none.csv", "none.csv"),
    ):
        answer = program("train", file, "--set", change)
        assert answer.code in (1, 2)
        assert told in answer.err
        assert len(answer.err.splitlines()) == 1
    (tmp_path / "photos.csv").write_text("uri,split\nphotos.tar,val\n")
    answer = program("train", file, tmp_path / "photos.csv", tmp_path / "other")
    assert "every photograph is held out; none to learn from" in answer.err
