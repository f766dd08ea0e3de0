"""A real head with its jobs server, as `ray start --head` makes one, on loopback only."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from tests.cluster.test_session import descendants
from tests.servers import HOST, free_ports

_STARTED = b"Ray runtime started"
_STARTS = 3
_START_SECONDS = 120.0
_END_SECONDS = 5.0
NEEDED = ("aiohttp_cors", "opencensus", "virtualenv")  # what ray[default] adds


def installed() -> bool:
    """Tell whether ray[default] is there, whose jobs server this needs."""
    return all(find_spec(name) for name in NEEDED)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@dataclass
class Head:
    """One head that lets in who has its token; gone with all its processes at the end."""

    environment: Mapping[str, str]
    cpus: int = 2
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="head-", dir="/tmp"))
    )
    _ports: list[int] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where jobs are submitted."""
        return f"http://{HOST}:{self._ports[1]}"

    @property
    def client_address(self) -> str:
        """Where Ray Client would connect."""
        return f"ray://{HOST}:{self._ports[2]}"

    def __enter__(self) -> Self:
        """Start it; again, where a busy machine was too slow for the 30 seconds that Ray allows."""
        for _ in range(_STARTS):
            self._ports = free_ports(6)
            if self._start():
                return self
            said = (self._folder / "head.log").read_text(errors="replace")[-2000:]
            self._end()
        self.__exit__()
        raise RuntimeError(f"no head came up:\n{said}")

    def __exit__(self, *_: object) -> None:
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> bool:
        with (self._folder / "head.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt of the tests is not for it
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            started = _STARTED in (self._folder / "head.log").read_bytes()
            if started and self._answers():
                return True
            time.sleep(0.2)
        return False

    def _end(self) -> None:
        """Kill it; the reaper that `--block` puts beside it ends all the others."""
        if self._process is None:
            return
        family = descendants(self._process.pid)
        self._process.kill()
        self._process.wait()
        deadline = time.monotonic() + _END_SECONDS
        while any(map(_lives, family)) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in filter(_lives, family):
            os.kill(pid, signal.SIGKILL)

    def _answers(self) -> bool:
        header = {"Authorization": f"Bearer {self.token}"}
        ask = urllib.request.Request(f"{self.address}/api/jobs/", headers=header)
        try:
            with urllib.request.urlopen(ask, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _command(self) -> list[str]:
        gcs, dashboard, client, agent, listen, metrics = self._ports
        options = {
            "node-ip-address": HOST,
            "port": gcs,
            "dashboard-host": HOST,
            "dashboard-port": dashboard,
            "ray-client-server-port": client,
            "dashboard-agent-grpc-port": agent,
            "dashboard-agent-listen-port": listen,
            "metrics-export-port": metrics,
            "num-cpus": self.cpus,
            "num-gpus": 0,
            "object-store-memory": 128 << 20,
            "temp-dir": self._folder / "ray",
        }
        return [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            "--disable-usage-stats",
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            **os.environ,
            **self.environment,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # what keeps Ray on loopback
            "RAY_USAGE_STATS_ENABLED": "0",
        }
