"""Cluster files made from jobs fit the job, the lint, and the schemas of those who read them."""

from __future__ import annotations

import json
import platform
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from jsonschema import Draft202012Validator

from photochrom.cluster.lint import lint_text
from photochrom.jobs.settings import Job, load_job
from tests.jobs.archive import drive, job_of
from tests.jobs.program import Program

SCHEMAS = Path(__file__).parents[3] / "shared" / "kuberay"
JOB = """
manifest = "s3://scans/glass.parquet"
output = "s3://colour/glass"
[storage.source]
endpoint = "https://scans.example.org"
access_key_env = "SCANS_KEY"
secret_key_env = "SCANS_SECRET"
[storage.output]
endpoint = "https://colour.example.org"
access_key_env = "COLOUR_KEY"
secret_key_env = "COLOUR_SECRET"
[paint.collections."roll 7: night"]
tone = "negative"
[marks]
c2pa_key = "env:ARCHIVE_KEY"
c2pa_chain = "env:ARCHIVE_CHAIN"
"""
SETTINGS: dict[str, list[str]] = {
    "as it comes": [],
    "twelve replicas of four CPUs": ["run.replicas=12", "run.cpus_per_replica=4"],
    "half a GPU each": ["run.gpus_per_replica=0.5", "run.replicas=9"],
    "on CPUs alone": ["run.gpus_per_replica=0", "run.replicas=6", "run.cpus_per_replica=2"],
    "never on spot": ["cluster.gpu.spot=false", "cluster.cpu.spot=false"],
    "without GPUs' helpers": ["cluster.cpu.max=0", "cluster.image=registry/photochrom@sha256:1"],
    "named and sized": [
        "cluster.name=glass-plates",
        "cluster.namespace=pictures",
        "cluster.gpu.max=32",
        "cluster.gpu.gpus=4",
        "cluster.gpu.memory=128Gi",
        "cluster.head.memory=16Gi",
    ],
}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.toml"
    file.write_text(JOB)
    return file


def rendered(program: Program, job: Path, kind: str, changes: list[str]) -> list[Any]:
    """Render a file, see that the lint has nothing to say, and return its documents."""
    options = [word for change in changes for word in ("--set", change)]
    answer = program("cluster", "render", job, "--kind", kind, *options)
    assert (answer.code, answer.err) == (0, "")
    assert lint_text(answer.out, kind) == []
    return list(yaml.safe_load_all(answer.out))


@cache
def crd(kind: str) -> Draft202012Validator:
    """Return what checks a kind by the operator's own schema, which knows no other fields."""
    file = SCHEMAS / f"{kind}s.yaml"
    if not file.is_file():
        pytest.skip("the operator's own schemas are not at hand")
    versions = yaml.load(file.read_text(), yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = [each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == "v1"]
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return Draft202012Validator(closed(schema))


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    open_ = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_:
        inner.setdefault("additionalProperties", False)
    return inner


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", ["rayjob", "raycluster"])
def test_the_operator_takes_what_we_render(
    kind: str, settings: str, job: Path, program: Program
) -> None:
    *_, document = rendered(program, job, kind, SETTINGS[settings])
    assert [error.message for error in crd(kind).iter_errors(document)] == []
    document["spec"]["typo"] = 1
    assert ["typo" in error.message for error in crd(kind).iter_errors(document)] == [True]


@pytest.mark.parametrize("settings", SETTINGS)
def test_ray_takes_what_we_render(settings: str, job: Path, program: Program) -> None:
    (document,) = rendered(program, job, "ray-up", SETTINGS[settings])
    file = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    errors = Draft202012Validator(json.loads(file.read_text())).iter_errors(document)
    assert [error.message for error in errors] == []
    assert document["available_node_types"]["head"]["resources"] == {"CPU": 0}


def groups(program: Program, job: Path, *changes: str) -> dict[str, Any]:
    *_, document = rendered(program, job, "rayjob", list(changes))
    found = document["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    return {group["groupName"]: group for group in found}


def limits(group: Any) -> Any:
    (container,) = group["template"]["spec"]["containers"]
    return container["resources"]["limits"]


def test_workers_are_sized_by_the_jobs_replicas(job: Path, program: Program) -> None:
    many = groups(program, job, "run.replicas=12", "run.cpus_per_replica=16")
    assert (many["gpu-workers"]["minReplicas"], many["gpu-workers"]["maxReplicas"]) == (1, 12)
    assert limits(many["gpu-workers"]) == {"cpu": "16", "memory": "32Gi", "nvidia.com/gpu": 1}
    assert limits(many["cpu-workers"]) == {"cpu": "8", "memory": "16Gi"}
    shared = groups(program, job, "run.replicas=9", "run.gpus_per_replica=0.5")
    assert shared["gpu-workers"]["maxReplicas"] == 5
    bare = groups(
        program, job, "run.replicas=6", "run.cpus_per_replica=2", "run.gpus_per_replica=0"
    )
    assert set(bare) == {"cpu-workers"}
    assert bare["cpu-workers"]["maxReplicas"] == 2


def test_a_rayjob_runs_the_job_that_it_was_made_from(job: Path, program: Program) -> None:
    config, document = rendered(program, job, "rayjob", ["paint.render_size=256"])
    words = document["spec"]["entrypoint"].split()
    assert words[:3] == ["photochrom", "run", "/etc/photochrom/job.toml"]
    assert set(config["data"]) == {"job.toml"}
    there = Job.model_validate(tomllib.loads(config["data"]["job.toml"]))
    here = load_job(str(job), None, ["paint.render_size=256", "run.gpus_per_replica=1"])
    assert there == here


def test_rows_that_failed_begin_no_new_cluster(
    mixed: Path, tmp_path: Path, program: Program
) -> None:
    drive(job_of(mixed, tmp_path / "out"))
    usual = ("paint.model=echo", "paint.render_size=64", "paint.tone=positive")
    options = [word for change in usual for word in ("--set", change)]
    command = ["run", mixed, tmp_path / "out", *options]
    assert program(*command).code == 3
    assert program(*command, "--rows-may-fail").code == 0


def test_credentials_come_from_each_sides_secret(job: Path, program: Program) -> None:
    for group in groups(program, job, "cluster.output_secret=prints").values():
        (container,) = group["template"]["spec"]["containers"]
        taken = {
            each["name"]: each["valueFrom"]["secretKeyRef"]["name"]
            for each in container["env"]
            if "valueFrom" in each
        }
        assert taken == {
            "SCANS_KEY": "photochrom-source",
            "SCANS_SECRET": "photochrom-source",
            "COLOUR_KEY": "prints",
            "COLOUR_SECRET": "prints",
            "ARCHIVE_KEY": "photochrom-marks",
            "ARCHIVE_CHAIN": "photochrom-marks",
        }


def test_prometheus_finds_every_pod(job: Path, program: Program) -> None:
    (monitor,) = rendered(program, job, "podmonitor", [])
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    *_, document = rendered(program, job, "raycluster", [])
    spec = document["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert wanted <= group["template"]["metadata"]["labels"].items()
        (container,) = group["template"]["spec"]["containers"]
        assert endpoint["port"] in {port["name"] for port in container["ports"]}


def test_the_image_has_the_wheel_and_no_root(program: Program) -> None:
    answer = program("cluster", "render", "--kind", "dockerfile")
    assert answer.code == 0
    lines = answer.out.splitlines()
    python = ".".join(platform.python_version_tuple()[:2])
    assert f"ARG BASE=python:{python}-slim-bookworm" in lines
    assert any(line.startswith("COPY dist/photochrom-") for line in lines)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 1000:1000"]
    assert not any("${image}" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "rayjob"], "a rayjob runs a job"),
        (["--kind", "pod"], "it is one of rayjob"),
        (
            ["--kind", "raycluster", "--set", "cluster.gpu.most=3"],
            "no such setting; there are cpus",
        ),
        (["--kind", "raycluster", "--set", "cluster.gpu.min=9"], "nothing between"),
        (["--kind", "raycluster", "--set", "run.replicas=3"], "none is named"),
        (["scans", "out", "--kind", "rayjob"], "paths of this machine"),
    ],
)
def test_what_cannot_be_rendered_is_said(arguments: list[str], said: str, program: Program) -> None:
    answer = program("cluster", "render", *arguments)
    assert answer.code in (1, 2)
    assert said in answer.err


def test_lint_exits_by_what_it_finds(job: Path, program: Program, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(program("cluster", "render", job).out)
    bad.write_text(good.read_text().replace("minReplicas", "minReplica"))
    assert program("cluster", "lint", good).code == 0
    answer = program("cluster", "lint", good, bad, "--json")
    assert answer.code == 2
    assert {finding["file"] for finding in answer.json} == {str(bad)}
    assert {"file", "path", "what", "mend"} == set(answer.json[0])
    assert any(finding["mend"] == "write minReplicas" for finding in answer.json)
    table = program("cluster", "lint", bad)
    assert (table.code, "workerGroupSpecs[0].minReplica" in table.out) == (2, True)


def test_every_template_is_in_the_wheel() -> None:
    root = Path(__file__).parent.parent.parent
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = tools["package-data"]["photochrom.cluster.templates"]
    templates = root / "cluster" / "templates"
    packed = {path for pattern in patterns for path in templates.glob(pattern)}
    assert {
        path for path in templates.iterdir() if path.suffix != ".py" and path.is_file()
    } == packed
