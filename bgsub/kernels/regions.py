"""Connected regions of a mask, by runs: rows are read once, then only the runs are looked at.

He, Chao and Suzuki, "A run-based two-scan labeling algorithm", IEEE TIP 17 (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
ENDLESS = 1 << 40  # pixels; what touches the border goes on behind it


@njit(**OPTIONS)
def root(parent, run):
    """The first run of the region that `run` belongs to; shortens the way for the next search."""
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(**OPTIONS)
def flip_small(mask, value, smallest, reach, border):
    """Turn regions of `value` with fewer than `smallest` pixels into 255 - value, in place.

    Regions join over corners with reach = 1, over edges only with reach = 0. With border set,
    regions that touch the border stay.
    """
    height, width = mask.shape
    most = height * ((width + 1) // 2)
    first, end = np.empty(most, np.int32), np.empty(most, np.int32)
    row_start = np.empty(height + 1, np.int32)
    n = 0
    for y in range(height):
        row_start[y] = n
        row = mask[y]
        x = 0
        while x < width:
            while x < width and row[x] != value:
                x += 1
            if x == width:
                break
            first[n] = x
            while x < width and row[x] == value:
                x += 1
            end[n] = x
            n += 1
    row_start[height] = n

    parent = np.arange(n).astype(np.int32)
    for y in range(1, height):
        above, last_above = row_start[y - 1], row_start[y]
        for run in range(row_start[y], row_start[y + 1]):
            while above < last_above and end[above] + reach <= first[run]:
                above += 1
            other = above
            while other < last_above and first[other] < end[run] + reach:
                one, two = root(parent, run), root(parent, other)
                if one < two:
                    parent[two] = one
                else:
                    parent[one] = two
                other += 1

    area = np.zeros(n, np.int64)
    for y in range(height):
        for run in range(row_start[y], row_start[y + 1]):
            at = root(parent, run)
            area[at] += end[run] - first[run]
            edge = y == 0 or y == height - 1 or first[run] == 0 or end[run] == width
            if border and edge:
                area[at] += ENDLESS
    for y in range(height):
        for run in range(row_start[y], row_start[y + 1]):
            if area[root(parent, run)] < smallest:
                for x in range(first[run], end[run]):
                    mask[y, x] = 255 - value
