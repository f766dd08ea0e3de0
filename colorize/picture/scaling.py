"""Area scaling in integers: each new pixel is the mean of what it covers, rounded once.

With W old and w new pixels on an axis, new pixel i covers [i W, (i + 1) W) and old pixel j covers
[j w, (j + 1) w) on a common ruler of W w steps; the overlaps are the weights, all whole numbers.
It serves for shrinking and for growing, and gives the same samples on every machine.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Rows, Samples, strips

Sums: TypeAlias = NDArray[np.uint32 | np.uint64]


def area(plane: Rows, width: int, height: int, table: Samples | None = None) -> Samples:
    """Scale a plane (h, w) to (height, width), after `table[plane]` if a tone table is given."""
    old_height, old_width = plane.shape
    made = np.empty((height, width), plane.dtype)
    whole = old_width * old_height
    for first, last in strips(height, whole // height):
        start, stop = first * old_height // height, -(-last * old_height // height)
        rows = plane[start:stop] if table is None else table.take(plane[start:stop])
        total = _across(_down(rows, start, range(first, last), old_height, height), width)
        total += whole // 2
        total //= whole
        made[first:last] = total
    return made


def fit(width: int, height: int, long_side: int | None) -> tuple[int, int]:
    """Return the size whose longer side is at most `long_side`, aspect kept, never enlarged."""
    longer = max(width, height)
    if long_side is None or longer <= long_side:
        return width, height
    return tuple(max(1, (2 * n * long_side + longer) // (2 * longer)) for n in (width, height))  # type: ignore[return-value]


def _down(rows: Samples, start: int, wanted: range, old: int, new: int) -> Sums:
    """Sum old rows, of which `rows` (n, w) are those from `start`, into new ones (m, w).

    Each sum's weights add up to the old height; 32 bits hold that for all but the tallest.
    """
    narrow = old * int(np.iinfo(rows.dtype).max) < 1 << 32
    sums: Sums = np.empty((len(wanted), rows.shape[1]), np.uint32 if narrow else np.uint64)
    for at, row in enumerate(wanted):
        upper, lower = row * old // new, ((row + 1) * old - 1) // new
        top, bottom = (upper + 1) * new - row * old, (row + 1) * old - lower * new
        covered = rows[upper - start : lower + 1 - start]
        total = sums[at]
        if upper == lower:
            np.multiply(covered[0], old, out=total, dtype=total.dtype)
            continue
        np.add.reduce(covered[1:-1], axis=0, dtype=total.dtype, out=total)
        total *= total.dtype.type(new)
        total += covered[0] * total.dtype.type(top)
        total += covered[-1] * total.dtype.type(bottom)
    return sums


def _across(rows: Sums, width: int) -> NDArray[np.int64]:
    """Sum rows (n, w) into (n, width) by prefix sums; each sum's weights add up to w."""
    count, old = rows.shape
    prefix = np.zeros((count, old + 1), np.int64)
    np.cumsum(rows, axis=1, dtype=np.int64, out=prefix[:, 1:])
    edge = np.arange(width + 1, dtype=np.int64) * old
    whole, part = edge // width, edge % width
    upto = prefix[:, whole] * width
    upto += rows[:, np.minimum(whole, old - 1)].astype(np.int64) * part
    return np.diff(upto, axis=1)
