"""A luma plane that lies in a file instead of memory, for scans larger than there is room for."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

import numpy as np

from photochrom.colorize.picture.luma import Samples

Place = tuple[slice, slice]


class FiledPlane:
    """A plane (h, w) written piece by piece and read by rows, from any thread.

    Its file has no name: it goes when the plane goes, or the process.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], dtype: type[np.generic]) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._line = shape[1] * self.dtype.itemsize
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this
        weakref.finalize(self, self._file.close)
        os.truncate(self._file.fileno(), shape[0] * self._line)

    @property
    def size(self) -> int:
        """The number of samples."""
        return self.shape[0] * self.shape[1]

    def __getitem__(self, rows: slice) -> Samples:
        """Read rows, (n, w); raises OSError if the disk gives less."""
        first, last, _ = rows.indices(self.shape[0])
        block = np.empty((max(0, last - first), self.shape[1]), self.dtype)
        room = block.data.cast("B") if block.size else memoryview(b"")
        at = first * self._line
        while room:
            count = os.preadv(self._file.fileno(), [room], at)
            if not count:
                raise OSError(f"a plane's file ends at byte {at}")
            room, at = room[count:], at + count
        return block

    def __setitem__(self, place: Place, samples: Samples) -> None:
        """Write samples (n, m) at rows and columns."""
        first, last, _ = place[0].indices(self.shape[0])
        column = place[1].indices(self.shape[1])[0]
        samples = np.ascontiguousarray(samples)
        if samples.shape[1] == self.shape[1]:
            self._write(samples, first * self._line)
            return
        for row, line in zip(range(first, last), samples, strict=True):
            self._write(line, row * self._line + column * self.dtype.itemsize)

    def _write(self, samples: Samples, at: int) -> None:
        left = samples.data.cast("B")
        while left:
            count = os.pwrite(self._file.fileno(), left, at)
            left, at = left[count:], at + count
