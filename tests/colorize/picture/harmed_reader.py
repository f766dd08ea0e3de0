"""A reader whose decoder crashes, eats or never ends at files that begin with such a word."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from photochrom.colorize.picture.reading import reader
from photochrom.colorize.picture.reading.source import Source

PROGRAM = __name__


def _eat() -> None:
    np.ones(1 << 28)


def _spin() -> None:
    while True:
        pass


def _blunder() -> None:
    raise ZeroDivisionError("a decoder's own mistake")


HARMS: dict[bytes, Callable[[], object]] = {
    b"crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"eat": _eat,
    b"spin": _spin,
    b"sleep": lambda: time.sleep(3600),
    b"blunder": _blunder,
    b"leave": lambda: os._exit(0),
    b"told": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def _open(path: Path, max_pixels: int) -> Source:
    harm = HARMS.get(path.read_bytes())
    if harm:
        harm()
    return _honest(path, max_pixels)


_honest = reader.open_source

if __name__ == "__main__":
    reader.open_source = _open
    reader.main()
