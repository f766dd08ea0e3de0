"""A luma plane that lies in a file instead of memory, for scans larger than there is room for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from weakref import finalize

import numpy as np

from photochrom.colorize.picture.luma import Samples

Place = tuple[slice, slice]


class FiledPlane:
    """A plane (h, w) written piece by piece and read by rows, from any thread.

    The open file is the plane's from then on, and closed with it.
    """

    def __init__(self, file: int, shape: tuple[int, int], dtype: type[np.generic]) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._line = shape[1] * self.dtype.itemsize
        self.file = file
        finalize(self, os.close, file)

    @classmethod
    def new(cls, folder: Path, shape: tuple[int, int], dtype: type[np.generic]) -> FiledPlane:
        """Make a plane in a file without a name, which goes when the plane goes, or the process."""
        with tempfile.TemporaryFile(dir=folder) as unnamed:
            plane = cls(os.dup(unnamed.fileno()), shape, dtype)
        os.truncate(plane.file, shape[0] * plane._line)
        return plane

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
            count = os.preadv(self.file, [room], at)
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
            count = os.pwrite(self.file, left, at)
            left, at = left[count:], at + count
