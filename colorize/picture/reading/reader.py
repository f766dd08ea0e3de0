"""The reader: a process that decodes one file at a time, for a reading room.

    python -m photochrom.colorize.picture.reading.reader FD

It serves the socket FD until that is closed. Each file is read under a limit of CPU time and of
memory above what this process already has.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.filed import FiledPlane
from photochrom.colorize.picture.luma import type_of
from photochrom.colorize.picture.reading.decoders import open_source
from photochrom.colorize.picture.reading.frames import Note, receive, send
from photochrom.colorize.picture.reading.source import Source
from photochrom.colorize.picture.reading.upright import decode_into, upright_shape

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TAKEN = Path("/proc/self/statm")
_OOM_SCORE = Path("/proc/self/oom_score_adj")


class Reader:
    """Opens a file when told to, and decodes it when there is room for it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._source: Source | None = None

    def serve(self) -> None:
        """Answer orders until the other side closes the line."""
        while True:
            try:
                order, file = receive(self._line)
            except (EOFError, ConnectionError):
                return
            start = time.process_time()
            answer = self._answer(order, file)
            answer["cpu_seconds"] = time.process_time() - start
            send(self._line, answer)

    def _answer(self, order: Note, file: int | None) -> Note:
        try:
            _limit(order["seconds"], order["bytes"])
            return self._open(order) if file is None else self._decode(file)
        except SourceError as error:
            return {"fault": error.reason, "message": str(error)}
        except MemoryError:
            return {"no_memory": True}
        except OSError as error:
            return {"no_memory": True} if _no_memory(error) else {"machine": str(error)}
        except Exception as error:
            return self._blundered(error)

    def _blundered(self, error: Exception) -> Note:
        """Answer a decoder's own mistake, which is an error of no kind that we foresaw."""
        return {"fault": Fault.CORRUPT, "message": f"{type(error).__name__}: {error}"[:500]}

    def _open(self, order: Note) -> Note:
        self._source = None
        self._source = open_source(Path(order["path"]), order["max_pixels"])
        return {"header": asdict(self._source.header)}

    def _decode(self, file: int) -> Note:
        source, self._source = self._source, None
        if source is None:
            raise ValueError("nothing is open")
        header = source.header
        plane = FiledPlane(file, upright_shape(header), type_of(header.bits))
        sample = decode_into(plane, source)
        if sample is None:
            return {"sample": None}
        return {"sample": sample.tobytes(), "shape": sample.shape}


def _limit(seconds: float, room: int) -> None:
    """Let this process use so much more CPU time and address space, and then be stopped."""
    end = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
    if _TAKEN.exists():
        taken = int(_TAKEN.read_text().split()[0]) * _PAGE
        resource.setrlimit(resource.RLIMIT_AS, (taken + room, resource.RLIM_INFINITY))


def _no_memory(error: OSError) -> bool:
    return error.errno == errno.ENOMEM or "out of memory" in str(error)


def main() -> None:
    """Serve the socket whose number is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides when reading ends
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a row says what was wrong
    with suppress(OSError):
        _OOM_SCORE.write_text("1000")  # where memory runs out, this goes before its worker
    Reader(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
