"""The reading room: files are decoded in processes of their own, under limits.

A file that crashes its decoder, fills memory or never ends costs its reader, which is replaced, and
becomes a SourceError. The samples come back through shared memory, without a copy.
"""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, TypeAlias
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture.filed import FiledPlane
from photochrom.colorize.picture.luma import Rows, type_of
from photochrom.colorize.picture.photo import Photo, file_sha256
from photochrom.colorize.picture.reading.frames import Note, receive, send
from photochrom.colorize.picture.reading.limits import ReadingLimits
from photochrom.colorize.picture.reading.source import Header
from photochrom.colorize.picture.reading.upright import upright_shape

ColourSample: TypeAlias = NDArray[np.float64]

_PROGRAM = "photochrom.colorize.picture.reading.reader"


@cache
def reading_room(limits: ReadingLimits) -> ReadingRoom:
    """Return this process's room with these limits, the same for all who ask."""
    return ReadingRoom(limits)


class ReadingRoom:
    """Readers for as many threads as ask; one sits idle for each that has asked at once."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._limits = limits
        self._idle: LifoQueue[_Desk] = LifoQueue()

    def read(
        self,
        path: Path,
        *,
        sha256: str = "",
        admit: Callable[[Header], Path | None] = lambda header: None,
        spent: Callable[[float], None] = lambda cpu_seconds: None,
    ) -> Photo:
        """Decode a file strictly; raises SourceError, or OSError for this machine's own faults.

        `admit` hears of the header before a pixel is decoded, and may wait, or raise. It names the
        folder where the luma shall lie in a file; None: in memory. `spent` hears of the reader's
        CPU-seconds, also where the file fails.
        """
        with self._desk() as desk:
            try:
                header = desk.open(path)
                luma, sample = desk.decode(header, admit(header))
            finally:
                spent(desk.cpu_seconds)
        return Photo(header, luma, sha256 or file_sha256(path), sample)

    @contextmanager
    def _desk(self) -> Iterator[_Desk]:
        """Lend a desk; one whose reader is gone, or was left in the middle, is not lent again."""
        desk = self._free_desk()
        try:
            yield desk
        except SourceError:
            self._put_back(desk)
            raise
        except BaseException:
            desk.close()
            raise
        else:
            self._put_back(desk)

    def _free_desk(self) -> _Desk:
        """Return an idle reader's desk, or a new one; a reader may have been ended while idle."""
        with suppress(Empty):
            while True:
                desk = self._idle.get_nowait()
                if desk.alive:
                    desk.cpu_seconds = 0.0
                    return desk
        return _Desk(self._limits)

    def _put_back(self, desk: _Desk) -> None:
        if desk.alive:
            self._idle.put(desk)


class _Desk:
    """One reader's process, and the line to it."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._limits = limits
        self.cpu_seconds = 0.0
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _PROGRAM, str(theirs.fileno())],
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._line = ours
        self.close = finalize(self, _end, self._process, ours)
        self._line.settimeout(_patience(limits))

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def open(self, path: Path) -> Header:
        """Return a file's header; raises SourceError."""
        answer = self._ask({"path": str(path), "max_pixels": self._limits.max_pixels})
        return _header(answer["header"])

    def decode(self, header: Header, scratch: Path | None) -> tuple[Rows, ColourSample | None]:
        """Return the opened file's upright luma (h, w), in a file or in memory, and its colours."""
        shape, dtype = upright_shape(header), type_of(header.bits)
        if scratch is not None:
            plane = FiledPlane.new(scratch, shape, dtype)
            return plane, _sample(self._ask({}, plane.file))
        with _shared_memory(header.luma_bytes) as file:
            answer = self._ask({}, file)
            room = mmap.mmap(file, header.luma_bytes)
        return np.frombuffer(room, np.dtype(dtype)).reshape(shape), _sample(answer)

    def _ask(self, order: Note, file: int | None = None) -> Note:
        limits = {"seconds": self._limits.decode_seconds, "bytes": self._limits.decode_bytes}
        try:
            send(self._line, order | limits, file)
            answer, _ = receive(self._line)
        except TimeoutError:
            self.close()
            raise _too_slow(self._limits) from None
        except (EOFError, ConnectionError, ValueError):
            raise self._died() from None
        self.cpu_seconds += float(answer.get("cpu_seconds", 0.0))
        if "no_memory" in answer:
            raise _too_much(self._limits)
        if "fault" in answer:
            raise SourceError(Fault(answer["fault"]), str(answer["message"]))
        if "machine" in answer:
            raise OSError(str(answer["machine"]))
        return answer

    def _died(self) -> SourceError:
        """Say what ended the reader; raises OSError if it was not the file's doing."""
        self._line.close()  # one that lives on reads that as its end
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            self.cpu_seconds += self._limits.decode_seconds
            return _too_slow(self._limits)
        if code == -signal.SIGTERM:
            raise OSError("the reader was asked to end")
        if code >= 0:
            raise OSError(f"the reader ended with {code}")
        name = signal.Signals(-code).name
        return SourceError(Fault.DECODER_DIED, f"its decoder died of {name}")


def _too_slow(limits: ReadingLimits) -> SourceError:
    seconds = f"{limits.decode_seconds:g} CPU-seconds"
    return SourceError(Fault.TOO_SLOW, f"not decoded in {seconds}, the limit of decode_seconds")


def _too_much(limits: ReadingLimits) -> SourceError:
    much = f"{limits.decode_bytes >> 20:,} MiB"
    return SourceError(
        Fault.TOO_LARGE, f"takes more than {much} to decode, the limit of decode_bytes"
    )


def _patience(limits: ReadingLimits) -> float:
    """Return how many seconds to wait for an answer: a busy machine is no endless file."""
    return limits.decode_seconds * 4 + 60


def _end(process: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    process.kill()
    process.wait()


@contextmanager
def _shared_memory(size: int) -> Iterator[int]:
    """Yield a file of this size that lies in memory, or on disk where there is no other kind."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("luma")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    try:
        os.truncate(file, size)
        yield file
    finally:
        os.close(file)


def _header(values: dict[str, Any]) -> Header:
    dpi = values["dpi"]
    return Header(**values | {"dpi": tuple(dpi) if dpi else None})


def _sample(answer: Note) -> ColourSample | None:
    if answer["sample"] is None:
        return None
    return np.frombuffer(answer["sample"], np.float64).reshape(answer["shape"])
