"""Judge whether what differs from the background is the background in another light.

Light changes how bright a surface is and leaves its texture: picture and background then correlate
(Jacques, Jung and Musse, "Background subtraction and shadow detection in grayscale video
sequences", SIBGRAPI 2005; Tian, Lu and Hampapur, "Robust and efficient foreground analysis for
real-time video surveillance", CVPR 2005), and their contrasts are as their brightnesses are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from bgsub.kernels.lanes import LANES

# Sums of a window's whole grey levels and their squares are exact in float32, in whatever order.
PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
    "no_cfunc_wrapper": True,  # compiles sooner
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
# Only kernels call these, so no way in from Python need be compiled, nor anything kept.
STEP: dict[str, Any] = {**PART, "no_cpython_wrapper": True, "_nrt": False}
BLOCK = 2  # cells along the side of a square that is judged at once
REACH = 2  # cells around it that are compared too
SIDE = BLOCK + 2 * REACH
FEWEST = 24  # cells that can be compared
CONTRAST = 12.0  # squared grey levels; a flatter background has no texture to keep
OTHER_CONTRAST = 1.6  # times as much contrast as the brightness explains, or as little, is a thing
SMOOTH = 0.06  # of the brightness by which light may change from one square to the next
ENOUGH = 0.1  # of the squares of a surface that must keep a texture for it to be only lit
OTHER, FLAT, ALIKE = 0, 1, 2


@njit(**OPTIONS)
def held_cells(labels, side, held):
    """Set `held` to 1 for cells whose mean label is more than a half of 255, else to 0.

    Parameters
    ----------
    labels
        (height, width) uint8.
    side
        Pixels along the side of a cell.
    held
        (rows, columns) float32. Written.
    """
    rows, columns = held.shape
    sums = np.empty(columns * side, np.uint32)
    half = np.uint32((255 * side * side + 1) // 2)
    for j in range(rows):
        for x in range(sums.size):
            sums[x] = 0
        for y in range(j * side, (j + 1) * side):
            row = labels[y]
            for x in range(sums.size):
                sums[x] += row[x]
        most = np.uint32(0)
        for x in range(sums.size):
            most = max(most, sums[x])
        for i in range(columns):
            part = np.uint32(0)
            if most:
                for x in range(side):
                    part += sums[i * side + x]
            held[j, i] = np.float32(1) if part >= half else np.float32(0)


@njit(**STEP)
def corner(block, cells):
    """First cell, along one side, of the window that is compared around a square."""
    # Near the border the window is moved inside: loops of a fixed length are written out.
    return min(max(block * BLOCK - REACH, 0), cells - SIDE)


@njit(**OPTIONS)
def comparable(held, blocks):
    """Set in `blocks` the squares of 2x2 cells around which FEWEST cells are held; whether any is.

    Parameters
    ----------
    held
        (rows, columns) float32 of 0 and 1, SIDE of each at least.
    blocks
        (rows, columns) uint8, half as many as the cells, rounded up. Written.
    """
    found = 0
    down = np.empty(held.shape[1], np.float32)
    for j in range(blocks.shape[0]):
        top = corner(j, held.shape[0])
        for x in range(down.size):
            down[x] = 0
        for y in range(top, top + SIDE):
            row = held[y]
            for x in range(down.size):
                down[x] += row[x]
        for i in range(blocks.shape[1]):
            left, total = corner(i, held.shape[1]), np.float32(0)
            for x in range(SIDE):
                total += down[left + x]
            blocks[j, i] = total >= FEWEST
            found += blocks[j, i]
    return found > 0


@njit(**OPTIONS)
def compared(blocks, side, width, cells, tiles):
    """Set what is compared for the sake of `blocks`: cells, and tiles that hold them.

    Parameters
    ----------
    blocks
        What comparable() set.
    side
        Pixels along the side of a cell.
    width
        Of the picture.
    cells
        (rows, columns) uint8, SIDE of each at least, zeros. Written.
    tiles
        uint8 for each tile of the picture, zeros. Written.
    """
    for j in range(blocks.shape[0]):
        for i in range(blocks.shape[1]):
            if blocks[j, i]:
                top, left = corner(j, cells.shape[0]), corner(i, cells.shape[1])
                cells[top : top + SIDE, left : left + SIDE] = 1
    for j in range(cells.shape[0]):
        first = 0
        for i in range(cells.shape[1] + 1):
            if i < cells.shape[1] and cells[j, i]:
                continue
            if first < i:
                for y in range(j * side, (j + 1) * side):
                    begin, end = y * width + first * side, y * width + i * side
                    tiles[begin // LANES : (end - 1) // LANES + 1] = 1
            first = i + 1


@njit(**OPTIONS)
def cell_levels(rows, side, step, factors, offset, cells, sums, levels):
    """Fill `levels` with the whole grey levels of the cells that are set.

    Parameters
    ----------
    rows
        (height, width * channels).
    side
        Pixels along the side of a cell.
    step
        Distance of the rows that are looked at.
    factors, offset
        float32, one for each channel, and one; the level of a pixel is the sum of its channels
        times the factors, and the offset.
    cells
        What compared() set.
    sums
        Room for a row, of a type that holds the sum of `side` pixels.
    levels
        float32, as many as `cells`, 0 to 255. Written where `cells` is set.
    """
    channels = factors.size
    wide = side * channels
    share = np.float32(1 / (side * ((side + step - 1) // step)))
    for j in range(cells.shape[0]):
        first, last = cells.shape[1], 0
        for i in range(cells.shape[1]):
            if cells[j, i]:
                first, last = min(first, i), i + 1
        if first >= last:
            continue
        # Slices that start at 0 need no care for negative places, and so become vectors.
        total = sums[: (last - first) * wide]
        total[:] = 0
        for y in range(j * side, (j + 1) * side, step):
            row = rows[y, first * wide : last * wide]
            for x in range(total.size):
                total[x] += row[x]
        for i in range(first, last):
            if cells[j, i]:
                level, begin = np.float32(0), (i - first) * wide
                for c in range(channels):
                    part = 0
                    for x in range(side):
                        part += total[begin + x * channels + c]
                    level += factors[c] * np.float32(part)
                level = level * share + offset
                levels[j, i] = np.rint(min(max(level, np.float32(0)), np.float32(255)))


@njit(**OPTIONS)
def forgive(labels, kept, blocks, shown, learnt, held, side, correlation, label):
    """Give `label` to what is 255 in `labels`, and set its bits in `kept`, where texture is kept.

    A flat surface has none to keep: it goes with what it is connected to, if it changed as much.

    Parameters
    ----------
    labels
        (height, width) uint8, contiguous. Changed in place.
    kept
        For each tile one bit a pixel, as in `shade.Shadows`. Changed in place.
    blocks
        What comparable() set: only there is anything changed.
    shown, learnt
        Mean luma of the cells of picture and background, (rows, columns) float32 of whole numbers,
        6 of each at least.
    held
        (rows, columns) float32, 1 for cells that hold foreground, else 0: only they are compared,
        so that a small thing is not taken for the texture around it.
    side
        Pixels along the side of a cell.
    correlation
        Least correlation of the 6x6 cells around 2x2, or, near the border, of the next that fit.
    label
        What it is given.
    """
    height, width = labels.shape
    rows, columns = blocks.shape
    square = side * BLOCK
    kinds, ratios = np.zeros(blocks.shape, np.uint8), np.zeros(blocks.shape, np.float32)
    for j in range(rows):
        for i in range(columns):
            if blocks[j, i]:
                kinds[j, i], ratios[j, i] = judged(shown, learnt, held, j, i, correlation)
    join_flat(kinds, ratios)
    for j in range(rows):
        for i in range(columns):
            if kinds[j, i] == ALIKE:
                for y in range(j * square, height if j == rows - 1 else (j + 1) * square):
                    for x in range(i * square, width if i == columns - 1 else (i + 1) * square):
                        if labels[y, x] == 255:
                            labels[y, x] = label
                            at = y * width + x
                            kept[at // LANES] |= np.uint32(1 << (at % LANES))


@njit(**STEP)
def judged(shown, learnt, held, row, column, correlation):
    """Whether picture and background are ALIKE in texture around a square of cells, FLAT, or OTHER.

    The second number is how many times as bright the picture is.
    """
    top, left = corner(row, shown.shape[0]), corner(column, shown.shape[1])
    n, a, b = np.float32(0), np.float32(0), np.float32(0)
    aa, bb, ab = np.float32(0), np.float32(0), np.float32(0)
    for j in range(SIDE):
        for i in range(SIDE):
            w, one, two = (
                held[top + j, left + i],
                shown[top + j, left + i],
                learnt[top + j, left + i],
            )
            n += w
            a += w * one
            b += w * two
            aa += w * one * one
            bb += w * two * two
            ab += w * one * two
    p, q = a / n, b / n
    pp, qq, pq = aa / n - p * p, bb / n - q * q, ab / n - p * q
    ratio = p / max(q, np.float32(1))
    if qq < CONTRAST:
        most = CONTRAST * OTHER_CONTRAST * max(ratio * ratio, np.float32(1))
        return (FLAT if pp < most else OTHER), ratio
    if pp < CONTRAST / 2 or pq <= 0:
        return OTHER, ratio
    # Contrasts compared by cross-multiplied squares: the brightness of either may be 0.
    more, less = pp * q * q, qq * p * p
    wide = OTHER_CONTRAST * OTHER_CONTRAST
    alike = more < wide * less and less < wide * more
    return (ALIKE if alike and pq * pq > correlation * correlation * pp * qq else OTHER), ratio


@njit(**OPTIONS)
def join_flat(kinds, ratios):
    """Make FLAT squares ALIKE where steps of similar ratios lead to enough that are alike.

    Parameters
    ----------
    kinds
        (rows, columns) uint8 of OTHER, FLAT and ALIKE. Changed in place.
    ratios
        (rows, columns) float32, how many times as bright each is.
    """
    rows, columns = kinds.shape
    seen = np.zeros(kinds.shape, np.uint8)
    part = np.empty((kinds.size, 2), np.int32)
    for start in range(kinds.size):
        top, left = start // columns, start % columns
        if kinds[top, left] != ALIKE or seen[top, left]:
            continue
        part[0, 0], part[0, 1] = top, left
        seen[top, left] = 1
        size, at, alike = 1, 0, 0
        while at < size:
            j, i = part[at, 0], part[at, 1]
            at += 1
            alike += kinds[j, i] == ALIKE
            for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                y, x = j + down, i + right
                if 0 <= y < rows and 0 <= x < columns and kinds[y, x] != OTHER and not seen[y, x]:
                    step = abs(ratios[y, x] - ratios[j, i])
                    if step < SMOOTH * ratios[j, i]:
                        seen[y, x] = 1
                        part[size, 0], part[size, 1] = y, x
                        size += 1
        if alike >= ENOUGH * size:
            for n in range(size):
                kinds[part[n, 0], part[n, 1]] = ALIKE
