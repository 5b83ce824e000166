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

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
REACH = 2  # cells around a cell that are compared
SIDE = 2 * REACH + 1
CONTRAST = 12.0  # squared grey levels; a flatter background has no texture to keep
OTHER_CONTRAST = 1.6  # times as much contrast as the brightness explains, or as little, is a thing


SET = np.uint64(0x8080808080808080)  # bits that only labels of 255 have, in eight labels
UNKNOWN, ALIKE, OTHER = 0, 1, 2


@njit(**OPTIONS)
def forgive(labels, kept, shown, learnt, top, side, correlation, label):
    """Give `label` to what is 255 in `labels`, and set its bits in `kept`, where texture is kept.

    Parameters
    ----------
    labels
        (height, width) uint8, contiguous. Changed in place.
    kept
        For each tile one bit a pixel, as in `shade.Shadows`. Changed in place.
    shown, learnt
        Mean luma of the cells of picture and background, (rows, columns) uint8, 5 of each at least.
    top
        Row of the picture at which their first row begins; above it nothing is 255.
    side
        Pixels along the side of a cell.
    correlation
        Least correlation of the 5x5 cells around a cell, or, near the border, of the next that fit.
    label
        What it is given.
    """
    width = labels.shape[1]
    row = labels.reshape(-1)
    eights = row[: row.size // 8 * 8].view(np.uint64)
    judged = np.zeros(shown.shape, np.uint8)
    for n in range(top * width // 8, -(-row.size // 8)):
        if n < eights.size and eights[n] & SET == 0:
            continue
        for at in range(8 * n, min(8 * n + 8, row.size)):
            if row[at] == 255:
                y = min((at // width - top) // side, shown.shape[0] - 1)
                x = min(at % width // side, shown.shape[1] - 1)
                if judged[y, x] == UNKNOWN:
                    judged[y, x] = ALIKE if is_alike(shown, learnt, y, x, correlation) else OTHER
                if judged[y, x] == ALIKE:
                    row[at] = label
                    kept[at // LANES] |= np.uint32(1 << (at % LANES))


@njit(**OPTIONS)
def is_alike(shown, learnt, row, column, correlation):
    """Whether picture and background have the same texture around a cell."""
    # Near the border the window is moved inside: loops of a fixed length are written out.
    top = min(max(row - REACH, 0), shown.shape[0] - SIDE)
    left = min(max(column - REACH, 0), shown.shape[1] - SIDE)
    a, b, aa, bb, ab = np.int32(0), np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for j in range(SIDE):
        for i in range(SIDE):
            one, two = np.int32(shown[top + j, left + i]), np.int32(learnt[top + j, left + i])
            a += one
            b += two
            aa += one * one
            bb += two * two
            ab += one * two
    n = np.float32(SIDE * SIDE)
    p, q = np.float32(a) / n, np.float32(b) / n
    pp = np.float32(aa) / n - p * p
    qq = np.float32(bb) / n - q * q
    pq = np.float32(ab) / n - p * q
    if qq < CONTRAST or pp < CONTRAST / 2 or pq <= 0:
        return False
    # Contrasts compared by cross-multiplied squares: the brightness of either may be 0.
    more, less = pp * q * q, qq * p * p
    wide = OTHER_CONTRAST * OTHER_CONTRAST
    alike = more < wide * less and less < wide * more
    return alike and pq * pq > correlation * correlation * pp * qq
