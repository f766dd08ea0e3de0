"""Help: quick, complete, and every verb's ends in one example that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from photochrom.jobs.cli import app
from tests.jobs.program import imported

HEAVY = {"torch", "ray", "pyarrow", "duckdb", "numpy", "pyvips", "s3fs"}
ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def verbs_of(family: typer.Typer, before: str = "") -> Iterator[str]:
    """Yield the words that call each command: `run`, `models import`."""
    for command in family.registered_commands:
        if command.callback:
            yield before + (command.name or command.callback.__name__)
    for group in family.registered_groups:
        assert group.typer_instance is not None
        yield from verbs_of(group.typer_instance, f"{before}{group.typer_instance.info.name} ")


VERBS = sorted(verbs_of(app))


def help_of(*arguments: str) -> list[str]:
    answer = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert answer.exit_code == 0
    return [line for line in answer.stdout.splitlines() if line.strip()]


def command_of(verb: str) -> Any:
    command: Any = typer.main.get_command(app)
    for word in verb.split():
        command = command.commands[word]
    return command


def options_of(verb: str) -> Iterator[str]:
    for parameter in command_of(verb).params:
        yield from (*parameter.opts, *parameter.secondary_opts)


def test_the_verbs_are_these() -> None:
    promised = {"colorize", "plan", "run", "status", "retry", "print", "audit", "verify", "doctor"}
    assert promised | {"score", "models list", "models import"} <= set(VERBS)
    assert {"submit", "cluster render", "cluster lint"} <= set(VERBS)
    text = "\n".join(help_of())
    assert all(f" {verb.split()[0]} " in text for verb in VERBS)


@pytest.mark.parametrize("arguments", [(), *(tuple(verb.split()) for verb in VERBS)], ids=str)
def test_help_is_quick(arguments: tuple[str, ...]) -> None:
    answer, modules = imported(*arguments, "--help")
    assert answer.code == 0
    assert "Usage: photochrom" in answer.out
    assert not HEAVY & modules


@pytest.mark.parametrize("verb", VERBS)
def test_help_ends_in_one_example(verb: str) -> None:
    lines = help_of(*verb.split())
    assert sum("Example:" in line for line in lines) == 1
    example = lines[-1].strip()
    assert example.startswith(f"Example: photochrom {verb} ")
    used = [word for word in shlex.split(example) if word.startswith("--")]
    assert set(used) <= set(options_of(verb))


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    command = command_of(verb)
    assert command.help.endswith(".") or "." in command.help
    for parameter in command.params:
        if parameter.name != "help" and parameter.opts[0].startswith("--"):
            assert parameter.help, f"{verb} {parameter.opts[0]}"


def test_no_arguments_show_the_help() -> None:
    assert "Usage: photochrom" in CliRunner().invoke(app, []).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_use_only_verbs_and_options_that_there_are(page: Path) -> None:
    lines = [line.strip().lstrip("$ `") for line in page.read_text("utf-8").splitlines()]
    for line in lines:
        if line.startswith("photochrom "):
            words = shlex.split(line)[1:]
            verb = next((verb for verb in VERBS if words[: len(verb.split())] == verb.split()), "")
            assert verb, line
            assert {word for word in words if word.startswith("--")} <= set(options_of(verb)), line
