"""Lint: look at cluster files before a cluster does, by our model of their fields and our rules."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from photochrom.cluster import rules
from photochrom.cluster.errors import SubmitError
from photochrom.cluster.findings import Finding, Where, Wrong, dotted, misshapen
from photochrom.cluster.kubernetes import MODELS
from photochrom.cluster.rules import part

RAY_UP = "ray-up"
_MARKET = ("node_config", "InstanceMarketOptions", "MarketType")


def lint(file: Path) -> list[Finding]:
    """Return what is wrong with a file of Kubernetes objects or a `ray up` file.

    Raises SubmitError if it cannot be read.
    """
    return lint_text(_read(file), str(file))


def lint_text(text: str, file: str) -> list[Finding]:
    """Return what is wrong with the text of a file."""
    try:
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        return [Finding(file, "", " ".join(str(error).split()), "mend the YAML")]
    if not documents:
        return [Finding(file, "", "there is nothing in it", "name another file")]
    several = len(documents) > 1
    return [
        Finding(file, dotted((*_name(document, several), *wrong.where)), wrong.what, wrong.mend)
        for document in documents
        for wrong in _wrong(document)
    ]


def _name(document: Any, several: bool) -> Where:
    """Return what tells a document from the others of its file."""
    return (str(document["kind"]),) if several and part(document, "kind") else ()


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise SubmitError(f"{file}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SubmitError(f"{file}: cannot be read: {error}") from error


def _wrong(document: Any) -> Iterator[Wrong]:
    if not isinstance(document, dict):
        yield Wrong((), "not an object", "write `key: value` lines")
        return
    kind = str(document.get("kind") or (RAY_UP if "cluster_name" in document else ""))
    if kind == "Secret":
        yield Wrong((), "a secret in a file", "make it with kubectl or your secret store")
        return
    if kind not in MODELS:
        known = ", ".join(sorted(MODELS))
        yield Wrong(("kind",), f"{kind or 'no kind'} is none that we know", f"it must be {known}")
        return
    yield from misshapen(MODELS[kind], document)
    yield from rules.secret_in_text(document, ())
    if kind == RAY_UP:
        yield from _ray_up(document)
        return
    if kind in ("RayJob", "RayCluster"):
        yield from rules.named_well(document, ())
    spec = part(document, "spec")
    if kind == "RayJob" and isinstance(spec, Mapping):
        for rule in rules.FOR_JOBS:
            yield from rule(spec, ("spec",))
        if spec.get("rayClusterSpec"):
            yield from _cluster(part(spec, "rayClusterSpec"), ("spec", "rayClusterSpec"))
    elif kind == "RayCluster":
        yield from _cluster(spec, ("spec",))


def _cluster(spec: Any, where: Where) -> Iterator[Wrong]:
    if not isinstance(spec, Mapping):
        return
    for rule in rules.FOR_CLUSTERS:
        yield from rule(spec, where)
    for container, at in rules.containers(spec, where):
        for rule in rules.FOR_CONTAINERS:
            yield from rule(container, at)


def _ray_up(document: Mapping[str, Any]) -> Iterator[Wrong]:
    types = part(document, "available_node_types")
    head = str(document.get("head_node_type") or "")
    if not isinstance(types, Mapping):
        return
    if head not in types:
        known = ", ".join(map(str, types))
        yield Wrong(("head_node_type",), f"{head!r} is no node type", f"it must be one of {known}")
    elif part(types, head, "resources", "CPU") != 0 or "CPU" not in part(types, head, "resources"):
        at: Where = ("available_node_types", head, "resources")
        yield Wrong(at, "the head takes work, and the job dies with it", "write {CPU: 0}")
    if part(types, head, *_MARKET) == "spot":
        at = ("available_node_types", head, *_MARKET)
        yield Wrong(at, "the head may be taken away, and the job with it", "leave it out")
    for name, each in types.items():
        least, most = part(each, "min_workers") or 0, part(each, "max_workers")
        if isinstance(most, int) and isinstance(least, int) and least > most:
            what = f"min_workers {least} is more than max_workers {most}"
            at = ("available_node_types", str(name), "min_workers")
            yield Wrong(at, what, "set min_workers <= max_workers")
    for index, option in enumerate(part(document, "docker", "run_options") or ()):
        name, _, value = str(option).rpartition(" ")[2].removeprefix("--env=").partition("=")
        if value and rules.is_secret(name):
            mend = "take it from a file of the machine (--env-file), or give machines a role"
            yield Wrong(("docker", "run_options", index), f"{name} is in plain text", mend)
