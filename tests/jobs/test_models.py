"""The `models` verbs: what can be had, and bringing in published weights."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from photochrom.colorize.generator import known_models
from photochrom.colorize.generator.weights import digest
from tests.colorize.generator.published import publish
from tests.jobs.program import Program, imported

USAGE = 2


@pytest.fixture(autouse=True)
def _no_large_files_left(tmp_path: Path) -> Iterator[None]:
    yield
    for file in [*tmp_path.glob("*.pth"), *tmp_path.glob("*.safetensors")]:
        file.unlink()


def test_the_list_names_every_model_and_where_its_weights_are(program: Program) -> None:
    answer = program("models", "list")
    assert answer.code == 0
    for model in known_models():
        line = next(line for line in answer.out.splitlines() if f" {model.name} " in line)
        assert all(word in line for word in (model.family, model.licence, model.publisher))
        assert model.sha256 is None or model.sha256 in answer.out
    assert "255.0 MB" in answer.out
    assert "560" in answer.out


def test_the_list_as_json_holds_every_fact(program: Program) -> None:
    found = {line["name"]: line for line in program("models", "list", "--json").json}
    assert set(found) == {"pocket", "artistic", "stable", "video", "echo"}
    assert found["video"] == {
        "name": "video",
        "family": "deoldify",
        "bytes": 874_000_000,
        "licence": "MIT",
        "publisher": found["stable"]["publisher"],
        "sha256": None,
        "render_size": 336,
        "precision": "bfloat16",
    }
    assert "jantic/DeOldify" in found["artistic"]["publisher"]
    assert len(found["pocket"]["sha256"]) == 64


def test_the_list_needs_no_torch() -> None:
    answer, modules = imported("models", "list")
    assert answer.code == 0
    assert not {"torch", "ray", "pyarrow"} & modules


def test_an_import_says_what_to_paste_into_a_job(program: Program, tmp_path: Path) -> None:
    source = publish("artistic", tmp_path / 'the "best" one.pth')
    answer = program("models", "import", source)
    assert answer.code == 0, answer.err
    file = tmp_path / 'the "best" one.safetensors'
    assert f"sha256 {digest(file)}" in answer.out
    pasted = tomllib.loads(answer.out[answer.out.index("[paint]") :])
    assert pasted == {
        "paint": {"model": "artistic", "weights": str(file), "sha256": digest(file)},
    }
    assert "was there already" in program("models", "import", source).out


def test_an_import_goes_where_it_is_told_under_the_name_it_is_told(
    program: Program, tmp_path: Path
) -> None:
    source = publish("stable", tmp_path / "a.pth", zipped=False)
    out = tmp_path / "video.safetensors"
    assert "say which with --as" in program("models", "import", source).err
    answer = program("models", "import", source, "--as", "video", "--out", out)
    assert answer.code == 0, answer.err
    assert 'model = "video"' in answer.out
    assert out.is_file()


def test_a_refused_import_is_one_line(program: Program, tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    answer = program("models", "import", tmp_path / "text.pth")
    assert answer.code == USAGE
    assert answer.err.startswith("photochrom: ")
    assert answer.err.count("\n") == 1
    assert answer.out == ""


def test_a_model_whose_weights_are_elsewhere_says_where(program: Program, job_folder: Path) -> None:
    scans, out = job_folder / "scans", job_folder / "out"
    answer = program("plan", scans, out, "--set", "paint.model=artistic")
    assert answer.code == USAGE
    assert "jantic/DeOldify" in answer.err
    assert "--set paint.weights=FILE" in answer.err
    assert not out.exists()
