"""A generator without a network: quick, exact and colourful, for tests and dry runs."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import ModelError

ECHO = """photochrom echo 1
v grey, x and y from 0 to s-1; all integers, // floors
bump = v*(255-v)//162; across = (2*x+1-s)*32//s; down = (2*y+1-s)*32//s
Cb = 128 + bump*(across-20)//100; Cr = 128 + bump*(40-down)//100
"""
ECHO_SHA256 = hashlib.sha256(ECHO.encode()).hexdigest()


class EchoGenerator:
    """Paints by the rule in ECHO: warm mid-tones that drift with the place."""

    name = "echo"
    weights_sha256 = ECHO_SHA256
    device = "cpu"
    precision = "float32"

    def __call__(self, x: Any) -> Any:
        """Raise ModelError: there is no network to ask."""
        raise ModelError("echo has no network")

    def warm_up(self, side: int, count: int) -> float:
        """Return at once: nothing needs warming."""
        return 0.0

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return Cb, Cr (n, s, s, 2) of grey squares (n, s, s)."""
        side = squares.shape[-1]
        value = squares.astype(np.int32)
        bump = value * (255 - value) // 162  # 0..100
        drift = (2 * np.arange(side) + 1 - side) * 32 // side  # -32..31
        blue = 128 + bump * (drift[None, None, :] - 20) // 100
        red = 128 + bump * (40 - drift[None, :, None]) // 100
        return np.stack([blue, red], -1).astype(np.uint8)  # (n, s, s, 2)
