"""How many replicas fit on a cluster, and what each of them may use."""

from dataclasses import dataclass
from math import floor
from typing import Literal, NamedTuple

from photochrom.cluster.errors import PoolError


@dataclass(frozen=True)
class Node:
    """One machine of a cluster."""

    address: str
    cpus: float
    gpus: float

    def holds(self, cpus: float, gpus: float) -> int:
        """Count the replicas of that size that fit here together."""
        fits = [
            floor(have / want + 1e-9)
            for have, want in ((self.cpus, cpus), (self.gpus, gpus))
            if want
        ]
        return min(fits, default=0)


@dataclass(frozen=True)
class ClusterFacts:
    """A cluster as it stands: where it answers, and its living nodes."""

    address: str
    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        """Sum up the CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """Sum up the GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)


class Sizes(NamedTuple):
    """What was settled: how many replicas, and the CPUs and GPUs of each."""

    replicas: int
    cpus: float
    gpus: float


def resolve(
    replicas: int | Literal["auto"],
    cpus_per_replica: float,
    gpus_per_replica: float | Literal["auto"],
    facts: ClusterFacts,
    *,
    elastic: bool = False,
) -> Sizes:
    """Settle what is "auto" by what the cluster has.

    A replica takes a GPU where there is one. As many replicas are made as fit, node by node; if
    not even one fits for want of CPUs, one is made with what the largest node has. A number that
    can never fit raises PoolError, unless the cluster is `elastic` and grows when asked; then it
    must be said whether replicas take GPUs, if no machine has one yet.
    """
    if elastic and gpus_per_replica == "auto" and facts.gpus < 1:
        raise PoolError(
            "no machine of the cluster has a GPU now, but those that it grows by may: set "
            "run.gpus_per_replica to 1, or to 0"
        )
    gpus = (1.0 if facts.gpus >= 1 else 0.0) if gpus_per_replica == "auto" else gpus_per_replica
    cpus = cpus_per_replica
    if replicas == "auto":
        cpus = min(cpus, _most_cpus(facts, gpus) or cpus)
    room = sum(node.holds(cpus, gpus) for node in facts.nodes)
    wanted = max(1, room) if replicas == "auto" else replicas
    if wanted > room and not elastic:
        raise PoolError(_missing(wanted, cpus, gpus, room, facts))
    return Sizes(wanted, cpus, gpus)


def _most_cpus(facts: ClusterFacts, gpus: float) -> float:
    return max((node.cpus for node in facts.nodes if node.gpus >= gpus), default=0.0)


def _missing(wanted: int, cpus: float, gpus: float, room: int, facts: ClusterFacts) -> str:
    gpu_room = sum(node.holds(0, gpus) for node in facts.nodes) if gpus else wanted
    what = "GPUs" if gpu_room < wanted else "CPUs"
    return (
        f"{wanted} replicas of {cpus:g} CPUs and {gpus:g} GPUs do not fit, for want of {what}: "
        f"{facts.address} has {facts.cpus:g} CPUs and {facts.gpus:g} GPUs on {len(facts.nodes)} "
        f"nodes, room for {room}; ask for fewer or smaller replicas, or add nodes"
    )
