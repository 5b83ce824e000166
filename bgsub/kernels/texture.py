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
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}
BLOCK = 2  # cells along the side of a square that is judged at once
REACH = 2  # cells around it that are compared too
SIDE = BLOCK + 2 * REACH
FEWEST = 24  # cells that can be compared
CONTRAST = 12.0  # squared grey levels; a flatter background has no texture to keep
OTHER_CONTRAST = 1.6  # times as much contrast as the brightness explains, or as little, is a thing


SET = np.uint64(0x8080808080808080)  # bits that only labels of 255 have, in eight labels
UNKNOWN, ALIKE, OTHER = 0, 1, 2


@njit(**OPTIONS)
def forgive(labels, kept, shown, learnt, held, top, side, correlation, label):
    """Give `label` to what is 255 in `labels`, and set its bits in `kept`, where texture is kept.

    Parameters
    ----------
    labels
        (height, width) uint8, contiguous. Changed in place.
    kept
        For each tile one bit a pixel, as in `shade.Shadows`. Changed in place.
    shown, learnt
        Mean luma of the cells of picture and background, (rows, columns) float32 of whole numbers,
        6 of each at least.
    held
        (rows, columns) float32, 1 for cells that hold foreground, else 0: only they are compared,
        so that a small thing is not taken for the texture around it.
    top
        Row of the picture at which their first row begins; above it nothing is 255.
    side
        Pixels along the side of a cell.
    correlation
        Least correlation of the 6x6 cells around 2x2, or, near the border, of the next that fit.
    label
        What it is given.
    """
    width = labels.shape[1]
    row = labels.reshape(-1)
    eights = row[: row.size // 8 * 8].view(np.uint64)
    rows, columns = -(-shown.shape[0] // BLOCK), -(-shown.shape[1] // BLOCK)
    square = side * BLOCK
    judged = np.zeros((rows, columns), np.uint8)
    for n in range(top * width // 8, -(-row.size // 8)):
        if n < eights.size and eights[n] & SET == 0:
            continue
        down, right = 8 * n // width, 8 * n % width
        for at in range(8 * n, min(8 * n + 8, row.size)):
            if right >= width:
                down, right = down + right // width, right % width
            if row[at] == 255:
                y = min((down - top) // square, rows - 1)
                x = min(right // square, columns - 1)
                if judged[y, x] == UNKNOWN:
                    judged[y, x] = (
                        ALIKE if is_alike(shown, learnt, held, y, x, correlation) else OTHER
                    )
                if judged[y, x] == ALIKE:
                    row[at] = label
                    kept[at // LANES] |= np.uint32(1 << (at % LANES))
            right += 1


@njit(**OPTIONS)
def is_alike(shown, learnt, held, row, column, correlation):
    """Whether picture and background have the same texture around a square of cells."""
    # Near the border the window is moved inside: loops of a fixed length are written out.
    top = min(max(row * BLOCK - REACH, 0), shown.shape[0] - SIDE)
    left = min(max(column * BLOCK - REACH, 0), shown.shape[1] - SIDE)
    n, b, bb = np.float32(0), np.float32(0), np.float32(0)
    for j in range(SIDE):
        for i in range(SIDE):
            w, two = held[top + j, left + i], learnt[top + j, left + i]
            n += w
            b += w * two
            bb += w * two * two
    if n < FEWEST:
        return False
    q = b / n
    qq = bb / n - q * q
    if qq < CONTRAST:
        return False
    a, aa, ab = np.float32(0), np.float32(0), np.float32(0)
    for j in range(SIDE):
        for i in range(SIDE):
            w, one = held[top + j, left + i], shown[top + j, left + i]
            a += w * one
            aa += w * one * one
            ab += w * one * learnt[top + j, left + i]
    p = a / n
    pp = aa / n - p * p
    pq = ab / n - p * q
    if pp < CONTRAST / 2 or pq <= 0:
        return False
    # Contrasts compared by cross-multiplied squares: the brightness of either may be 0.
    more, less = pp * q * q, qq * p * p
    wide = OTHER_CONTRAST * OTHER_CONTRAST
    alike = more < wide * less and less < wide * more
    return alike and pq * pq > correlation * correlation * pp * qq
