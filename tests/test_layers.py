"""Who may import whom, and how long a file may be: read from the source itself."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WINGS = {
    "colorize": set[str](),
    "cluster": set[str](),
    "monitoring": set[str](),
    "jobs": {"colorize", "cluster", "monitoring"},
}
FILES = sorted(path for wing in WINGS for path in (ROOT / wing).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
RAY_OUTSIDE_CLUSTER = {"monitoring/exporters.py"}
TORCH_OUTSIDE_COLORIZE = {"jobs/cli/doctor.py"}
BROAD = {
    "jobs/working/press.py": 1,
    "jobs/working/steps.py": 1,
    "jobs/working/few.py": 1,
    "colorize/picture/reading/reader.py": 1,
    "jobs/cli/__init__.py": 1,
    "cluster/station.py": 2,
}
LONGEST = 400


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text("utf-8"), name)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every module that a tree imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are banned"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_the_top(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that are imported when this one is."""
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from imports(statement)


def wings_of(modules: Iterator[str]) -> set[str]:
    """Return which of our wings some modules belong to."""
    parts = [module.split(".") for module in modules]
    return {part[1] for part in parts if part[0] == "photochrom" and len(part) > 1}


def imports_top(name: str, package: str) -> bool:
    return package in {module.partition(".")[0] for module in imports(tree_of(name))}


def test_there_is_something_to_check() -> None:
    assert len(NAMES) > 60
    assert {name.partition("/")[0] for name in NAMES} == set(WINGS)
    assert "photochrom" in {m.partition(".")[0] for m in imports(tree_of("jobs/driving/driver.py"))}


@pytest.mark.parametrize("name", NAMES)
def test_the_arrows_point_one_way(name: str) -> None:
    wing = name.partition("/")[0]
    found = wings_of(imports(tree_of(name)))
    assert found <= WINGS[wing] | {wing}


@pytest.mark.parametrize("name", NAMES)
def test_our_packages_are_imported_by_their_whole_name(name: str) -> None:
    tops = {module.partition(".")[0] for module in imports(tree_of(name))}
    assert not tops & set(WINGS)


def test_only_the_cluster_knows_ray() -> None:
    outside = {n for n in NAMES if not n.startswith("cluster/") and imports_top(n, "ray")}
    assert outside == RAY_OUTSIDE_CLUSTER
    for name in RAY_OUTSIDE_CLUSTER:
        assert "ray" not in {m.partition(".")[0] for m in at_the_top(tree_of(name))}


def test_only_networks_know_torch() -> None:
    allowed = ("colorize/generator/", "colorize/scoring/", "colorize/training/")
    outside = {n for n in NAMES if not n.startswith(allowed) and imports_top(n, "torch")}
    assert outside == TORCH_OUTSIDE_COLORIZE
    for name in TORCH_OUTSIDE_COLORIZE:
        assert "torch" not in {m.partition(".")[0] for m in at_the_top(tree_of(name))}


def test_pictures_know_no_networks() -> None:
    for name in NAMES:
        if name.startswith("colorize/picture/"):
            assert not any(
                module.startswith(("photochrom.colorize.generator", "photochrom.colorize.training"))
                for module in imports(tree_of(name))
            ), name


def test_the_cli_says_nothing_that_others_import() -> None:
    for name in NAMES:
        if name.startswith("jobs/") and not name.startswith("jobs/cli/"):
            assert not any(m.startswith("photochrom.jobs.cli") for m in imports(tree_of(name))), (
                name
            )


def test_errors_are_caught_by_their_kind() -> None:
    """Broad handlers stand around one photo, in the program's main and where workers sit."""
    found: dict[str, int] = {}
    for name in NAMES:
        for node in ast.walk(tree_of(name)):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node):
                found[name] = found.get(name, 0) + 1
    assert found == BROAD


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes any error; one that ends by raising it again does not."""
    kind = handler.type
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    names = {k.id if isinstance(k, ast.Name) else "" if k else "everything" for k in kinds}
    if not names & {"Exception", "BaseException", "everything"}:
        return False
    last = handler.body[-1]
    return not (isinstance(last, ast.Raise) and last.exc is None)


def test_every_package_is_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in FILES}
    assert sorted(listed) == sorted(f"photochrom.{'.'.join(folder.parts)}" for folder in folders)
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_every_wing_says_what_it_is() -> None:
    for wing in WINGS:
        text = ast.get_docstring(tree_of(f"{wing}/__init__.py")) or ""
        assert 3 <= len(text.splitlines()) <= 12, wing
        assert (ROOT / wing / "py.typed").is_file(), wing


def test_no_file_is_long() -> None:
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "data" not in path.parts]
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in [*FILES, *tests]}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LONGEST} == {}
