"""Tell a dim thing from a shadow by what could cast it.

A shadow has the thing that casts it near (Sanin, Sanderson and Lovell, "Shadow detection: A survey
and comparative evaluation of recent methods", Pattern Recognition 45, 2012, tell it by geometry
among others). What looks like one, but is several times as large as all foreground around it, is a
thing of the background's colour. Within a cell of the view's border its caster may be beyond it.

It is told on cells of some pixels, and only around shadow is anything looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from bgsub.kernels.lanes import LANES

PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
# Only reveal() calls these, so no way in from Python need be compiled, nor anything kept.
STEP: dict[str, Any] = {**PART, "no_cpython_wrapper": True}
NEAR = 15  # cells around a shadow in which its caster stands
FEWEST = 4  # cells: fewer are noise
ENOUGH = 4  # rows of a cell
MOST = 0.1  # of the picture in shadow: more is a change of light
SHADOW, FOREGROUND, FULL_LIGHT = 127, 255, 128
NOTHING, DIM, THING = 0, 1, 2  # what a cell holds; of a region that was looked at, nothing


@njit(**OPTIONS)
def reveal(labels, ratios, kept, hidden, side, casting):
    """Make foreground of the shadows that nothing in view can cast.

    Parameters
    ----------
    labels
        (height, width) uint8, 127 where there is shadow or light. Changed in place.
    ratios, kept
        As in `shade.Shadows`, of the same pixels. `kept` is changed in place.
    hidden
        (height, width) uint8, 0 where things are seen; or empty where they are everywhere.
    side
        Pixels along the side of a cell.
    casting
        A shadow has at least this share of its size in foreground near it.
    """
    rows, columns = labels.shape[0] // side, labels.shape[1] // side
    dim, held = np.zeros((2, rows + 2, columns + 2), np.int32)  # with one more cell around
    n, fullest, top, bottom, left, right = count_dim(labels, ratios, kept, side, dim)
    if n < FEWEST * side * side or n > MOST * labels.size or 2 * fullest < side * side:
        return  # it is noise, or the light, or only outlines
    reach = NEAR + 1
    first, last = max(top - reach, 0), min(bottom + reach, rows)
    begin, end = max(left - reach, 0), min(right + reach, columns)
    count_held(labels, side, first, last, begin, end, held)
    cells = np.zeros((rows, columns), np.uint8)
    judge(dim, held, side, first, last, begin, end, cells)
    stack = np.empty((2, rows * columns), np.int32)
    for j in range(max(top - 1, 0), min(bottom + 1, rows)):
        for i in range(max(left - 1, 0), min(right + 1, columns)):
            if cells[j, i] == DIM:
                n, alone = look_around(cells, j, i, stack, hidden, side, casting)
                if alone:
                    for m in range(n):
                        light_up(labels, ratios, kept, stack[0, m], stack[1, m], side)


@njit(**STEP)
def is_dim(label, ratio):
    """Whether a pixel is a shadow, not a light."""
    return label == SHADOW and 0 < ratio <= FULL_LIGHT


@njit(**STEP)
def count_dim(labels, ratios, kept, side, dim):
    """Count the pixels of shadow in each cell.

    Returns how many there are, the most in a cell, and the rows and columns of cells with any.
    """
    width = labels.shape[1]
    rows, columns = dim.shape[0] - 2, dim.shape[1] - 2
    n, fullest, top, bottom, left, right = 0, 0, rows, 0, columns, 0
    row = labels.reshape(-1)
    for t in range(kept.size):
        if kept[t] == 0:
            continue
        y, x = t * LANES // width, t * LANES % width
        j, i = y // side, x // side
        after = (i + 1) * side  # counted along, for divisions take longer than all the rest
        at, bits = t * LANES, kept[t]
        while bits:
            if bits & 1 and is_dim(row[at], ratios[at]) and j < rows and i < columns:
                dim[j + 1, i + 1] += 1
                n += 1
                fullest = max(fullest, dim[j + 1, i + 1])
                top, bottom = min(top, j), max(bottom, j + 1)
                left, right = min(left, i), max(right, i + 1)
            bits >>= 1
            at, x = at + 1, x + 1
            if x == width:
                y, x, i, after = y + 1, 0, 0, side
                j = y // side
            elif x == after:
                i, after = i + 1, after + side
    return n, fullest, top, bottom, left, right


@njit(**STEP)
def count_held(labels, side, first, last, begin, end, held):
    """Count the pixels of foreground in each cell of these rows and columns.

    Of a large cell not all rows are looked at.
    """
    sums = np.empty((end - begin) * side, np.uint16)
    every = max(side // ENOUGH, 1)
    looked = (side + every - 1) // every
    for j in range(first, last):
        for x in range(sums.size):  # assigning a slice would take three seconds to compile
            sums[x] = 0
        for y in range(j * side, (j + 1) * side, every):
            row = labels[y, begin * side : end * side]
            for x in range(sums.size):
                sums[x] += row[x] >> 7  # of the labels only FOREGROUND's is that high
        at = np.uint64(0)  # counted without a sign, for numba takes care of negative ones
        for i in range(begin, end):
            total = 0
            for _ in range(side):
                total += sums[at]
                at += np.uint64(1)
            held[j + 1, i + 1] = total * side // looked


@njit(**STEP)
def judge(dim, held, side, first, last, begin, end, cells):
    """Set what cells of these rows and columns hold: what most of the 3x3 around them do."""
    half = 9 * side * side / 2
    shades, things = np.empty((2, cells.shape[1] + 2), np.int32)
    for j in range(first, last):
        for i in range(begin, end + 2):
            shades[i] = dim[j, i] + dim[j + 1, i] + dim[j + 2, i]
            things[i] = held[j, i] + held[j + 1, i] + held[j + 2, i]
        for i in range(begin, end):
            own = things[i] + things[i + 1] + things[i + 2]
            if own > half:
                cells[j, i] = THING
            elif own + shades[i] + shades[i + 1] + shades[i + 2] > half:
                cells[j, i] = DIM


@njit(**STEP)
def look_around(cells, j, i, stack, hidden, side, casting):
    """Collect the region of DIM cells around one in `stack`, and wipe it.

    Returns how many cells it has, and whether nothing can cast it.
    """
    rows, columns = cells.shape
    stack[0, 0], stack[1, 0], n, done, open_ = j, i, 1, 0, True
    cells[j, i] = NOTHING
    top, bottom, left, right = j, j + 1, i, i + 1
    while done < n:
        y, x = stack[0, done], stack[1, done]
        done += 1
        top, bottom, left, right = min(top, y), max(bottom, y + 1), min(left, x), max(right, x + 1)
        if hidden.size:
            open_ &= not is_near_hidden(hidden, y, x, side)
        for other in range(max(y - 1, 0), min(y + 2, rows)):
            for across in range(max(x - 1, 0), min(x + 2, columns)):
                if cells[other, across] == DIM:
                    cells[other, across] = NOTHING
                    stack[0, n], stack[1, n] = other, across
                    n += 1
    open_ &= top > 1 and left > 1 and bottom < rows - 1 and right < columns - 1
    if not open_ or n < FEWEST:
        return n, False
    near = 0
    for y in range(max(top - NEAR, 0), min(bottom + NEAR, rows)):
        for x in range(max(left - NEAR, 0), min(right + NEAR, columns)):
            near += cells[y, x] == THING
        if near >= casting * n:
            return n, False
    return n, True


@njit(**STEP)
def is_near_hidden(hidden, j, i, side):
    """Whether any pixel of the 3x3 cells around one is hidden."""
    for y in range(max(j - 1, 0) * side, min((j + 2) * side, hidden.shape[0])):
        for x in range(max(i - 1, 0) * side, min((i + 2) * side, hidden.shape[1])):
            if hidden[y, x]:
                return True
    return False


@njit(**STEP)
def light_up(labels, ratios, kept, j, i, side):
    """Make foreground of the shadow in the 3x3 cells around one that is not at the border."""
    width = labels.shape[1]
    for y in range((j - 1) * side, (j + 2) * side):
        for x in range((i - 1) * side, (i + 2) * side):
            at = y * width + x
            if is_dim(labels[y, x], ratios[at]):
                labels[y, x] = FOREGROUND
                kept[at // LANES] &= ~np.uint32(1 << (at % LANES))
