"""Where a command's metrics come out: served here, by the cluster that it joins, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from photochrom.jobs.driving.meters import Meters
    from photochrom.monitoring import Backend

MetricsPort = Annotated[
    int | None, typer.Option(help="Serve Prometheus metrics on this port of 127.0.0.1.")
]


@contextmanager
def metered(address: str, port: int | None, note: Callable[[str], None]) -> Iterator[Meters]:
    """Join a cluster, if one is named, and yield meters that are read there, or at `port`.

    A Ray of this machine is started only when there is work for it.
    """
    from photochrom.cluster import connect
    from photochrom.jobs.driving.meters import Meters
    from photochrom.monitoring import Metrics, NullBackend, PrometheusBackend, RayBackend

    with ExitStack() as stack:
        backend: Backend = NullBackend()
        if address != "local":
            stack.enter_context(connect(address))
            backend = RayBackend()
        if port is not None:
            served = PrometheusBackend()
            stack.callback(served.close)
            note(f"metrics at {served.serve(port)}")
            backend = served
        yield Meters(Metrics(backend))
