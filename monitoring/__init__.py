"""What a run tells while it runs.

`series` declares every time series once: name, kind, labels, help. Metrics takes values for them
and refuses anything undeclared. PrometheusBackend serves them from this process, RayBackend through
a cluster's own agents, NullBackend forgets them. They are a view for watching; the ledger is the
truth.
"""

from photochrom.monitoring.exporters import (
    Backend,
    MetricError,
    Metrics,
    NullBackend,
    PrometheusBackend,
    RayBackend,
)
from photochrom.monitoring.series import SERIES, Series

__all__ = [
    "SERIES",
    "Backend",
    "MetricError",
    "Metrics",
    "NullBackend",
    "PrometheusBackend",
    "RayBackend",
    "Series",
]
