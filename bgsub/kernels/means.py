"""Mean of each square block of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# No array is made here, and references that are not counted cost nothing on every row.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
    "_nrt": False,
}
SUMS = {"uint8": np.uint16, "uint16": np.uint32, "float32": np.float32}
ROWS = 8  # of a block that are looked at, at least, where it has as many


def block_means(image: NDArray[Any], side: int) -> NDArray[np.float32]:
    """Means over all channels of the blocks of `side` pixels; of large ones, of some of their rows.

    Parameters
    ----------
    image
        (rows, columns[, channels]) uint8, uint16 or float32, C-contiguous. What is left beside the
        last whole blocks is not looked at.
    """
    rows = image.reshape(len(image), -1)
    means = np.empty((image.shape[0] // side, image.shape[1] // side), np.float32)
    sums = np.empty(rows.shape[1], SUMS[image.dtype.name])
    average(rows, side, rows.shape[1] // image.shape[1], max(1, side // ROWS), sums, means)
    return means


@njit(**OPTIONS)
def average(rows, side, channels, step, sums, means):
    """Fill `means` from each `step`-th row of its blocks; `sums` is room for a row."""
    height, width = means.shape
    wide = side * channels
    share = np.float32(1 / (wide * ((side + step - 1) // step)))
    sums[0] = 0
    none = sums[0] * 0  # a whole number, or a float
    for i in range(height):
        for x in range(sums.size):
            sums[x] = 0
        for y in range(i * side, (i + 1) * side, step):
            row = rows[y]
            for x in range(sums.size):
                sums[x] += row[x]
        at = np.uint64(0)  # counted without a sign, for numba takes care of negative ones
        for j in range(width):
            total = none
            for _ in range(wide):
                total += sums[at]
                at += np.uint64(1)
            means[i, j] = share * np.float32(total)
