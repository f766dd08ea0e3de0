"""What a job says about the cluster that it wants, and the job as that cluster is to see it."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from pydantic import ValidationError

from photochrom.cluster.blueprint import Blueprint, default_values
from photochrom.cluster.render import Asked
from photochrom.colorize.errors import SettingsError
from photochrom.jobs.errand import check_paths, job_text, variables
from photochrom.jobs.settings import Job, apply_change, one_line

PREFIX = "cluster."


def divided(changes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part changes of the job from those of the cluster, which begin with `cluster.`."""
    own = [change for change in changes if not change.startswith(PREFIX)]
    theirs = [change.removeprefix(PREFIX) for change in changes if change.startswith(PREFIX)]
    return own, theirs


def blueprint_of(job: Job | None, changes: Sequence[str]) -> Blueprint:
    """Lay what a job asks for over the defaults, and changes over both; raises SettingsError."""
    values = default_values()
    if job is not None:
        _asked_by(job, values)
    for change in changes:
        apply_change(values, change)
    try:
        return Blueprint.model_validate(values)
    except ValidationError as error:
        raise SettingsError(one_line(error, "--set cluster", Blueprint)) from error


def asked(job: Job | None, plan: Blueprint, shared_paths: bool) -> Asked:
    """Return what of a job goes into a file; raises SettingsError if it names local paths.

    While a cluster has no worker yet, "auto" would find no GPU: the job is told what will come.
    """
    if job is None:
        return Asked()
    check_paths(job, shared_paths)
    if job.run.gpus_per_replica == "auto":
        run = job.run.model_copy(update={"gpus_per_replica": 1.0 if plan.gpu.max else 0.0})
        job = job.model_copy(update={"run": run})
    return Asked(job_text(job), variables(job))


def _asked_by(job: Job, values: dict[str, Any]) -> None:
    """Size the workers by the replicas that they are to hold."""
    run = job.run
    on_gpus = run.gpus_per_replica != 0
    gpus = 1.0 if run.gpus_per_replica == "auto" else run.gpus_per_replica
    group = values["gpu" if on_gpus else "cpu"]
    if on_gpus:
        group["gpus"] = max(1, ceil(gpus))
        held = max(1, int(group["gpus"] / gpus))
    else:
        values["gpu"] |= {"min": 0, "max": 0}
        held = max(1, int(group["cpus"] / run.cpus_per_replica))
    group["cpus"] = max(group["cpus"], ceil(held * run.cpus_per_replica))
    if run.replicas != "auto":
        group["max"] = ceil(run.replicas / held)
        group["min"] = min(group["min"], group["max"])
