"""The program, run in this process or in one of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from photochrom.jobs.cli import main

_REPORT = (
    "import atexit, json, sys\n"
    "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
    "from photochrom.jobs.cli import main\n"
    "sys.argv[0] = 'photochrom'\n"
    "main()\n"
)


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Program:
    """Runs `photochrom` in this very process, through its main."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Answer:
        self._monkeypatch.setattr(sys, "argv", ["photochrom", *map(str, arguments)])
        self._capsys.readouterr()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as left:
                main()
        finally:
            signal.signal(signal.SIGTERM, handler)
        out, err = self._capsys.readouterr()
        code = left.value.code
        assert code is None or isinstance(code, int)
        return Answer(code or 0, out, err)


def imported(*arguments: object) -> tuple[Answer, set[str]]:
    """Run `photochrom` in a process of its own; return also the top modules it had at its end."""
    command = [sys.executable, "-c", _REPORT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    *said, modules = done.stderr.splitlines()
    names = {name.partition(".")[0] for name in json.loads(modules)}
    return Answer(done.returncode, done.stdout, "\n".join(said)), names
