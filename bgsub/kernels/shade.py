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
def confirm(labels, ratios, candidates, uneven, few, out):
    """Turn 127 into 255 in `out`, a copy of labels, where no smooth shadow is.

    `candidates` are the flat indices of the pixels with 127. Among the pixels around each, more
    than the share `few` must be labelled 127 too, and the spread of their ratios, as a share of
    their mean, must not exceed `uneven`.
    """
    height, width = labels.shape
    limit = uneven * uneven
    for at in candidates:
        y, x = at // width, at % width
        n, total, squares = np.int64(0), np.int64(0), np.int64(0)
        if REACH <= y < height - REACH and REACH <= x < width - REACH:
            size = (2 * REACH + 1) * (2 * REACH + 1)
            for j in range(-REACH, REACH + 1):  # a fixed number of times: written out
                for i in range(-REACH, REACH + 1):
                    value = ratios[y + j, x + i] * np.int64(labels[y + j, x + i] == 127)
                    n += np.int64(labels[y + j, x + i] == 127)
                    total += value
                    squares += value * value
        else:
            top, bottom = max(y - REACH, 0), min(y + REACH + 1, height)
            left, right = max(x - REACH, 0), min(x + REACH + 1, width)
            size = (bottom - top) * (right - left)
            for j in range(top, bottom):
                for i in range(left, right):
                    value = ratios[j, i] * np.int64(labels[j, i] == 127)
                    n += np.int64(labels[j, i] == 127)
                    total += value
                    squares += value * value
        spread = n * squares - total * total > limit * total * total
        if spread or n <= few * size:
            out[y, x] = 255
