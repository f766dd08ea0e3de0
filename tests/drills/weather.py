"""Weather: an HTTP proxy between s3fs and a real S3 server that lets requests fail, by a seed.

What happens to a request follows from the seed, its method, its path and how often it was asked
before, so the same seed means the same harm whatever the threads do. It listens on loopback only.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.servers import HOST

SLOW_DOWN = "503 SlowDown"  # nothing is done
RESET = "reset before"  # nothing is done
LOST = "reset after"  # it is done, and nobody hears of it
CUT = "answer cut"  # it is done, and half of the answer comes
STALL = "time-out"  # nothing is done, and no answer comes
STALE = "stale 412"  # a create is refused though nothing stands there

STALL_SECONDS = 4.0
_HOP = frozenset(("connection", "keep-alive", "transfer-encoding"))


class Weather:
    """A proxy to `target`; `rates` says how likely each harm is to befall a request.

    While it is `away`, every request is reset.
    """

    def __init__(self, target: str, seed: int = 0) -> None:
        self._target = target.removeprefix("http://")
        self.seed = seed
        self._asked = Counter[tuple[str, str]]()
        self._lock = threading.Lock()
        self.rates: dict[str, float] = {}
        self.away = False
        self.harm = Counter[str]()
        weather = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                weather.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is no news here."""

        self._server = Server((HOST, 0), Handler)
        self.endpoint = f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Pass a request on, or let it fail."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        harm = RESET if self.away else self._harm(request)
        self.harm[harm] += bool(harm)
        match harm:
            case "503 SlowDown":
                _refuse(request, 503, "SlowDown")
            case "stale 412":
                _refuse(request, 412, "PreconditionFailed")
            case "reset before":
                _reset(request)
            case "time-out":
                time.sleep(STALL_SECONDS)
                _reset(request)
            case _:
                self._pass_on(request, body, harm)

    def _harm(self, request: BaseHTTPRequestHandler) -> str:
        asked = (request.command, request.path)
        with self._lock:
            self._asked[asked] += 1
            times = self._asked[asked]
        dice = random.Random(f"{self.seed} {asked} {times}")
        for kind, rate in self.rates.items():
            hit = dice.random() < rate
            if hit and (kind != STALE or request.headers.get("If-None-Match")):
                return kind
        return ""

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes, harm: str) -> None:
        try:
            status, headers, data = self._ask(request, body)
        except (OSError, http.client.HTTPException):
            _reset(request)  # the server itself is away
            return
        if harm == LOST:
            _reset(request)
            return
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP | {"content-length", "date", "server"}:
                request.send_header(name, value)
        length = dict((name.lower(), value) for name, value in headers).get("content-length")
        if status not in (204, 304):
            request.send_header("Content-Length", length or str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2] if harm == CUT else data)
        if harm == CUT:
            _reset(request)

    def _ask(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        line = http.client.HTTPConnection(self._target, timeout=60)
        try:
            line.putrequest(request.command, request.path, True, True)
            for name, value in request.headers.items():
                if name.lower() not in _HOP:
                    line.putheader(name, value)
            line.endheaders(body or None)
            answer = line.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            line.close()


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    body = f"<Error><Code>{code}</Code></Error>".encode()
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def _reset(request: Any) -> None:
    """Break the connection rudely, as a firewall would."""
    request.close_connection = True
    with suppress(OSError):
        request.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        request.connection.close()
