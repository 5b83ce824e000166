"""Small connected regions of a mask, by runs: rows are read once, then only the runs are looked at.

He, Chao and Suzuki, "A run-based two-scan labeling algorithm", IEEE TIP 17 (2008). The gaps between
the runs of the foreground are the runs of the background, so the picture is read once for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
ENDLESS = 1 << 40  # pixels; what touches the border goes on behind it
HIGH = np.uint64(0x8080808080808080)  # set in 255, not in 0 and 127
FIRST, END, PARENT = 0, 1, 2  # of a run: its columns, and another run of its region


def room(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """What tidy() works in: starts, runs and areas. Only what is needed of it is ever touched."""
    most = height * (width // 2 + 1)
    starts = np.empty((2, height + 1), np.int64)
    return starts, np.empty((2, 3, most), np.int32), np.empty(most, np.int64)


@njit(**OPTIONS)
def find_runs(plane, words, width, starts, runs):
    """Runs of 255 in a plane; those of row y are starts[y] to starts[y + 1]."""
    height, n_words = words.shape
    n = 0
    for y in range(height):
        starts[y] = n
        inside = False
        for word in range(n_words):
            bits = words[y, word] & HIGH
            if bits == (HIGH if inside else np.uint64(0)):
                continue
            first = word * 8
            for x in range(first, first + 8):
                if (plane[y, x] == 255) != inside:
                    if inside:
                        runs[END, n] = x
                        n += 1
                    else:
                        runs[FIRST, n] = x
                    inside = not inside
        if inside:
            runs[END, n] = width
            n += 1
    starts[height] = n


@njit(**OPTIONS)
def find_gaps(starts, runs, width, gap_starts, gaps):
    """The runs of what lies between runs."""
    n = 0
    for y in range(starts.size - 1):
        gap_starts[y] = n
        x = 0
        for run in range(starts[y], starts[y + 1]):
            if runs[FIRST, run] > x:
                gaps[FIRST, n], gaps[END, n] = x, runs[FIRST, run]
                n += 1
            x = runs[END, run]
        if x < width:
            gaps[FIRST, n], gaps[END, n] = x, width
            n += 1
    gap_starts[starts.size - 1] = n


@njit(**OPTIONS)
def root(runs, run):
    """The first run of the region that `run` belongs to; shortens the way for the next search."""
    while runs[PARENT, run] != run:
        runs[PARENT, run] = runs[PARENT, runs[PARENT, run]]
        run = np.int64(runs[PARENT, run])
    return run


@njit(**OPTIONS)
def measure(starts, runs, width, reach, border, areas):
    """Join runs to regions, over corners too with reach = 1; areas[root] in pixels.

    With `border` set, regions that touch the border are endless.
    """
    height = starts.size - 1
    for run in range(starts[height]):
        runs[PARENT, run] = run
        areas[run] = 0
    for y in range(1, height):
        above, last_above = starts[y - 1], starts[y]
        for run in range(starts[y], starts[y + 1]):
            first, end = runs[FIRST, run] - reach, runs[END, run] + reach
            while above < last_above and runs[END, above] <= first:
                above += 1
            other = above
            while other < last_above and runs[FIRST, other] < end:
                one, two = root(runs, run), root(runs, other)
                runs[PARENT, max(one, two)] = min(one, two)
                other += 1
    for y in range(height):
        for run in range(starts[y], starts[y + 1]):
            first, end, at = runs[FIRST, run], runs[END, run], root(runs, run)
            areas[at] += end - first
            if border and (y == 0 or y == height - 1 or first == 0 or end == width):
                areas[at] += ENDLESS


@njit(**OPTIONS)
def tidy(plane, words, labels, width, shade, smallest, largest, starts, runs, areas):
    """Take small blobs of 255 out of a plane, then fill small holes with it.

    Blobs join over corners, holes do not, and what touches the border is no hole. Where a blob goes
    `shade` stays if it stands in `labels`.

    Parameters
    ----------
    plane, labels
        (height, row) uint8, planes.
    words
        (height, row / 8) uint64, the same plane.
    width
        Of the picture in pixels.
    smallest, largest
        Blobs and holes of fewer pixels than these.
    starts, runs, areas
        What room() returns.
    """
    height = plane.shape[0]
    find_runs(plane, words, width, starts[0], runs[0])
    for kind in range(2):
        holes = kind == 1
        if holes:
            find_gaps(starts[0], runs[0], width, starts[1], runs[1])
        begin, table = starts[kind], runs[kind]
        measure(begin, table, width, not holes, holes, areas)
        least = largest if holes else smallest
        kept = run = 0
        for y in range(height):
            last, begin[y] = begin[y + 1], kept
            while run < last:
                first, end = table[FIRST, run], table[END, run]
                if areas[root(table, run)] < least:
                    for x in range(first, end):
                        shaded = labels[y, x] == shade
                        plane[y, x] = 255 if holes else shade if shaded else 0
                else:
                    table[FIRST, kept], table[END, kept] = first, end
                    kept += 1
                run += 1
        begin[height] = kept
