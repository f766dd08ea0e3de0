"""The rules that no schema holds: what the operator refuses, and what would cost you the job.

Each rule looks at one part of a file and yields what is wrong with it. Documents may be misshapen
in any way, so rules take what they find and leave the rest to the model.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

from photochrom.cluster.findings import Where, Wrong

Rule = Callable[[Mapping[str, Any], Where], Iterator[Wrong]]
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|(^|_)KEY(_ID)?$", re.I)
_NO_SECRET = re.compile(r"_(PATH|FILE|DIR|URL|ENV)$", re.I)  # but where one is
_SECRET_TEXT = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----")
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST = {"RayJob": 47, "RayCluster": 50}  # the operator adds to them, and pods to that
_STARTED = ("num-cpus", "num-gpus", "memory", "resources")
_TOKENS_SINCE = Version("2.52")


def part(value: Any, *way: str | int) -> Any:
    """Go down a document, or return an empty mapping where there is no such way."""
    for step in way:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            value = None
    return {} if value is None else value


def listed(value: Any, *way: str | int) -> list[Any]:
    """Return the mappings of a list in a document."""
    found = part(value, *way)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def is_secret(name: str) -> bool:
    """Tell by the name of a variable whether its value is to be kept secret."""
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET.search(name)


def named_well(document: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Names become parts of host names, with something added."""
    name, longest = str(part(document, "metadata", "name") or ""), _LONGEST[document["kind"]]
    if not _DNS_LABEL.fullmatch(name) or len(name) > longest:
        mend = f"take up to {longest} of a-z, 0-9 and -, a letter first"
        yield Wrong((*where, "metadata", "name"), f"{name!r} cannot be a name", mend)


def suspended(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """A suspended job gives its cluster back, which it must be allowed to."""
    if not spec.get("suspend"):
        return
    if not spec.get("shutdownAfterJobFinishes"):
        mend = "set shutdownAfterJobFinishes: true"
        yield Wrong((*where, "suspend"), "only a job that shuts its cluster down can wait", mend)
    if spec.get("clusterSelector"):
        mend = "leave suspend out, or bring a rayClusterSpec"
        yield Wrong((*where, "suspend"), "a job on somebody's cluster cannot be suspended", mend)


def cleaned_up(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """A time to live counts only for what is shut down."""
    if spec.get("ttlSecondsAfterFinished") and not spec.get("shutdownAfterJobFinishes"):
        mend = "set shutdownAfterJobFinishes: true, or leave it out"
        yield Wrong((*where, "ttlSecondsAfterFinished"), "nothing is ever shut down", mend)


def begun_again(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Each retry is a new cluster, which there must be a way to make."""
    if not spec.get("backoffLimit"):
        return
    if spec.get("clusterSelector"):
        mend = "leave backoffLimit out: the same command resumes"
        yield Wrong((*where, "backoffLimit"), "a retry is a new cluster, and this is chosen", mend)
    if spec.get("submissionMode") == "InteractiveMode":
        mend = "leave backoffLimit out"
        yield Wrong((*where, "backoffLimit"), "nothing can be retried in InteractiveMode", mend)


def somewhere(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """A job has one cluster, and something to do there."""
    if bool(spec.get("rayClusterSpec")) == bool(spec.get("clusterSelector")):
        mend = "give one of rayClusterSpec and clusterSelector"
        yield Wrong(where, "the job has no cluster, or two", mend)
    if not spec.get("entrypoint") and spec.get("submissionMode") != "InteractiveMode":
        yield Wrong(
            (*where, "entrypoint"), "there is nothing to do", "add the command as entrypoint"
        )


def idle_head(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """A head that works may run out of memory, and all is lost with it."""
    head = part(spec, "headGroupSpec")
    cpus = part(head, "rayStartParams", "num-cpus") or part(head, "resources", "CPU")
    if cpus not in ("0", 0):
        mend = 'set num-cpus: "0"'
        at = (*where, "headGroupSpec", "rayStartParams", "num-cpus")
        yield Wrong(at, "the head takes work, and the job dies with it", mend)


def resources_once(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """What a group offers is said in one place, and labels in theirs."""
    for group, at in _groups(spec, where):
        start = part(group, "rayStartParams")
        twice = [name for name in _STARTED if isinstance(start, Mapping) and start.get(name)]
        if twice and group.get("resources"):
            mend = f"leave out resources, or {', '.join(twice)}"
            yield Wrong((*at, "resources"), "said here and in rayStartParams too", mend)
        if isinstance(start, Mapping) and "labels" in start:
            mend = "move them to the group's own labels"
            yield Wrong((*at, "rayStartParams", "labels"), "the operator refuses these", mend)


def restarted_never(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """The autoscaler of version 2 replaces pods itself."""
    if part(spec, "autoscalerOptions", "version") != "v2":
        return
    for group, at in _groups(spec, where):
        policy = part(group, "template", "spec", "restartPolicy")
        if policy and policy != "Never":
            what = f"{policy} does not go with autoscaler v2"
            yield Wrong((*at, "template", "spec", "restartPolicy"), what, "write Never")


def scaled(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Groups have room to grow, and somebody who lets them."""
    growing = bool(spec.get("enableInTreeAutoscaling"))
    seen = set()
    for index, group in enumerate(listed(spec, "workerGroupSpecs")):
        at = (*where, "workerGroupSpecs", index)
        least, most = group.get("minReplicas"), group.get("maxReplicas")
        now = group.get("replicas", least)
        if isinstance(least, int) and isinstance(most, int) and isinstance(now, int):
            if not least <= now <= most:
                what = f"replicas {now} are not between {least} and {most}"
                yield Wrong((*at, "replicas"), what, "set minReplicas <= replicas <= maxReplicas")
            elif most > now and not growing:
                mend = "set enableInTreeAutoscaling: true"
                yield Wrong((*at, "maxReplicas"), "no autoscaler: it will never grow", mend)
        if growing and group.get("suspend"):
            mend = "leave suspend out, or set maxReplicas: 0"
            yield Wrong((*at, "suspend"), "no group can be suspended beside an autoscaler", mend)
        if (name := group.get("groupName")) in seen:
            yield Wrong((*at, "groupName"), f"{name} is there twice", "name each group otherwise")
        seen.add(name)


def let_in(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Tokens need a Ray that knows them, and an operator that is told so."""
    if part(spec, "authOptions", "mode") != "token":
        return
    try:
        enough = Version(str(part(spec, "rayVersion") or "")) >= _TOKENS_SINCE
    except InvalidVersion:
        enough = False
    if not enough:
        mend = "say the image's rayVersion, 2.52 or later"
        yield Wrong((*where, "rayVersion"), "authOptions.mode token needs to know it", mend)


def on_spot(spec: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Spot machines are tainted, so that only who can be lost goes there."""
    for group, at in _groups(spec, where):
        spot = part(group, "labels", "ray.io/market-type") == "spot"
        if spot and not part(group, "template", "spec", "tolerations"):
            mend = "add tolerations for your cloud's taint"
            yield Wrong((*at, "template", "spec"), "spot workers that tolerate no taint", mend)


def guaranteed(container: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Ray offers what is requested, and is killed at the limit: they are to be one."""
    resources = part(container, "resources")
    requests, limits = part(resources, "requests"), part(resources, "limits")
    at = (*where, "resources")
    if not limits or not {"cpu", "memory"} <= set(limits):
        yield Wrong(at, "no limits of cpu and memory", "set limits, and requests like them")
    elif requests and requests != limits:
        yield Wrong(at, "requests are not the limits", "write the same in both")


def confined(container: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Photographs come from anywhere, and decoders have holes."""
    context = part(container, "securityContext")
    at = (*where, "securityContext")
    if part(context, "privileged") is True:
        yield Wrong(at, "a privileged container", "leave privileged out")
    if part(context, "allowPrivilegeEscalation") is not False:
        mend = "set allowPrivilegeEscalation: false"
        yield Wrong(at, "its processes may gain privileges", mend)
    if part(context, "runAsNonRoot") is not True:
        yield Wrong(at, "it may run as root", "set runAsNonRoot: true")


def same_image(container: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """Workers that start later must run what the first ones run."""
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@" not in image and tag in ("", "latest"):
        what = f"{image!r} may be another image tomorrow"
        yield Wrong((*where, "image"), what, "name a tag of one release, or a digest")


def secret_by_reference(container: Mapping[str, Any], where: Where) -> Iterator[Wrong]:
    """A file is read by many."""
    for index, variable in enumerate(listed(container, "env")):
        name, value = str(variable.get("name") or ""), str(variable.get("value") or "")
        if value and (is_secret(name) or _SECRET_TEXT.search(value)):
            mend = "take it by valueFrom.secretKeyRef, or give the service account a role"
            yield Wrong((*where, "env", index, "value"), f"{name} is in plain text", mend)


def secret_in_text(document: Any, where: Where) -> Iterator[Wrong]:
    """Keys show by their look, wherever they are."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from secret_in_text(value, (*where, str(key)))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from secret_in_text(value, (*where, index))
    elif isinstance(document, str) and _SECRET_TEXT.search(document):
        mend = "put it into a secret, and name that"
        yield Wrong(where, "a key is in plain text", mend)


def _groups(spec: Mapping[str, Any], where: Where) -> Iterator[tuple[Mapping[str, Any], Where]]:
    if isinstance(head := part(spec, "headGroupSpec"), Mapping):
        yield head, (*where, "headGroupSpec")
    for index, group in enumerate(listed(spec, "workerGroupSpecs")):
        yield group, (*where, "workerGroupSpecs", index)


def containers(spec: Mapping[str, Any], where: Where) -> Iterator[tuple[Mapping[str, Any], Where]]:
    """Yield the containers of a cluster's pods, with what their pod says for all, and where."""
    for group, at in _groups(spec, where):
        said = part(group, "template", "spec", "securityContext", "runAsNonRoot") is True
        for index, container in enumerate(listed(group, "template", "spec", "containers")):
            own = part(container, "securityContext")
            context = {"runAsNonRoot": said, **(own if isinstance(own, Mapping) else {})}
            whole = {**container, "securityContext": context}
            yield whole, (*at, "template", "spec", "containers", index)


FOR_JOBS: tuple[Rule, ...] = (suspended, cleaned_up, begun_again, somewhere)
FOR_CLUSTERS: tuple[Rule, ...] = (
    idle_head,
    resources_once,
    restarted_never,
    scaled,
    let_in,
    on_spot,
)
FOR_CONTAINERS: tuple[Rule, ...] = (guaranteed, confined, same_image, secret_by_reference)
