"""Area scaling in integers: each new pixel is the mean of what it covers, rounded once.

With W old and w new pixels on an axis, new pixel i covers [i W, (i + 1) W) and old pixel j covers
[j w, (j + 1) w) on a common ruler of W w steps; the overlaps are the weights, all whole numbers.
It serves for shrinking and for growing, and gives the same samples on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.luma import Samples, strips


def area(plane: Samples, width: int, height: int, table: Samples | None = None) -> Samples:
    """Scale a plane (h, w) to (height, width), after `table[plane]` if a tone table is given."""
    old_height, old_width = plane.shape
    if (old_height, old_width) == (height, width):
        return plane if table is None else table[plane]
    total = np.zeros((height, width), np.int64)
    for first, last in strips(old_height, old_width):
        rows = plane[first:last] if table is None else table[plane[first:last]]
        start, weights = _overlaps(first, last, old_height, height)
        total[start : start + len(weights)] += weights @ _across(rows, width)
    whole = old_width * old_height
    total += whole // 2
    total //= whole
    return total.astype(plane.dtype)


def fit(width: int, height: int, long_side: int | None) -> tuple[int, int]:
    """Return the size whose longer side is at most `long_side`, aspect kept, never enlarged."""
    longer = max(width, height)
    if long_side is None or longer <= long_side:
        return width, height
    return tuple(max(1, (2 * n * long_side + longer) // (2 * longer)) for n in (width, height))  # type: ignore[return-value]


def _across(rows: Samples, width: int) -> NDArray[np.int64]:
    """Sum rows (n, w) into (n, width) by prefix sums; each sum's weights add up to w."""
    count, old = rows.shape
    prefix = np.zeros((count, old + 1), np.int64)
    np.cumsum(rows, axis=1, dtype=np.int64, out=prefix[:, 1:])
    edge = np.arange(width + 1, dtype=np.int64) * old
    whole, part = edge // width, edge % width
    upto = prefix[:, whole] * width
    upto += rows[:, np.minimum(whole, old - 1)] * part
    return np.diff(upto, axis=1)


def _overlaps(first: int, last: int, old: int, new: int) -> tuple[int, NDArray[np.int64]]:
    """Return the first new row that old rows [first, last) touch, and the weights (touched, n)."""
    start, stop = first * new // old, (last * new - 1) // old + 1
    new_edge = np.arange(start, stop + 1, dtype=np.int64) * old
    old_edge = np.arange(first, last + 1, dtype=np.int64) * new
    upper = np.minimum(new_edge[1:, None], old_edge[None, 1:])
    lower = np.maximum(new_edge[:-1, None], old_edge[None, :-1])
    return start, np.maximum(upper - lower, 0)
