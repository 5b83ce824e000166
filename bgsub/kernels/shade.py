"""Judge whether what looks like a shadow is as smooth as one.

Cucchiara et al. (PAMI 25, 2003) and Prati et al. (PAMI 25, 2003) tell shadows by brightness and
colour; a shadow also keeps the texture below it (Leone and Distante, Pattern Recognition 40, 2007):
the ratio of picture and background hardly changes from pixel to pixel, while on a thing it does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
REACH = 2  # pixels around a pixel in which its ratio is compared


@njit(**OPTIONS)
def confirm(labels, ratios, uneven):
    """Turn 127 into 255 where the ratio's spread, as a share of its mean, exceeds `uneven`."""
    height, width = labels.shape
    limit = uneven * uneven
    for y in range(height):
        top, bottom = max(y - REACH, 0), min(y + REACH + 1, height)
        for x in range(width):
            if labels[y, x] != 127:
                continue
            left, right = max(x - REACH, 0), min(x + REACH + 1, width)
            total, squares = np.int64(0), np.int64(0)
            for j in range(top, bottom):
                for i in range(left, right):
                    value = np.int64(ratios[j, i])
                    total += value
                    squares += value * value
            n = (bottom - top) * (right - left)
            if n * squares - total * total > limit * total * total:
                labels[y, x] = 255
