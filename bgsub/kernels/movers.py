"""Where things moved in the last masks, and where there are ghosts: bits of a byte for each pixel.

NOW and BEFORE are set near what moved in the last mask and in the one before, GHOST on a ghost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Nothing compiled makes an array, and references that are not counted cost nothing on every row.
PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
    "_nrt": False,
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
# Only a kernel calls these, so no way in from Python need be compiled, nor anything kept.
STEP: dict[str, Any] = {**PART, "no_cpython_wrapper": True}
NOW, BEFORE, GHOST = 1, 2, 4
NOTHING, FULL = np.uint8(0), np.uint8(255)  # the compiler takes bare numbers for wider ones


def remember(mask: NDArray[np.uint8], moving: NDArray[np.uint8], reach: int) -> None:
    """Move NOW to BEFORE, keep GHOST where `mask` is 255, and set NOW near what else is 255.

    Parameters
    ----------
    mask
        (height, width) uint8 labels.
    moving
        (height, width) uint8 bits. Changed in place.
    reach
        Pixels, across and down, within which a pixel is near.
    """
    width = mask.shape[1]
    note(mask, moving, reach, np.zeros(width + 2 * reach, np.uint8), np.empty(width, np.uint8))


@njit(**OPTIONS)
def note(mask, moving, reach, row, near):
    """See remember(). `row` and `near` are room; the first has `reach` zeros on either side."""
    height, width = mask.shape
    movers = row[reach : reach + width]
    # Bits of rows below are moved on before a row above sets NOW there.
    for y in range(-reach, height):
        ahead = y + reach
        if ahead < height:
            move_on(mask[ahead], moving[ahead])
        if y >= 0 and spread(mask[y], moving[y], movers):
            for x in range(width):  # assigning a slice would take three seconds to compile
                near[x] = row[x]
            for step in range(1, 2 * reach + 1):
                join(near, row[step : step + width])
            for other in range(max(y - reach, 0), min(y + reach + 1, height)):
                mark(near, moving[other])


@njit(**STEP)
def move_on(labels, bits):
    """Move NOW to BEFORE, and keep GHOST where labels are 255, in a row."""
    for x in range(labels.size):
        foreground = FULL if labels[x] == FULL else NOTHING
        bits[x] = ((bits[x] & NOW) << 1) | np.uint8(bits[x] & foreground & GHOST)


@njit(**STEP)
def spread(labels, bits, movers):
    """Fill `movers` with 255 where labels are, but for ghosts; whether there are any."""
    some = NOTHING
    for x in range(labels.size):
        foreground = FULL if labels[x] == FULL else NOTHING
        movers[x] = NOTHING if bits[x] & GHOST else foreground
        some = np.uint8(some | movers[x])
    return some > 0


@njit(**STEP)
def join(near, other):
    """Set in `near` what is set in another row."""
    for x in range(near.size):
        near[x] |= other[x]


@njit(**STEP)
def mark(near, bits):
    """Set NOW where `near` is 255, in a row."""
    for x in range(near.size):
        bits[x] |= near[x] & NOW
