"""The names that other people's code imports: all there, and light until they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import pytest

WINGS = [
    "photochrom.cluster",
    "photochrom.colorize",
    "photochrom.colorize.generator",
    "photochrom.colorize.picture",
    "photochrom.jobs",
    "photochrom.monitoring",
]
PROMISED = {
    "photochrom.colorize": {"Colorizer", "Photo", "load_generator", "Plate", "PrintRecipe"},
    "photochrom.jobs": {"Driver", "Job", "Order", "Store", "load_job"},
    "photochrom.cluster": {"InlinePool", "RayPool", "connect"},
}


@pytest.mark.parametrize("name", WINGS)
def test_all_that_is_named_is_there(name: str) -> None:
    module = import_module(name)
    assert module.__all__
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert getattr(module, public) is not None
    assert PROMISED.get(name, set()) <= set(module.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def modules_after(statement: str) -> set[str]:
    """Return the top modules that are loaded after a statement, in a fresh process."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import photochrom.colorize", {"torch", "ray", "numpy", "pyvips"}),
        ("import photochrom.jobs", {"torch", "ray", "pyarrow", "duckdb", "s3fs"}),
        ("from photochrom.colorize import Photo, Plate, PrintRecipe", {"torch", "ray", "pyarrow"}),
        ("from photochrom.colorize.generator import known_models", {"torch", "ray"}),
        ("from photochrom.cluster import InlinePool, connect", {"ray", "torch", "photochrom.jobs"}),
        ("from photochrom.jobs import Driver, Order, load_job", {"torch", "ray", "s3fs"}),
        ("import photochrom.monitoring", {"torch", "ray"}),
    ],
    ids=lambda value: value.rpartition("import ")[2] if isinstance(value, str) else "",
)
def test_what_is_heavy_waits_until_it_is_used(statement: str, absent: set[str]) -> None:
    assert not absent & modules_after(statement)


def test_the_light_generator_needs_no_torch() -> None:
    statement = "from photochrom.colorize import Colorizer; Colorizer.load('echo')"
    assert "torch" not in modules_after(statement)
