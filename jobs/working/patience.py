"""Patience: storage calls are made again, with growing pauses, before a photo is blamed for them.

The storage layer retries each request by itself, within seconds. This is for an attempt that is a
shard's last: there is nobody after it who would try again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from photochrom.jobs.errors import StorageError

PAUSES = (1.0, 3.0, 9.0)

T = TypeVar("T")


class Patience:
    """Makes a call once, and once more after each pause while its error is one that may pass."""

    def __init__(
        self, pauses: Sequence[float] = PAUSES, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._pauses, self._sleep = pauses, sleep

    def __call__(self, call: Callable[[], T]) -> T:
        """Return what the call returns; raises what it raises at last."""
        for pause in self._pauses:
            try:
                return call()
            except StorageError as error:
                if not error.retriable:
                    raise
            self._sleep(pause * random.uniform(1, 1.5))
        return call()
