"""A budget of bytes in flight, shared by the threads of one worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class BudgetClosed(Exception):  # noqa: N818 - a signal to waiting threads
    """The work was called off while a thread waited for room."""


class Budget:
    """Room for so many bytes; one photo larger than all of it may pass alone."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used, self._closed = limit, 0, False
        self._changed = Condition()

    def fits(self, size: int) -> bool:
        """Tell whether so much may ever lie in memory; what may not belongs into a file."""
        return size <= self._limit

    def take(self, size: int) -> None:
        """Wait for room; raises BudgetClosed if the work is called off meanwhile."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or not self._used or self._used + size <= self._limit
            )
            if self._closed:
                raise BudgetClosed
            self._used += size

    def give_back(self, size: int) -> None:
        """Make room again."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Take room for as long as the block runs."""
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)

    def close(self) -> None:
        """Call the work off: every waiting thread goes home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
