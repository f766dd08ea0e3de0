"""Render: templates of cluster files, filled from a blueprint and from what a job asks for."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from string import Template
from textwrap import indent
from typing import Any, Literal, TypeAlias, get_args

from photochrom.cluster.blueprint import Blueprint, Group
from photochrom.cluster.errors import SubmitError

Kind: TypeAlias = Literal["rayjob", "raycluster", "ray-up", "podmonitor", "dockerfile"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FILES = {kind: f"{kind}.yaml" for kind in KINDS} | {"dockerfile": "Dockerfile"}
_OBJECT_STORE = 256 << 20
_INDENTS = {"rayjob": 4, "raycluster": 2}


@dataclass(frozen=True)
class Asked:
    """What a job brings along: its text, and the variables it reads its credentials from."""

    text: str = ""
    variables: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by source, output, marks


def render(kind: Kind, plan: Blueprint, asked: Asked) -> str:
    """Return a file of a kind; raises SubmitError for a RayJob without a job."""
    if kind == "rayjob" and not asked.text:
        raise SubmitError("a rayjob runs a job: name it, JOB or MANIFEST OUTPUT")
    values = _plain(plan)
    if kind in _INDENTS:
        values |= {
            "job": indent(asked.text.rstrip(), " " * 4),
            "cluster": indent(_cluster(plan, asked).rstrip(), " " * _INDENTS[kind]),
        }
    if kind == "ray-up":
        values |= _for_ray_up(plan, asked)
    return _filled(_FILES[kind], values)


def _plain(plan: Blueprint) -> dict[str, Any]:
    return {
        **plan.model_dump(),
        "version": version("photochrom"),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "object_store": _OBJECT_STORE,
        "head_cpus": plan.head.cpus,
        "head_memory": plan.head.memory,
        "head_type": plan.head.type,
    }


def _cluster(plan: Blueprint, asked: Asked) -> str:
    """Return what RayJob and RayCluster have in common."""
    environment = indent(_environment(plan, asked), " " * 12)
    groups = [_group(name, group, plan, environment) for name, group in plan.groups.items()]
    mounts = volumes = ""
    if asked.text:
        mounts = "            - {name: job, mountPath: /etc/photochrom, readOnly: true}"
        volumes = f"        - name: job\n          configMap: {{name: {plan.name}-job}}"
    return _filled(
        "cluster.yaml",
        {
            **_plain(plan),
            "environment": environment,
            "head_mounts": mounts,
            "head_volumes": volumes,
            "workers": indent("".join(groups).rstrip(), "  "),
        },
    )


def _group(name: str, group: Group, plan: Blueprint, environment: str) -> str:
    return _filled(
        "workers.yaml",
        {
            **_plain(plan),
            **group.model_dump(),
            "group": name,
            "environment": environment,
            "gpus": f", nvidia.com/gpu: {group.gpus}" if group.gpus else "",
            "labels": "  labels:\n    ray.io/market-type: spot" if group.spot else "",
            "tolerations": _tolerations(group, plan.spot_keys),
        },
    )


def _tolerations(group: Group, spot_keys: Sequence[str]) -> str:
    keys = [*(["nvidia.com/gpu"] if group.gpus else []), *(spot_keys if group.spot else ())]
    lines = [f"        - {{key: {key}, operator: Exists, effect: NoSchedule}}" for key in keys]
    return "\n".join(["      tolerations:", *lines]) if lines else ""


def _environment(plan: Blueprint, asked: Asked) -> str:
    """Return the variables that pods take from secrets, each side's from its own."""
    secrets = {
        "source": plan.source_secret,
        "output": plan.output_secret,
        "marks": plan.marks_secret,
    }
    taken = {name: secrets[side] for side, names in asked.variables.items() for name in names}
    return "\n".join(
        f"- name: {name}\n  valueFrom: {{secretKeyRef: {{name: {secret}, key: {name}}}}}"
        for name, secret in taken.items()
    )


def _for_ray_up(plan: Blueprint, asked: Asked) -> dict[str, Any]:
    """Return what only a ray-up file says."""
    names = [name for side in asked.variables.values() for name in side]
    options = (
        f"    # The job reads {', '.join(names)}: have your secret store write them,\n"
        "    # as NAME=value, to this file of each machine.\n"
        "    - --env-file=/etc/photochrom/credentials"
    )
    types = [
        _filled(
            "node-type.yaml",
            {
                **_plain(plan),
                **group.model_dump(),
                "group": name,
                "gpus": f", GPU: {group.gpus}" if group.gpus else "",
                "labels": "  labels: {ray.io/market-type: spot}" if group.spot else "",
                "market": "    InstanceMarketOptions: {MarketType: spot}" if group.spot else "",
            },
        )
        for name, group in plan.groups.items()
    ]
    return {
        "max_workers": sum(group.max for group in plan.groups.values()),
        "idle_minutes": max(1, plan.idle_seconds // 60),
        "run_options": options if names else "",
        "node_types": indent("".join(types).rstrip(), "  "),
    }


def _filled(name: str, values: Mapping[str, Any]) -> str:
    """Fill a template; lines whose only content was an empty value are gone."""
    source = (files("photochrom.cluster.templates") / name).read_text("utf-8")
    lines = [
        text
        for line in source.splitlines()
        if (text := Template(line).substitute(values)).strip() or not line.strip()
    ]
    return "\n".join(lines) + "\n"
