"""Help: quick, complete, and every verb's ends in one example that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from photochrom.jobs.cli import app
from tests.jobs.program import imported

HEAVY = {"torch", "ray", "pyarrow", "duckdb", "numpy", "pyvips", "s3fs"}
README = Path(__file__).parent.parent / "README.md"
VERBS = sorted(
    command.name or command.callback.__name__
    for command in app.registered_commands
    if command.callback
)


def help_of(*arguments: str) -> list[str]:
    answer = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert answer.exit_code == 0
    return [line for line in answer.stdout.splitlines() if line.strip()]


def options_of(verb: str) -> Iterator[str]:
    group = typer.main.get_command(app)
    command = group.commands[verb]  # type: ignore[attr-defined]
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)


def test_the_verbs_are_these() -> None:
    promised = {"colorize", "plan", "run", "status", "retry", "print", "audit", "verify", "doctor"}
    assert promised <= set(VERBS)
    text = "\n".join(help_of())
    assert all(f" {verb} " in text for verb in VERBS)


@pytest.mark.parametrize("arguments", [(), *((verb,) for verb in VERBS)], ids=str)
def test_help_is_quick(arguments: tuple[str, ...]) -> None:
    answer, modules = imported(*arguments, "--help")
    assert answer.code == 0
    assert "Usage: photochrom" in answer.out
    assert not HEAVY & modules


@pytest.mark.parametrize("verb", VERBS)
def test_help_ends_in_one_example(verb: str) -> None:
    lines = help_of(verb)
    assert sum("Example:" in line for line in lines) == 1
    example = lines[-1].strip()
    assert example.startswith(f"Example: photochrom {verb} ")
    used = [word for word in shlex.split(example) if word.startswith("--")]
    assert set(used) <= set(options_of(verb))


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    assert command.help.endswith(".") or "." in command.help
    for parameter in command.params:
        if parameter.name != "help" and parameter.opts[0].startswith("--"):
            assert parameter.help, f"{verb} {parameter.opts[0]}"


def test_no_arguments_show_the_help() -> None:
    assert "Usage: photochrom" in CliRunner().invoke(app, []).stdout


def test_the_readme_uses_only_verbs_and_options_that_there_are() -> None:
    lines = [line.strip().lstrip("$ `") for line in README.read_text("utf-8").splitlines()]
    for line in lines:
        if line.startswith("photochrom "):
            _, verb, *rest = shlex.split(line)
            assert verb in VERBS, line
            assert {word for word in rest if word.startswith("--")} <= set(options_of(verb)), line
