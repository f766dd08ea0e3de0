"""What the README says can be typed, in order, from a checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOME_FAILED = 3  # the sample archive has broken files


def _commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line.removeprefix("$ ") for line in lines]


@pytest.mark.slow
def test_the_first_five_minutes_run_as_written(tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    commands = [command for command in _commands() if command.startswith("photochrom ")]
    assert len(commands) > 5
    for command in commands:
        ran = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        expected = SOME_FAILED if command.startswith("photochrom run") else 0
        assert ran.returncode == expected, f"{command}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr
    assert len(list((tmp_path / "coloured").glob("*.ai-colorized.jpg"))) == 3
    assert len(list((tmp_path / "archive/prints").rglob("*.ai-colorized.tif"))) == 21
    assert len(list((tmp_path / "archive/prints").rglob("*.ai-colorized.jpg"))) == 21


def test_every_verb_is_in_the_readme() -> None:
    from photochrom.jobs.cli import app

    readme = (ROOT / "README.md").read_text()
    verbs = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]
    assert len(verbs) == 12
    verbs += [group.typer_instance.info.name for group in app.registered_groups]  # type: ignore[union-attr]
    assert verbs[-3:] == ["models", "marks", "cluster"]
    assert [
        verb for verb in verbs if f"`{verb}`" not in readme and f"photochrom {verb}" not in readme
    ] == []


def test_every_setting_is_in_the_readme_as_it_is() -> None:
    from photochrom.jobs.settings import settings_reference

    readme = (ROOT / "README.md").read_text()
    for name, default, meaning in settings_reference():
        assert meaning, name
        assert f"| `{name}` | `{default}` | {meaning} |" in readme
