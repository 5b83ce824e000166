"""Small connected regions of a mask, by runs: rows are read once, then only the runs are looked at.

He, Chao and Suzuki, "A run-based two-scan labeling algorithm", IEEE TIP 17 (2008). The gaps between
the runs of the foreground are the runs of the background, so the picture is read once for both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bgsub.kernels import window

# Nothing here makes an array, and references that are not counted cost nothing on every row.
PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
    "_nrt": False,
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
# Only kernels call these, so no way in from Python need be compiled, nor anything kept.
STEP: dict[str, Any] = {**PART, "no_cpython_wrapper": True}
ENDLESS = 1 << 40  # pixels; what touches the border goes on behind it
HIGH = np.uint64(0x8080808080808080)  # set in 255, not in 0 and 127
SHADOW = 127
MOST_GROWTH = 1.25  # times its size; what grows more has run out into noise
BITS, ALL = 32, np.uint32(0xFFFFFFFF)
# Its product with a power of two begins with 5 bits that tell which power.
DE_BRUIJN = np.uint32(0x077CB531)
PLACE = np.zeros(BITS, np.int64)
PLACE[[(0x077CB531 << n & 0xFFFFFFFF) >> 27 for n in range(BITS)]] = range(BITS)
FIRST, END, PARENT = 0, 1, 2  # of a run: its columns, and another run of its region


def room(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """What tidy() works in: starts, runs and areas. Only what is needed of it is ever touched."""
    most = height * (width // 2 + 1)
    starts = np.empty((2, height + 1), np.int64)
    return starts, np.empty((2, 3, most), np.int32), np.empty((2, most), np.int64)


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


@njit(**STEP)
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


@njit(**STEP)
def root(runs, run):
    """The first run of the region that `run` belongs to; shortens the way for the next search."""
    while runs[PARENT, run] != run:
        runs[PARENT, run] = runs[PARENT, runs[PARENT, run]]
        run = np.int64(runs[PARENT, run])
    return run


@njit(**OPTIONS)
def join(starts, runs, reach):
    """Make regions of runs that touch, over corners too with reach = 1.

    The PARENT of every run becomes the first run of its region.
    """
    for run in range(starts[-1]):
        runs[PARENT, run] = run
    for y in range(1, starts.size - 1):
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
    for run in range(starts[-1]):  # the first run of a region is its lowest, so it is known by now
        runs[PARENT, run] = runs[PARENT, runs[PARENT, run]]


@njit(**STEP)
def measure(starts, runs, width, border, areas):
    """Pixels of each region, at its first run; with `border`, endless if it touches the border."""
    height = starts.size - 1
    for run in range(starts[height]):
        areas[run] = 0
    for y in range(height):
        for run in range(starts[y], starts[y + 1]):
            first, end, at = runs[FIRST, run], runs[END, run], runs[PARENT, run]
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
        join(begin, table, 1 - kind)
        measure(begin, table, width, holes, areas[0])
        least = largest if holes else smallest
        kept = run = 0
        for y in range(height):
            last, begin[y] = begin[y + 1], kept
            while run < last:
                first, end = table[FIRST, run], table[END, run]
                if areas[0, table[PARENT, run]] < least:
                    for x in range(first, end):
                        shaded = labels[y, x] == shade
                        plane[y, x] = 255 if holes else shade if shaded else 0
                else:
                    table[FIRST, kept], table[END, kept] = first, end
                    kept += 1
                run += 1
        begin[height] = kept


@njit(**OPTIONS)
def shrink(weak, sure, width, reach, row, wide):
    """Set `wide` where `weak` is set all around within `reach` pixels, or where `sure` is.

    Parameters
    ----------
    weak, sure, wide
        (height, words) uint32, a bit for each pixel of a plane. Beyond the picture `weak` is taken
        for set, and `wide` is not.
    width
        Of the picture in pixels.
    reach
        Pixels.
    row
        Room for the words of a row of `weak`, and ALL in reach // BITS + 1 more on either side.
    """
    height, n_words = weak.shape
    edge, last, over = (row.size - n_words) // 2, width // BITS, width % BITS
    beyond = np.uint32(int(ALL) << over)
    for y in range(height):
        left, right = n_words, 0
        for n in range(n_words):
            row[edge + n] = weak[y, n]
            wide[y, n] = sure[y, n]
            if weak[y, n]:
                left, right = min(left, n), n + 1
        for other in range(max(y - reach, 0), min(y + reach + 1, height)):
            for n in range(left, right):
                row[edge + n] &= weak[other, n]
        if last < n_words:
            row[edge + last] |= beyond
            for n in range(last + 1, n_words):
                row[edge + n] = ALL
        for n in range(left, right):
            near, at = row[edge + n], edge + n
            for step in range(1, reach + 1):
                far, shift = step // BITS, step % BITS
                if shift == 0:
                    near &= row[at + far] & row[at - far]
                else:
                    more, less = np.uint32(shift), np.uint32(BITS - shift)
                    near &= (row[at + far] >> more) | (row[at + far + 1] << less)
                    near &= (row[at - far] << more) | (row[at - far - 1] >> less)
            wide[y, n] |= near
        if last < n_words:
            wide[y, last] &= ~beyond
            for n in range(last + 1, n_words):
                wide[y, n] = 0


@njit(**STEP)
def find_bit_runs(wide, width, starts, runs):
    """As find_runs, of the set bits of a plane's words."""
    height, n_words = wide.shape
    n = 0
    for y in range(height):
        starts[y] = n
        inside = False
        for word in range(n_words):
            bits = wide[y, word]
            changes = np.uint32(bits ^ ((bits << np.uint32(1)) | np.uint32(inside)))
            while changes:
                lowest = np.uint32(changes & (~changes + np.uint32(1)))
                x = word * BITS + PLACE[np.uint32(lowest * DE_BRUIJN) >> np.uint32(27)]
                if inside:
                    runs[END, n] = x
                    n += 1
                else:
                    runs[FIRST, n] = x
                inside = not inside
                changes = np.uint32(changes ^ lowest)
        if inside:
            runs[END, n] = width
            n += 1
    starts[height] = n


@njit(**OPTIONS)
def grow(plane, wide, width, smallest, starts, runs, areas):
    """Give blobs of 255 in a plane what is set in `wide` and belongs to them.

    A region of `wide`, joined over corners, is theirs if the 255 of the plane in it are at least
    `smallest` pixels, and 1 / MOST_GROWTH of it.

    Parameters
    ----------
    plane
        (height, row) uint8.
    wide
        (height, words) uint32, a bit for each of its pixels, set at least where it is 255.
    width
        Of the picture in pixels.
    smallest
        Pixels.
    starts, runs, areas
        What room() returns.
    """
    begin, table, sizes, sure = starts[0], runs[0], areas[0], areas[1]
    find_bit_runs(wide, width, begin, table)
    join(begin, table, 1)
    measure(begin, table, width, False, sizes)
    height = plane.shape[0]
    for run in range(begin[height]):
        sure[run] = 0
    for y in range(height):
        for run in range(begin[y], begin[y + 1]):
            held = 0
            for x in range(table[FIRST, run], table[END, run]):
                held += plane[y, x] == 255
            sure[table[PARENT, run]] += held
    for y in range(height):
        for run in range(begin[y], begin[y + 1]):
            at = table[PARENT, run]
            if sure[at] >= smallest and MOST_GROWTH * sure[at] >= sizes[at]:
                for x in range(table[FIRST, run], table[END, run]):
                    plane[y, x] = 255


@njit(**OPTIONS)
def bridge(plane, words, width, factor, done):
    """Make foreground of the shadow between foreground above and below it in a plane's columns.

    At least half of the gap between the two must be shadow, and they must be `factor` times as
    long together as the gap.

    Parameters
    ----------
    plane, words, width
        As tidy() takes them.
    factor
        Times the gap's length.
    done
        (width,) int64, to work in.
    """
    height, n_words = words.shape
    for x in range(width):
        done[x] = 0
    for y in range(height):
        for first in range(0, n_words, window.WORDS):
            shadow = np.uint64(0)  # bit 6 is set in 127 and 255, bit 7 in 255
            for word in range(first, first + window.WORDS):
                shadow |= (words[y, word] << np.uint64(1)) & ~words[y, word]
            if shadow & HIGH:
                for x in range(first * 8, min(first * 8 + window.BLOCK, width)):
                    if plane[y, x] == SHADOW and y >= done[x]:
                        done[x] = bridge_gap(plane, x, y, factor)


@njit(**STEP)
def bridge_gap(plane, x, y, factor):
    """The same of the gap whose first shadow is at (x, y). Returns the row that it ends at."""
    height = plane.shape[0]
    top, bottom, shaded = y, y, 0
    while top > 0 and plane[top - 1, x] != 255:
        top -= 1
    while bottom < height and plane[bottom, x] != 255:
        shaded += plane[bottom, x] == SHADOW
        bottom += 1
    gap = bottom - top
    if top > 0 and bottom < height and 2 * shaded >= gap:
        above, below = top, bottom
        while above > 0 and plane[above - 1, x] == 255:
            above -= 1
        while below < height and plane[below, x] == 255:
            below += 1
        if below - above - gap >= factor * gap:
            for other in range(y, bottom):
                if plane[other, x] == SHADOW:
                    plane[other, x] = 255
    return bottom


LEFT, TOP, RIGHT, BOTTOM, AREA, TWICE_X, SUM_Y = range(7)


@njit(**OPTIONS)
def describe(starts, runs, numbers, table):
    """Number the regions in the order of their first runs, and fill their rows of `table`.

    The rows are LEFT, TOP, RIGHT, BOTTOM (both behind the region), AREA, and the sums over its
    pixels of 2 x and of y. Returns how many regions there are.
    """
    n = 0
    for y in range(starts.size - 1):
        for run in range(starts[y], starts[y + 1]):
            first, end, at = runs[FIRST, run], runs[END, run], runs[PARENT, run]
            if at == run:
                numbers[run] = n
                table[n, LEFT], table[n, TOP], table[n, RIGHT] = first, y, end
                table[n, AREA] = table[n, TWICE_X] = table[n, SUM_Y] = 0
                n += 1
            region = numbers[at]
            numbers[run] = region
            table[region, LEFT] = min(table[region, LEFT], first)
            table[region, RIGHT] = max(table[region, RIGHT], end)
            table[region, BOTTOM] = y + 1
            area = end - first
            table[region, AREA] += area
            table[region, TWICE_X] += area * (first + end - 1)
            table[region, SUM_Y] += area * y
    return n


@njit(**OPTIONS)
def paint(starts, runs, numbers, region, top, left, out):
    """Set `out`, whose corner is at (top, left) of the picture, to 1 where the region is."""
    for y in range(out.shape[0]):
        for run in range(starts[top + y], starts[top + y + 1]):
            if numbers[run] == region:
                for x in range(runs[FIRST, run] - left, runs[END, run] - left):
                    out[y, x] = 1


class Blobs(NamedTuple):
    """The regions of 255 in a mask, joined over corners."""

    starts: NDArray[np.int64]
    runs: NDArray[np.int32]
    numbers: NDArray[np.int64]
    """Of the region of each run."""
    table: NDArray[np.int64]
    """(regions, 7), see describe()."""


def find_blobs(mask: NDArray[np.uint8]) -> Blobs:
    """The blobs of a mask, (height, width) uint8."""
    height, width = mask.shape
    plane = window.plane(mask)
    starts, (_, runs, areas) = np.empty(height + 1, np.int64), room(height, width)
    numbers = areas[0]
    find_runs(plane, plane.view(np.uint64), width, starts, runs[0])
    join(starts, runs[0], 1)
    table = np.empty((starts[-1], 7), np.int64)
    return Blobs(starts, runs[0], numbers, table[: describe(starts, runs[0], numbers, table)])
