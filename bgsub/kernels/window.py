"""Look at the labels in a square window around every pixel, where there are any.

Each column keeps the count of its set pixels among the window's rows, which slide down the picture.
Along a row, two windows of n pixels make one of 2n, so a window of any side takes few additions,
each of them for many pixels at once. Most of a mask is empty: blocks of a row with no label in
reach are passed over.

A plane is a picture whose rows are filled up with 0 to whole blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bgsub.kernels.lanes import LANES, anywhere, bits, filled, load, select, store

# Nothing here makes an array, and references that are not counted cost nothing on every row.
PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
    "_nrt": False,
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
# Only kernels call these, so no way in from Python need be compiled, nor anything kept.
STEP: dict[str, Any] = {**PART, "forceinline": True, "no_cpython_wrapper": True}
BLOCK = 128  # pixels of a row that are looked at together
WORDS = BLOCK // 8


def padded(width: int) -> int:
    """Pixels in a row of a plane."""
    return -(-width // BLOCK) * BLOCK


def plane(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask as a plane."""
    filled_up = np.zeros((mask.shape[0], padded(mask.shape[1])), np.uint8)
    filled_up[:, : mask.shape[1]] = mask
    return filled_up


class Window:
    """Looks through a window at pictures of one size, with room for it that is used again.

    Parameters
    ----------
    size
        (height, width) in pixels.
    side
        Of the window in pixels, odd; beyond the picture it holds nothing.

    `labels` is the plane to look at, `found` the plane that look() fills; both (height, row).
    `sure` and `weak` have a bit for each of its pixels, (height, row / LANES) uint32.
    """

    def __init__(self, size: tuple[int, ...], side: int) -> None:
        height, self.width = size
        row, self.side, largest = padded(self.width), side, side * side
        self.labels, self.found = np.zeros((2, height, row), np.uint8)
        self.sure, self.weak = np.zeros((2, height, row // LANES), np.uint32)
        kind: Any = np.uint8 if largest < 256 else np.uint16 if largest < 65536 else np.int32
        self._columns = np.empty((7, row + 2 * side + BLOCK), kind)
        self._blocks = np.empty((height + 1, row // BLOCK), np.int32)

    def look(self, share: float, least: int, shade: int = 0, weak_share: float = 1.0) -> None:
        """Find 255 where more than `share` of the window's labels are at least `least`, else 0.

        With `shade` above 0 it takes the place of 0 where it is among `labels` and more than
        `share` of the window's labels are not 0.

        With a `weak_share` below 1 `sure` is set where `found` is 255, and `weak` where more than
        that share of the window's labels are at least `least`, and more than twice as many of
        them as of other labels that are not 0.
        """
        self._columns.fill(0)
        self._blocks.fill(0)
        look(
            self.labels.reshape(-1),
            self.labels.view(np.uint64),
            self.width,
            self.side,
            share,
            least,
            shade,
            weak_share,
            self._columns,
            self._blocks,
            self.found.reshape(-1),
            self.sure.reshape(-1),
            self.weak.reshape(-1),
        )


@njit(**STEP)
def count(columns, at, labels, first, least, step):
    """Add `step` to the columns from `at` on where the block's labels are at least `least`."""
    for x in range(0, BLOCK, LANES):
        before = load(columns, at + x)
        set_here = load(labels, first + x) >= least
        store(columns, at + x, before + select(set_here, filled(step, before), filled(0, before)))


@njit(**STEP)
def add_up(columns, side, first, last, sums, other):
    """Fill `sums` with the sums of `side` columns from each of first..last-1 on."""
    width, bit, steps = 1, 1, 0
    while bit * 2 <= side:
        bit *= 2
        steps += 1
    if steps == 0:
        for x in range(first, last, LANES):
            store(sums, x, load(columns, x))
    if steps % 2 == 0:
        sums, other = other, sums  # so that the last step fills it
    before = columns
    while bit > 1:
        bit //= 2
        end = last + side - 2 * width
        if side & bit:
            for x in range(first, end, LANES):
                pair = load(before, x) + load(before, x + width)
                store(sums, x, pair + load(columns, x + 2 * width))
            width = 2 * width + 1
        else:
            for x in range(first, end, LANES):
                store(sums, x, load(before, x) + load(before, x + width))
            width = 2 * width
        before = sums
        sums, other = other, sums


@njit(**STEP)
def differ(one, two, first, last):
    """Whether one[first:last] is not two[first:last]."""
    found = load(one, first) != load(two, first)
    for x in range(first + LANES, last, LANES):
        found = found | (load(one, x) != load(two, x))
    return anywhere(found)


@njit(**STEP)
def needed(need, rows, side, width, share):
    """Fill `need` with the labels that are no more than `share` of the window of each pixel."""
    half = side // 2
    need[:width] = np.int64(rows * side * share)
    need[width:] = side * side  # beyond the picture nothing is found
    for n in range(2 * half):  # near the border the window is what lies inside
        x = n if n < half else width - 1 - n + half
        if 0 <= x < width:
            inside = min(x + half, width - 1) - max(x - half, 0) + 1
            need[x] = np.int64(rows * inside * share)


@njit(**OPTIONS)
def look(
    labels, words, width, side, share, least, shade, weak_share, columns, blocks, out, sure, weak
):
    """See Window.look. Planes are flat, `words` the same labels, eight a number.

    `columns` and `blocks` are 0.
    """
    height, row = words.shape[0], words.shape[1] * 8
    half = side // 2
    own, either, need, sums, spare = columns[0], columns[1], columns[2], columns[3], columns[4]
    need_weak, own_sums, weakly = columns[5], columns[6], weak_share < 1
    near, n_blocks = blocks[height], blocks.shape[1]
    nothing = filled(0, load(labels, 0))
    least, any_label = np.uint8(least), np.uint8(1)
    rows = 0
    for y in range(height + half):
        if y < height:
            for block in range(n_blocks):
                some = words[y, block * WORDS]
                for n in range(1, WORDS):
                    some |= words[y, block * WORDS + n]
                blocks[y, block] = some != 0
        for step in (1, -1):  # a row comes, and one goes
            line = y if step == 1 else y - side
            if 0 <= line < height:
                for block in range(n_blocks):
                    if blocks[line, block]:
                        near[block] += step
                        at, first = half + block * BLOCK, line * row + block * BLOCK
                        count(own, at, labels, first, least, step)
                        if shade or weakly:
                            count(either, at, labels, first, any_label, step)
        if y < half:
            continue
        start = (y - half) * row
        seen = min(y, height - 1) - max(y - side + 1, 0) + 1
        if seen != rows:
            rows = seen
            needed(need, rows, side, width, share)
            if weakly:
                needed(need_weak, rows, side, width, weak_share)
        block = done = 0
        while done < row:
            while block < n_blocks and not near[block]:
                block += 1
            first = max((block * BLOCK - half) // LANES * LANES, done) if block < n_blocks else row
            for x in range(done, first, LANES):
                store(out, start + x, nothing)
                if weakly:
                    sure[(start + x) // LANES] = weak[(start + x) // LANES] = 0
            if first == row:
                break
            while block < n_blocks and near[block]:
                block += 1
            done = min((block * BLOCK + half + LANES - 1) // LANES * LANES, row)
            add_up(own, side, first, done, sums, spare)
            for x in range(first, done, LANES):
                mine = load(sums, x)
                more = mine > load(need, x)
                store(out, start + x, select(more, filled(255, nothing), nothing))
                if weakly:
                    sure[(start + x) // LANES] = bits(more)
                    weak[(start + x) // LANES] = bits(mine > load(need_weak, x))
                    store(own_sums, x, mine)
            if (shade or weakly) and differ(own, either, first, done + side):
                add_up(either, side, first, done, sums, spare)
                for x in range(first, done, LANES):
                    total, now = load(sums, x), load(out, start + x)
                    if shade:
                        mine = load(labels, start + x)
                        here = (mine == shade) & (total > load(need, x)) & (now == 0)
                        store(out, start + x, select(here, mine, now))
                    if weakly:
                        mine = load(own_sums, x)
                        shaded = total - mine
                        clear = (shaded < mine) & (shaded < mine - shaded)
                        weak[(start + x) // LANES] &= bits(clear)
