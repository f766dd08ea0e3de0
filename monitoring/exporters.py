"""Count, set and observe the declared series, and put them where a Prometheus finds them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from wsgiref.simple_server import WSGIServer

import prometheus_client

from photochrom.monitoring.series import SERIES, Series

if TYPE_CHECKING:
    from ray.util.metrics import Metric as RayMetric

Labels = Mapping[str, str]


class MetricError(Exception):
    """A series or a label was used that nobody declared: a mistake in the code, never in data."""

    retriable = False


class Backend(Protocol):
    """Where checked values go."""

    def count(self, series: Series, amount: float, labels: Labels) -> None:
        """Add to a counter."""
        ...

    def set(self, series: Series, value: float, labels: Labels) -> None:
        """Set a gauge."""
        ...

    def observe(self, series: Series, value: float, labels: Labels) -> None:
        """Put a value into a histogram."""
        ...


class Metrics:
    """Check each value against the declarations, then hand it on; raises MetricError at once."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def count(self, series: Series, amount: float = 1, **labels: str) -> None:
        """Add `amount`, zero or more, to a counter."""
        _check(series, "counter", labels)
        if amount < 0:
            raise MetricError(f"{series.name} cannot count down by {amount}")
        self._backend.count(series, float(amount), labels)

    def set(self, series: Series, value: float, **labels: str) -> None:
        """Set a gauge."""
        _check(series, "gauge", labels)
        self._backend.set(series, float(value), labels)

    def observe(self, series: Series, value: float, **labels: str) -> None:
        """Put one value into a histogram."""
        _check(series, "histogram", labels)
        self._backend.observe(series, float(value), labels)


def _check(series: Series, kind: str, labels: Labels) -> None:
    if series not in SERIES:
        raise MetricError(f"{series.name} is not among the declared series")
    if series.kind != kind:
        raise MetricError(f"{series.name} is a {series.kind}, not a {kind}")
    if set(labels) != set(series.labels):
        raise MetricError(f"{series.name} has the labels {series.labels}, not {tuple(labels)}")
    if not all(isinstance(value, str) for value in labels.values()):
        raise MetricError(f"{series.name} takes strings for labels, not {dict(labels)}")


class NullBackend:
    """Forget everything: for runs that nobody watches."""

    def count(self, series: Series, amount: float, labels: Labels) -> None:
        """Forget it."""

    def set(self, series: Series, value: float, labels: Labels) -> None:
        """Forget it."""

    def observe(self, series: Series, value: float, labels: Labels) -> None:
        """Forget it."""


class PrometheusBackend:
    """Keep the values in a registry of this process's own and serve them over HTTP."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._counters: dict[str, prometheus_client.Counter] = {}
        self._gauges: dict[str, prometheus_client.Gauge] = {}
        self._histograms: dict[str, prometheus_client.Histogram] = {}
        self._server: WSGIServer | None = None
        for series in SERIES:
            self._declare(series)

    def count(self, series: Series, amount: float, labels: Labels) -> None:
        """Add to a counter."""
        counter = self._counters[series.name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set(self, series: Series, value: float, labels: Labels) -> None:
        """Set a gauge."""
        gauge = self._gauges[series.name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, series: Series, value: float, labels: Labels) -> None:
        """Put a value into a histogram."""
        histogram = self._histograms[series.name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def serve(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Serve the exposition and return its URL; port 0 takes a free one."""
        self._server, _ = prometheus_client.start_http_server(port, host, self.registry)
        return f"http://{host}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _declare(self, series: Series) -> None:
        given = (series.name, series.help, series.labels)
        if series.kind == "counter":
            self._counters[series.name] = prometheus_client.Counter(*given, registry=self.registry)
        elif series.kind == "gauge":
            self._gauges[series.name] = prometheus_client.Gauge(*given, registry=self.registry)
        else:
            self._histograms[series.name] = prometheus_client.Histogram(
                *given, registry=self.registry, buckets=series.buckets
            )


class RayBackend:
    """Hand the values to Ray, whose node agents serve them as `ray_photochrom_*`.

    The agents come with `ray[default]` and report every ten seconds. They keep of a histogram its
    buckets alone, and make its `_sum` up from their middles.
    """

    def __init__(self) -> None:
        from ray.util import metrics

        self._made: dict[str, RayMetric] = {}
        for series in SERIES:
            given = (series.name, series.help)
            if series.kind == "counter":
                self._made[series.name] = metrics.Counter(*given, tag_keys=series.labels)
            elif series.kind == "gauge":
                self._made[series.name] = metrics.Gauge(*given, tag_keys=series.labels)
            else:
                self._made[series.name] = metrics.Histogram(
                    *given, boundaries=list(series.buckets), tag_keys=series.labels
                )

    def count(self, series: Series, amount: float, labels: Labels) -> None:
        """Add to a counter; Ray refuses to add nothing."""
        if amount:
            self._made[series.name].inc(amount, tags=dict(labels))

    def set(self, series: Series, value: float, labels: Labels) -> None:
        """Set a gauge."""
        self._made[series.name].set(value, tags=dict(labels))

    def observe(self, series: Series, value: float, labels: Labels) -> None:
        """Put a value into a histogram."""
        self._made[series.name].observe(value, tags=dict(labels))
