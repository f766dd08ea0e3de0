"""Who leads one attempt of a crew: it runs Ray Train and passes on what the workers say.

Ray Train blocks, logs, changes the process it is called in and imports torch there; in an actor
of its own it does so to nobody else, and ends with it.
"""

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pickle import PicklingError
from queue import SimpleQueue
from textwrap import shorten
from time import sleep
from typing import Any, TypeAlias

import ray
from ray import cloudpickle
from ray.exceptions import RayError

from photochrom.cluster import causes
from photochrom.cluster.crew import Crew, Report, Reported, Returned
from photochrom.cluster.errors import TrainerError

SETTLE_SECONDS = 2.0  # for Ray to see a death elsewhere before what came of it here
PEER_SECONDS = 10.0  # the same, where that is likely
DOES_NOT_TRAVEL = (PicklingError, TypeError, ValueError, AttributeError, LookupError, ImportError)
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
INTERFACES = {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}
LOST_PEER = re.compile(r"gloo|nccl|connection (closed|reset|refused)|timed out", re.IGNORECASE)
SETTINGS = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",  # a lost machine may be on its way back
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # the function knows no preemption, only an end
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "1",  # a lost worker's group never ends in peace
}


@dataclass(frozen=True)
class Failure:
    """What the function raised in one worker; `pickled` is empty where that does not travel."""

    rank: int
    line: str
    retriable: bool
    traceback: str
    pickled: bytes

    @classmethod
    def by(cls, rank: int, error: Exception) -> "Failure":
        """Put an exception into words and, if it can be made again, into bytes."""
        try:
            pickled = cloudpickle.dumps(error)
            same = str(cloudpickle.loads(pickled)) == str(error)
        except DOES_NOT_TRAVEL:
            same = False
        line = shorten(f"{type(error).__name__}: {error}", causes.LONGEST_CAUSE, placeholder=" …")
        text = "".join(traceback.format_exception(error))
        return cls(rank, line, is_retriable(error), text, pickled if same else b"")


@dataclass(frozen=True)
class Ended:
    """An attempt is over, well if there is no `cause`; `lost` if a process went with it."""

    cause: str = ""
    lost: bool = False


Word: TypeAlias = Reported | Returned | Failure | Ended


class Foreman:
    """Lead one attempt, as an actor of several threads: one runs, the others listen."""

    def __init__(self, folder: str, crew: Crew) -> None:
        self._folder = folder
        self._crew = crew
        self._words: SimpleQueue[Word | None] = SimpleQueue()

    def hear(self, word: Word) -> None:
        """Take what a worker says; it goes on when we have it."""
        self._words.put(word)

    def run(
        self, function: Callable[[Mapping[str, Any], Report], Any], settings: Mapping[str, Any]
    ) -> Iterator[Word]:
        """Run the attempt, yielding what the workers say, and how it ended."""
        loop = {"function": function, "settings": settings}
        trainer = self._trainer({**loop, "foreman": ray.get_runtime_context().current_actor})
        with ThreadPoolExecutor(1) as threads:
            ending = threads.submit(trainer.fit)
            ending.add_done_callback(lambda _: self._words.put(None))
            while (word := self._words.get()) is not None:
                yield word
        error = ending.exception()
        yield Ended() if error is None else _ending_of(error)

    def _trainer(self, loop: dict[str, Any]) -> Any:
        try:
            from ray.train import FailureConfig, RunConfig, ScalingConfig
            from ray.train.torch import TorchTrainer

            from photochrom.cluster.loopback import LoopbackConfig
        except ImportError as error:
            raise TrainerError(
                f"training on Ray needs more packages ({error}): pip install 'photochrom[train]'"
            ) from None
        each = {"CPU": self._crew.cpus_per_worker, "GPU": self._crew.gpus_per_worker}
        return TorchTrainer(
            work,
            train_loop_config=loop,
            torch_config=LoopbackConfig(),
            scaling_config=ScalingConfig(
                num_workers=self._crew.workers,
                use_gpu=self._crew.gpus_per_worker > 0,
                resources_per_worker={name: number for name, number in each.items() if number},
            ),
            run_config=RunConfig(
                name="crew",
                storage_path=self._folder,
                failure_config=FailureConfig(
                    max_failures=0, controller_failure_limit=0, max_preemption_failures=0
                ),
            ),
        )


def work(loop: Mapping[str, Any]) -> None:
    """Be one worker: run the function and tell the foreman."""
    from ray.train import get_context

    rank, foreman = get_context().get_world_rank(), loop["foreman"]

    def tell(word: Word) -> None:
        ray.get(foreman.hear.remote(word))

    def report(value: Mapping[str, Any]) -> None:
        if rank == 0:
            tell(Reported(dict(value)))

    try:
        value = loop["function"](loop["settings"], report)
        if rank == 0:
            tell(Returned(value))
    except Exception as error:
        failure = Failure.by(rank, error)
        tell(failure)
        if get_context().get_world_size() > 1:
            sleep(PEER_SECONDS if failure.retriable else SETTLE_SECONDS)
        raise


def is_retriable(error: Exception) -> bool:
    """Tell whether the same function may succeed in a new crew: what it says, or lost peers."""
    told = getattr(error, "retriable", None)
    if isinstance(told, bool):
        return told
    if isinstance(error, ConnectionError | TimeoutError | RayError):
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    peers = isinstance(error, RuntimeError) and LOST_PEER.search(str(error)) is not None
    return "DistError" in names or peers


def _ending_of(error: BaseException) -> Ended:
    """Find in what Ray Train raises the worker that was lost, if one was."""
    if isinstance(error, RayError):
        return Ended(causes.cause_of(error), lost=True)
    failures: dict[int, BaseException] = getattr(error, "worker_failures", {})
    for rank, failure in sorted(failures.items()):
        lost = getattr(failure, "health_check_failure", failure)
        if isinstance(lost, RayError):
            return Ended(f"worker {rank}: {causes.cause_of(lost)}", lost=True)
    first = next(iter(failures.values()), getattr(error, "controller_failure", error))
    if isinstance(first, RayError):
        return Ended(causes.cause_of(first))
    return Ended(f"{type(first).__name__}: {first}".partition("\n")[0])
