"""A job on its way to a cluster: its text, its name there, and what of it stays behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from photochrom.colorize.errors import SettingsError
from photochrom.jobs.identity import digest
from photochrom.jobs.pinned import operator_of
from photochrom.jobs.settings import Job

JOB_NAME = "job.toml"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_PATHS = ("manifest", "output", "paint.weights", "marks.c2pa_key", "marks.c2pa_chain")


def errand_name(job: Job) -> str:
    """Name a job on a cluster, by its place and its paint recipe: the same for whoever sends it."""
    place = job.output.rstrip("/")
    stem = _NOT_IN_NAMES.sub("-", place.rpartition("/")[2].lower()).strip("-")[:30] or "job"
    recipe = job.paint.model_dump(mode="json")
    return f"photochrom-{stem}-{digest(place, job.storage.output.endpoint, recipe)[:12]}"


def job_text(job: Job) -> str:
    """Write a job as a job file: what is not a default, one dotted key on each line."""
    values = job.model_dump(mode="json", exclude_defaults=True)
    values.get("print", {}).pop("c2pa", None)  # it follows from [marks]
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in _flat(values)]
    return "\n".join(lines) + "\n"


def signed_for(job: Job) -> Job:
    """Return the job with its operator named: on a cluster nobody is at the keyboard."""
    return job.model_copy(update={"operator": operator_of(job)})


def variables(job: Job) -> dict[str, tuple[str, ...]]:
    """Return the environment variables that must be set on the cluster, by what reads them."""
    sides = {"source": job.storage.source, "output": job.storage.output}
    named = {
        side: tuple(filter(None, (access.access_key_env, access.secret_key_env)))
        for side, access in sides.items()
    }
    marks = (job.marks.c2pa_key, job.marks.c2pa_chain)
    named["marks"] = tuple(m.removeprefix("env:") for m in marks if m and m.startswith("env:"))
    return {side: names for side, names in named.items() if names}


def local_paths(job: Job) -> dict[str, str]:
    """Return the settings that name a path of some machine, and the paths."""
    values = dict(_flat(job.model_dump(mode="json")))
    found = {key: str(values[key]) for key in _PATHS if values.get(key)}
    return {
        key: value.removeprefix("file://")
        for key, value in found.items()
        if value.startswith(("file://", "/"))
    }


def check_paths(job: Job, shared_paths: bool) -> None:
    """Raise SettingsError if the job names paths and nobody says that a cluster has them too."""
    if shared_paths or not (paths := local_paths(job)):
        return
    named = ", ".join(f"{key} is {path}" for key, path in paths.items())
    raise SettingsError(
        f"{named}: paths of this machine; use s3:// URIs (for marks env:NAME), or say "
        "--shared-paths if every machine of the cluster has the same there"
    )


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = before + (name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False))
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{key}.")
        elif value is not None:
            yield key, value
