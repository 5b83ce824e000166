"""Refine the shift between two small pictures to a part of a pixel.

Lucas and Kanade, "An iterative image registration technique with an application to stereo vision",
IJCAI 1981: the shift that leaves the least difference, by steps along the gradient. What differs
much is weighed little (Geman and McClure, 1987), because it may be a thing that moves by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
STEPS = 3
AT_MOST = 1.0  # pixels a step
ONE_WAY = 1e-3  # share of the gradients' trace below which all edges run one way


@njit(**OPTIONS)
def refine(picture, target, dx, dy, every):
    """The shift (dx, dy) of `picture` against `target`, pixels, from a guess of it.

    Both are (height, width) float32 whose means do not matter: picture(x, y) is about
    target(x - dx, y - dy). Every so many rows and columns are looked at.
    """
    height, width = target.shape
    usual = np.float32(0)
    for step in range(STEPS):
        left, top = int(np.floor(dx)), int(np.floor(dy))
        x_part, y_part = np.float32(dx - left), np.float32(dy - top)
        xx = xy = yy = x_off = y_off = total = 0.0
        n = 0
        for y in range(max(1, -top), min(height - 1, height - 1 - top), every):
            for x in range(max(1, -left), min(width - 1, width - 1 - left), every):
                v, u = y + top, x + left
                above = picture[v, u] + x_part * (picture[v, u + 1] - picture[v, u])
                below = picture[v + 1, u] + x_part * (picture[v + 1, u + 1] - picture[v + 1, u])
                off = above + y_part * (below - above) - target[y, x]
                total += abs(off)
                n += 1
                right = (target[y, x + 1] - target[y, x - 1]) * np.float32(0.5)
                down = (target[y + 1, x] - target[y - 1, x]) * np.float32(0.5)
                weight = np.float32(1)
                if step > 0:
                    weight /= np.float32(1) + (off / usual) ** 2
                    weight *= weight
                xx += weight * right * right
                xy += weight * right * down
                yy += weight * down * down
                x_off += weight * right * off
                y_off += weight * down * off
        det = xx * yy - xy * xy
        if n == 0 or det <= ONE_WAY * (xx + yy) ** 2:
            break
        usual = np.float32(1.5 * total / n + 1)
        x_step, y_step = (yy * x_off - xy * y_off) / det, (xx * y_off - xy * x_off) / det
        dx -= min(max(x_step, -AT_MOST), AT_MOST)
        dy -= min(max(y_step, -AT_MOST), AT_MOST)
    return dx, dy
