"""Lint finds what people get wrong, each where it is, and nothing in what we render ourselves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from photochrom.cluster.blueprint import Blueprint
from photochrom.cluster.errors import SubmitError
from photochrom.cluster.findings import Finding
from photochrom.cluster.kubernetes import MODELS
from photochrom.cluster.lint import lint, lint_text
from photochrom.cluster.render import Asked, render

ASKED = Asked(
    'manifest = "s3://scans/"\noutput = "s3://colour/"\n',
    {"source": ("SCANS_KEY", "SCANS_SECRET"), "output": ("COLOUR_KEY", "COLOUR_SECRET")},
)
Change = Callable[[dict[str, Any]], object]
SCHEMAS = Path(__file__).parents[3] / "shared" / "kuberay"


def ray_job() -> dict[str, Any]:
    """Return a RayJob without a fault."""
    documents = list(yaml.safe_load_all(render("rayjob", Blueprint(), ASKED)))
    return copy.deepcopy(documents[1])  # no two parts are the same object any more


def found(document: dict[str, Any]) -> list[Finding]:
    return lint_text(yaml.safe_dump(document), "file.yaml")


def cluster(job: dict[str, Any]) -> Any:
    return job["spec"]["rayClusterSpec"]


def workers(job: dict[str, Any]) -> Any:
    return cluster(job)["workerGroupSpecs"][0]


def container(job: dict[str, Any]) -> Any:
    return workers(job)["template"]["spec"]["containers"][0]


def misspelt(job: dict[str, Any]) -> None:
    workers(job)["minReplica"] = workers(job).pop("minReplicas")


GROUP = "spec.rayClusterSpec.workerGroupSpecs[0]"
HEAD = "spec.rayClusterSpec.headGroupSpec"
POD = f"{GROUP}.template.spec"
MISTAKES: dict[str, tuple[Change, str, str, str]] = {
    "a typo": (misspelt, f"{GROUP}.minReplica", "no such field", "write minReplicas"),
    "a number for text": (
        lambda job: cluster(job)["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        f"{HEAD}.rayStartParams.num-cpus",
        "is a number, and text is wanted",
        'write "0"',
    ),
    "no most": (
        lambda job: workers(job).pop("maxReplicas"),
        f"{GROUP}.maxReplicas",
        "is missing",
        "add maxReplicas",
    ),
    "a mode that is not there": (
        lambda job: cluster(job)["autoscalerOptions"].update(upscalingMode="Fast"),
        "spec.rayClusterSpec.autoscalerOptions.upscalingMode",
        "'Fast' is none of the values",
        "Conservative",
    ),
    "suspended, and never shut down": (
        lambda job: job["spec"].update(
            suspend=True, shutdownAfterJobFinishes=False, ttlSecondsAfterFinished=0
        ),
        "spec.suspend",
        "only a job that shuts its cluster down",
        "shutdownAfterJobFinishes: true",
    ),
    "a time to live of what stays": (
        lambda job: job["spec"].pop("shutdownAfterJobFinishes"),
        "spec.ttlSecondsAfterFinished",
        "nothing is ever shut down",
        "shutdownAfterJobFinishes: true",
    ),
    "retries on somebody's cluster": (
        lambda job: (
            job["spec"].pop("rayClusterSpec"),
            job["spec"].update(clusterSelector={"ray.io/cluster": "ours"}),
        ),
        "spec.backoffLimit",
        "a retry is a new cluster",
        "leave backoffLimit out",
    ),
    "retries by hand": (
        lambda job: job["spec"].update(submissionMode="InteractiveMode"),
        "spec.backoffLimit",
        "InteractiveMode",
        "leave backoffLimit out",
    ),
    "resources in both places": (
        lambda job: (
            workers(job).update(resources={"CPU": "8"}),
            workers(job)["rayStartParams"].update({"num-cpus": "8"}),
        ),
        f"{GROUP}.resources",
        "rayStartParams too",
        "num-cpus",
    ),
    "labels among start parameters": (
        lambda job: workers(job)["rayStartParams"].update(labels="a=b"),
        f"{GROUP}.rayStartParams.labels",
        "the operator refuses",
        "the group's own labels",
    ),
    "pods that come back": (
        lambda job: workers(job)["template"]["spec"].update(restartPolicy="Always"),
        f"{POD}.restartPolicy",
        "autoscaler v2",
        "write Never",
    ),
    "a secret in the file": (
        lambda job: container(job)["env"].append({"name": "SCANS_SECRET", "value": "hunter2"}),
        f"{POD}.containers[0].env[7].value",
        "SCANS_SECRET is in plain text",
        "secretKeyRef",
    ),
    "a key that shows by its look": (
        lambda job: job["spec"].update(runtimeEnvYAML="env_vars: {A: AKIAIOSFODNN7EXAMPLE}"),
        "spec.runtimeEnvYAML",
        "a key is in plain text",
        "secret",
    ),
    "a head that works": (
        lambda job: cluster(job)["headGroupSpec"]["rayStartParams"].pop("num-cpus"),
        f"{HEAD}.rayStartParams.num-cpus",
        "the head takes work",
        'num-cpus: "0"',
    ),
    "an image without a tag": (
        lambda job: container(job).update(image="example:5000/photochrom"),
        f"{POD}.containers[0].image",
        "another image tomorrow",
        "digest",
    ),
    "requests below the limits": (
        lambda job: container(job)["resources"]["requests"].update(memory="1Gi"),
        f"{POD}.containers[0].resources",
        "requests are not the limits",
        "the same in both",
    ),
    "root": (
        lambda job: container(job)["securityContext"].pop("runAsNonRoot"),
        f"{POD}.containers[0].securityContext",
        "may run as root",
        "runAsNonRoot: true",
    ),
    "no room to grow": (
        lambda job: cluster(job).update(enableInTreeAutoscaling=False),
        f"{GROUP}.maxReplicas",
        "it will never grow",
        "enableInTreeAutoscaling: true",
    ),
    "less than the least": (
        lambda job: workers(job).update(minReplicas=3, replicas=2),
        f"{GROUP}.replicas",
        "not between 3 and 8",
        "minReplicas <= replicas",
    ),
    "spot without a toleration": (
        lambda job: workers(job)["template"]["spec"].pop("tolerations"),
        POD,
        "tolerate no taint",
        "tolerations",
    ),
    "tokens for an old Ray": (
        lambda job: cluster(job).update(rayVersion="2.40.0"),
        "spec.rayClusterSpec.rayVersion",
        "authOptions.mode token",
        "2.52",
    ),
    "a name too long": (
        lambda job: job["metadata"].update(name="a" * 48),
        "metadata.name",
        "cannot be a name",
        "47",
    ),
    "a negative": (
        lambda job: job["spec"].update(backoffLimit=-1),
        "spec.backoffLimit",
        "-1 cannot be",
        "greater than or equal to 0",
    ),
}


def test_what_we_render_is_without_a_fault() -> None:
    assert found(ray_job()) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_where_it_is(mistake: str) -> None:
    change, path, what, mend = MISTAKES[mistake]
    job = ray_job()
    change(job)
    here = [finding for finding in found(job) if finding.path == path]
    assert here, found(job)
    assert any(what in finding.what and mend in finding.mend for finding in here), here


def test_what_is_said_otherwise_is_no_mistake() -> None:
    job = ray_job()
    workers(job)["template"]["spec"]["securityContext"]["runAsNonRoot"] = True
    del container(job)["securityContext"]["runAsNonRoot"]
    del container(job)["resources"]["requests"]  # Kubernetes then takes the limits
    container(job)["env"].append({"name": "RAY_AUTH_TOKEN_PATH", "value": "/run/token"})
    assert found(job) == []


def ray_up() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(render("ray-up", Blueprint(), ASKED))
    return document


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda up: up.update(max_worker=3), "max_worker"),
        (
            lambda up: up["available_node_types"]["head"].update(resources={"CPU": 4}),
            "available_node_types.head.resources",
        ),
        (lambda up: up.update(head_node_type="leader"), "head_node_type"),
        (
            lambda up: up["available_node_types"]["gpu-workers"].update(min_workers=99),
            "available_node_types.gpu-workers.min_workers",
        ),
        (
            lambda up: up["docker"]["run_options"].append("--env=SCANS_KEY=abc"),
            "docker.run_options[4]",
        ),
    ],
)
def test_mistakes_in_a_ray_up_file(change: Change, path: str) -> None:
    document = ray_up()
    assert found(document) == []
    change(document)
    assert [finding.path for finding in found(document)] == [path]


def test_a_finding_says_in_which_of_a_files_documents_it_is(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    text = render("rayjob", Blueprint(), ASKED)
    file.write_text(text.replace("backoffLimit: 3", "backofLimit: 3"))
    (finding,) = lint(file)
    assert (finding.file, finding.path) == (str(file), "RayJob.spec.backofLimit")
    assert finding.mend == "write backoffLimit"


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "kind: Pod\n", "kind: Secret\ndata: {}\n"])
def test_what_is_no_cluster_file_is_a_finding(text: str) -> None:
    assert len(lint_text(text, "file.yaml")) == 1


@pytest.mark.parametrize("spec", [None, [], "text", {"rayClusterSpec": []}, {"rayClusterSpec": {}}])
def test_a_misshapen_file_is_found_and_not_stumbled_over(spec: Any) -> None:
    job = ray_job() | {"spec": spec}
    assert found(job)
    assert found(ray_job() | {"kind": "RayCluster", "spec": spec})


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SubmitError, match="no such file"):
        lint(tmp_path / "none.yaml")


def crd(kind: str) -> Any:
    """Return the operator's own schema of a kind, as its cluster would have it."""
    file = SCHEMAS / f"{kind}s.yaml"
    if not file.is_file():
        pytest.skip("the operator's own schemas are not at hand")
    versions = yaml.load(file.read_text(), yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = [each["schema"] for each in versions if each["name"] == "v1"]
    return schema["openAPIV3Schema"]


def test_our_model_has_all_fields_of_the_operators_and_no_others() -> None:
    theirs = crd("rayjob")["properties"]["spec"]
    ours = MODELS["RayJob"].model_fields["spec"].annotation
    assert set(ours.model_fields) == set(theirs["properties"])
    theirs = theirs["properties"]["rayClusterSpec"]
    ours = ours.model_fields["rayClusterSpec"].annotation
    assert set(ours.model_fields) == set(theirs["properties"])
    groups = theirs["properties"]["workerGroupSpecs"]["items"]
    for name, schema in (
        ("headGroupSpec", theirs["properties"]["headGroupSpec"]),
        ("autoscalerOptions", theirs["properties"]["autoscalerOptions"]),
        ("authOptions", theirs["properties"]["authOptions"]),
    ):
        assert set(ours.model_fields[name].annotation.model_fields) == set(schema["properties"])
    group = ours.model_fields["workerGroupSpecs"].annotation.__args__[0]
    assert set(group.model_fields) == set(groups["properties"])
    required = {name for name, field in group.model_fields.items() if field.is_required()}
    assert required == set(groups["required"])
    pod = group.model_fields["template"].annotation.model_fields["spec"].annotation
    spec = groups["properties"]["template"]["properties"]["spec"]
    assert set(pod.model_fields) == set(spec["properties"])
    one = pod.model_fields["containers"].annotation.__args__[0]
    assert set(one.model_fields) == set(spec["properties"]["containers"]["items"]["properties"])
