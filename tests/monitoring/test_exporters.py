import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from photochrom.cluster import connect
from photochrom.monitoring import (
    SERIES,
    MetricError,
    Metrics,
    NullBackend,
    PrometheusBackend,
    RayBackend,
    Series,
)
from photochrom.monitoring.series import LUMA_MAX_ERROR, PHOTOS, PRINTS, REPLICAS, ROWS_DONE


def fill(metrics: Metrics) -> None:
    for series in SERIES:
        labels = dict.fromkeys(series.labels, "some")
        if series.kind == "counter":
            metrics.count(series, 3, **labels)
        elif series.kind == "gauge":
            metrics.set(series, 5, **labels)
        else:
            metrics.observe(series, series.buckets[1], **labels)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def samples(text: str) -> list[Sample]:
    return [s for family in text_string_to_metric_families(text) for s in family.samples]


def value_of(found: list[Sample], name: str, **labels: str) -> float:
    (value,) = {s.value for s in found if s.name == name and labels.items() <= s.labels.items()}
    return value


def check_all(found: list[Sample], prefix: str) -> None:
    for series in SERIES:
        name, labels = prefix + series.name, dict.fromkeys(series.labels, "some")
        if series.kind == "histogram":
            assert value_of(found, f"{name}_count", **labels) == 1
            low, high = series.buckets[:2]
            exact = value_of(found, f"{name}_sum", **labels) == high
            assert exact or (prefix == "ray_" and low < value_of(found, f"{name}_sum") < high)
            below, within = str(float(low)), str(float(high))
            assert value_of(found, f"{name}_bucket", le=below, **labels) == 0
            assert value_of(found, f"{name}_bucket", le=within, **labels) == 1
        else:
            assert value_of(found, name, **labels) == (3 if series.kind == "counter" else 5)


@pytest.fixture
def prometheus() -> Iterator[PrometheusBackend]:
    with closing(PrometheusBackend()) as backend:
        yield backend


def test_every_series_is_served_on_loopback(prometheus: PrometheusBackend) -> None:
    fill(Metrics(prometheus))
    url = prometheus.serve()
    assert url.startswith("http://127.0.0.1:")
    check_all(samples(fetch(url)), "")


def test_nothing_is_served_after_close(prometheus: PrometheusBackend) -> None:
    url = prometheus.serve()
    prometheus.close()
    with pytest.raises(OSError, match="refused"):
        fetch(url)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's prometheus")
def test_prometheus_finds_no_fault_with_the_exposition(prometheus: PrometheusBackend) -> None:
    fill(Metrics(prometheus))
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=fetch(prometheus.serve()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_labels_keep_counts_apart(prometheus: PrometheusBackend) -> None:
    metrics = Metrics(prometheus)
    metrics.count(PHOTOS, outcome="colorized", reason="")
    metrics.count(PHOTOS, 2, outcome="skipped", reason="already_colour")
    metrics.set(REPLICAS, 4)
    metrics.set(REPLICAS, 2)
    metrics.observe(LUMA_MAX_ERROR, np.float32(2.5))  # type: ignore[arg-type]
    found = samples(fetch(prometheus.serve()))
    assert value_of(found, "photochrom_photos_total", outcome="colorized", reason="") == 1
    assert value_of(found, "photochrom_photos_total", outcome="skipped") == 2
    assert value_of(found, "photochrom_replicas") == 2
    assert value_of(found, "photochrom_luma_max_error_sum") == 2.5


def test_two_registries_do_not_meet(prometheus: PrometheusBackend) -> None:
    Metrics(PrometheusBackend()).set(ROWS_DONE, 7)
    assert value_of(samples(fetch(prometheus.serve())), "photochrom_rows_done") == 0


def test_what_nobody_declared_is_an_error_in_every_back_end() -> None:
    metrics = Metrics(NullBackend())
    with pytest.raises(MetricError, match="not among the declared"):
        metrics.count(Series("photochrom_odd_total", "counter", "An odd one."))
    with pytest.raises(MetricError, match="is a gauge, not a counter"):
        metrics.count(REPLICAS)
    with pytest.raises(MetricError, match="is a counter, not a histogram"):
        metrics.observe(PHOTOS, 1, outcome="colorized", reason="")
    with pytest.raises(MetricError, match="has the labels"):
        metrics.count(PHOTOS, outcome="colorized")
    with pytest.raises(MetricError, match="has the labels"):
        metrics.count(PRINTS, format="png", worker="worker-1")
    with pytest.raises(MetricError, match="takes strings"):
        metrics.count(PRINTS, format=None)  # type: ignore[arg-type]
    with pytest.raises(MetricError, match="cannot count down"):
        metrics.count(PRINTS, -1, format="png")


def test_nothing_comes_of_the_null_back_end() -> None:
    backend = NullBackend()
    fill(Metrics(backend))
    assert vars(backend) == {}


@pytest.fixture(scope="module")
def agent_url() -> Iterator[str]:
    """Return where the agent of a local Ray's node serves its metrics."""
    with connect("local", cpus=1):
        import ray

        (node,) = ray.nodes()
        yield f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"


@pytest.mark.slow
def test_every_series_is_served_by_the_agent_of_a_ray_node(agent_url: str) -> None:
    metrics = Metrics(RayBackend())
    metrics.count(PRINTS, 0, format="never")
    fill(metrics)
    if agent_url.endswith(":-1/metrics"):
        pytest.skip("recorded without an error, but only ray[default] brings the agent")
    deadline = time.monotonic() + 90
    while "ray_photochrom_rows_done" not in (text := patiently(agent_url)):
        assert time.monotonic() < deadline, "no metrics came"
        time.sleep(1)
    check_all(samples(text), "ray_")


def patiently(url: str) -> str:
    """Fetch a page, or nothing while its server still starts."""
    try:
        return fetch(url)
    except OSError:
        return ""
