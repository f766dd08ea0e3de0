import re

import pytest

from photochrom.monitoring import SERIES, Series, series

BASE_UNITS = ("_seconds", "_bytes")
SCALED_UNITS = ("milliseconds", "_ms", "minutes", "kilobytes", "_mb", "_kb", "percent")
UNBOUNDED = {"worker", "node", "host", "pid", "uri", "row", "row_id", "shard", "path", "job"}

each_series = pytest.mark.parametrize("one", SERIES, ids=lambda one: one.name)


def test_every_declared_constant_is_in_the_table() -> None:
    declared = [value for value in vars(series).values() if isinstance(value, Series)]
    assert declared == list(SERIES)


def test_names_are_unique() -> None:
    assert len({one.name for one in SERIES}) == len(SERIES)


@each_series
def test_names_obey_prometheus_conventions(one: Series) -> None:
    assert re.fullmatch(r"photochrom(_[a-z]+)+", one.name)
    assert one.name.endswith("_total") == (one.kind == "counter")
    assert not any(unit in one.name for unit in SCALED_UNITS)
    assert one.kind not in one.name
    stem = one.name.removesuffix("_total")
    assert not any(unit in stem.removesuffix(unit) for unit in BASE_UNITS), "units come last"


@each_series
def test_help_is_a_sentence(one: Series) -> None:
    assert re.fullmatch(r"[A-Z].{15,}\.", one.help)


@each_series
def test_labels_are_few_and_bounded(one: Series) -> None:
    assert len(one.labels) <= 2
    assert not UNBOUNDED & set(one.labels)


@each_series
def test_histograms_and_no_others_have_ascending_buckets(one: Series) -> None:
    assert bool(one.buckets) == (one.kind == "histogram")
    assert list(one.buckets) == sorted(set(one.buckets))
    assert all(bound > 0 for bound in one.buckets), "Ray refuses others"
