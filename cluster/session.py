"""The connection to Ray: a private one on this machine, or somebody's cluster."""

import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photochrom.cluster.errors import PoolError
from photochrom.cluster.scratch import PREFIX, scratch_folder
from photochrom.cluster.sizing import ClusterFacts, Node

OBJECT_STORE_BYTES = 128 << 20  # rows and counts only: pixels never enter it
LONGEST_TEMP_DIR = 40  # Ray adds up to 62 characters, and a socket's path may have 107
KNOCK_SECONDS = 10
QUIET_START = {"prestart_worker_first_driver": False, "enable_worker_prestart": False}


@contextmanager
def connect(
    address: str, *, cpus: int | None = None, gpus: int | None = None, debug: bool = False
) -> Iterator[ClusterFacts]:
    """Connect this process to Ray and say what is there; disconnect at the end.

    `local` starts a Ray on this machine that listens on loopback only and is gone afterwards,
    with its files unless `debug`; `cpus` and `gpus` tell it to offer fewer or more than it finds.
    `auto` and `host:port` join a running cluster. A process that is connected already stays so.
    Raises PoolError when there is no such cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if "://" in address:
        raise PoolError(
            f"{address}: Ray Client cannot stream progress, so nothing runs through it; "
            "photochrom submit JOB --address http://HEAD:8265 does, or run on one of the "
            "cluster's machines with --address auto"
        )
    if address != "local" and (cpus is not None or gpus is not None):
        raise PoolError(f"cpus and gpus can be set for a local Ray only, not for {address}")
    with _local(cpus, gpus, debug) if address == "local" else _joined(address, debug):
        yield _facts()


@contextmanager
def _local(cpus: int | None, gpus: int | None, debug: bool) -> Iterator[None]:
    with _loopback_only():
        import ray

        if ray.is_initialized():
            yield
            return
        with _ray_folder(debug) as folder, scratch_folder() as scratch:
            try:
                with _temporary_files_in(scratch), _own_sigterm():
                    ray.init(
                        address="local",
                        num_cpus=cpus,
                        num_gpus=gpus,
                        include_dashboard=False,
                        object_store_memory=OBJECT_STORE_BYTES,
                        _temp_dir=str(folder),
                        _system_config=QUIET_START,
                        **_logs(debug),
                    )
                yield
            finally:
                ray.shutdown()


@contextmanager
def _joined(address: str, debug: bool) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in ("auto", here):
            raise PoolError(f"this process is connected to {here} already, not to {address}")
        yield
        return
    try:
        _knock(address)
        with _own_sigterm():
            ray.init(address=address, **_logs(debug))
    except (OSError, RuntimeError, ValueError) as error:
        raise PoolError(
            f"no Ray cluster answers at {address}: {error}; check the address, or use local"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError in seconds where Ray would try for minutes: nobody listens at `host:port`."""
    host, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Make Ray take 127.0.0.1 for this machine's address, which its processes then listen on.

    Ray replaces a `_node_ip_address` of 127.0.0.1 by the outside one. What keeps it is the switch
    made for systems whose firewall asks the user; as an environment variable it would also hold
    for a cluster that this process joins later.
    """
    from ray._private import ray_constants

    held, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = held


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Let SIGTERM do what it did before, if this process has an answer of its own.

    Ray takes the signal for itself twice while it starts, in Python and below it, and then exits
    with 15 without a clean-up of ours.
    """
    from ray._private import utils

    answer = signal.getsignal(signal.SIGTERM)
    if not callable(answer) or threading.current_thread() is not threading.main_thread():
        yield
        return
    held, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = held
        signal.signal(signal.SIGTERM, answer)


def _logs(debug: bool) -> dict[str, object]:
    """Keep Ray's chatter from the terminal; its notes on dead workers would go to stdout."""
    from ray._private import worker

    worker._worker_logs_enabled = debug
    return {"log_to_driver": debug, "logging_level": logging.INFO if debug else logging.ERROR}


@contextmanager
def _ray_folder(keep: bool) -> Iterator[Path]:
    """Make a private folder for Ray's sockets and logs, short enough for a socket's path."""
    place = tempfile.gettempdir()
    if len(place) > LONGEST_TEMP_DIR - len(f"/{PREFIX}01234567"):
        place = "/tmp"
    if keep:
        yield Path(tempfile.mkdtemp(prefix="photochrom-", dir=place))
        return
    with scratch_folder(Path(place)) as folder:
        yield folder


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Let processes started now, and their workers, keep temporary files here: most are killed."""
    held = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        if held is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = held


def _facts() -> ClusterFacts:
    import ray

    nodes = tuple(
        Node(
            node["NodeManagerAddress"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    )
    return ClusterFacts(ray.get_runtime_context().gcs_address, nodes)
