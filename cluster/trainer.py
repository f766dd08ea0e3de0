"""Training on Ray Train: a crew of workers that is started again when one of them is lost."""

import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import ray
from ray import PlacementGroupID, cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import (
    PlacementGroup,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from photochrom.cluster import causes
from photochrom.cluster.crew import Crew, CrewEvent, Report, Reported, Restarted, Returned
from photochrom.cluster.errors import TrainerError
from photochrom.cluster.foreman import (
    DOES_NOT_TRAVEL,
    INTERFACES,
    SETTINGS,
    Ended,
    Failure,
    Foreman,
)
from photochrom.cluster.scratch import scratch_folder
from photochrom.cluster.session import connect
from photochrom.cluster.sizing import ClusterFacts

DYING_SECONDS = 1.0  # a controller that lost its foreman may still start workers that long
THREADS = 8  # of the foreman: one runs the crew, the others listen to it

Function = Callable[[Mapping[str, Any], Report], Any]


def train(
    function: Function, settings: Mapping[str, Any], crew: Crew
) -> Generator[CrewEvent, None, None]:
    """Run `function(settings, report)` in every worker of a crew; yield what is heard, live.

    The workers find torch.distributed initialised. What the first one reports comes in order as
    Reported; when a worker is lost all are started again, which Restarted tells; the last event is
    Returned. Use it in `contextlib.closing`, which stops the crew at once whatever happens, and for
    one crew at a time.

    Needs a connected Ray. Raises TrainerError if the crew does not fit or its attempts run out;
    what the function raises comes out as it is, unless it is `retriable` and another try is left.
    """
    if not ray.is_initialized():
        raise TrainerError("no Ray to train on: call it inside `connect`")
    with connect("auto") as facts:
        _must_fit(crew, facts)
    return _attempts(function, dict(settings), crew, facts)


def _must_fit(crew: Crew, facts: ClusterFacts) -> None:
    room = sum(node.holds(crew.cpus_per_worker, crew.gpus_per_worker) for node in facts.nodes)
    if room < crew.workers:
        raise TrainerError(
            f"{crew.workers} workers of {crew.cpus_per_worker:g} CPUs and "
            f"{crew.gpus_per_worker:g} GPUs do not fit: {facts.address} has {facts.cpus:g} CPUs "
            f"and {facts.gpus:g} GPUs on {len(facts.nodes)} nodes, room for {room}; ask for "
            "fewer or smaller workers, or add nodes"
        )


def _attempts(
    function: Function, settings: Mapping[str, Any], crew: Crew, facts: ClusterFacts
) -> Generator[CrewEvent, None, None]:
    environment = _environment(crew, facts)
    for number in range(1, crew.attempts + 1):
        because = yield from _attempt(function, settings, crew, environment)
        if because is None:
            return
        if number < crew.attempts:
            yield Restarted(number, because)
    raise TrainerError(
        f"the training was started {crew.attempts} times and did not come to its end; the last "
        f"time: {because}. Mend that and run the same command again"
    )


def _attempt(
    function: Function, settings: Mapping[str, Any], crew: Crew, environment: dict[str, str]
) -> Generator[CrewEvent, None, str | None]:
    """Run the crew once; return why it has to be started again, None if it need not.

    Raises what the function raised if that would be raised again.
    """
    returned: Returned | None = None
    failures: list[Failure] = []
    ended: Ended | None = None
    with scratch_folder() as folder:
        before = _groups()
        foreman = _foreman(folder, crew, environment)
        try:
            words = foreman.run.options(num_returns="streaming").remote(function, settings)
            for word in words:
                match ray.get(word):
                    case Reported() as reported:
                        yield reported
                    case Returned() as last:
                        returned = last
                    case Failure() as failure:
                        failures.append(failure)
                    case Ended() as ended:
                        pass
        except RayTaskError as error:
            raise _from_foreman(error) from None
        except RayError as error:
            ended = Ended(f"the foreman: {causes.cause_of(error)}", lost=True)
        finally:
            _stop(foreman, before, in_peace=ended is not None and not ended.lost)
    if ended is None:
        raise TrainerError("the foreman of the training fell silent; run the same command again")
    if returned is not None and not ended.cause:
        yield returned
        return None
    return _because(ended, failures)


def _because(ended: Ended, failures: list[Failure]) -> str:
    """Say why the crew has to be started again, or raise what would be raised again.

    What is raised beside a lost process may come of that loss: it counts if it comes back.
    """
    if ended.lost or not failures:
        return ended.cause
    for failure in failures:
        if not failure.retriable:
            _raise(failure)
    return failures[0].line


def _raise(failure: Failure) -> NoReturn:
    """Raise what the function raised, or its words if it does not travel."""
    try:
        error = cloudpickle.loads(failure.pickled) if failure.pickled else None
    except DOES_NOT_TRAVEL:
        error = None
    if not isinstance(error, Exception):
        error = TrainerError(failure.line)
    error.add_note(f"In worker {failure.rank}:\n{failure.traceback}")
    raise error


def _from_foreman(error: RayTaskError) -> TrainerError:
    if isinstance(error.cause, TrainerError):
        return error.cause
    return TrainerError(f"the training could not be started: {causes.cause_of(error)}")


def _environment(crew: Crew, facts: ClusterFacts) -> dict[str, str]:
    """Say what the foreman and all it starts find in their environment."""
    hidden = {} if crew.gpus_per_worker else {"CUDA_VISIBLE_DEVICES": ""}
    here = {node.address for node in facts.nodes} == {"127.0.0.1"}
    return SETTINGS | hidden | (INTERFACES if here else {})


def _foreman(folder: Path, crew: Crew, environment: dict[str, str]) -> Any:
    """Start a foreman beside this process, where the folder is."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor_class = ray.remote(
        num_cpus=0,
        max_restarts=0,
        max_concurrency=THREADS,
        scheduling_strategy=here,
        runtime_env={"env_vars": environment},
    )(Foreman)
    return actor_class.remote(str(folder), crew)


def _stop(foreman: Any, before: set[str], *, in_peace: bool) -> None:
    """End the foreman, and with it the crew; take back the places that it held."""
    if not ray.is_initialized():
        return  # all is gone already
    ray.kill(foreman, no_restart=True)
    deadline = time.monotonic() + (0.0 if in_peace else DYING_SECONDS)
    while True:
        for group in _groups() - before:
            remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))
        if time.monotonic() >= deadline:
            return
        time.sleep(0.1)


def _groups() -> set[str]:
    """Name the groups of places that this process and its actors hold.

    Ray keeps one, its workers too, until both the actor that asked for it and the whole job are
    gone. Its name ends with the job's.
    """
    job = ray.get_runtime_context().get_job_id()
    return {
        name
        for name, group in placement_group_table().items()
        if name.endswith(job) and group["state"] != "REMOVED"
    }
