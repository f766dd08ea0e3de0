"""The tray: open photos that wait for the generator, in the order in which they came."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Tray(Generic[T]):
    """Hands out batches of equal squares, `batch` at most.

    A full batch goes first; where there is none, whatever waits longest, with its equals. So the
    generator gets what it does best, and never waits for more to come.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._lines: dict[int, deque[tuple[int, T]]] = {}
        self._number = count()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, size: int, photo: T) -> None:
        """Lay down a photo that will be painted as a square of this side."""
        self._lines.setdefault(size, deque()).append((next(self._number), photo))

    def take(self) -> list[T]:
        """Take the next batch; the tray must not be empty."""
        full = {size: line for size, line in self._lines.items() if len(line) >= self._batch}
        waiting = full or self._lines
        size = min(waiting, key=lambda size: waiting[size][0][0])
        line = self._lines[size]
        taken = [line.popleft()[1] for _ in range(min(self._batch, len(line)))]
        if not line:
            del self._lines[size]
        return taken
