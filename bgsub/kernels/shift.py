"""Refine the shift between two small pictures to a part of a pixel, and find how one has grown.

Lucas and Kanade, "An iterative image registration technique with an application to stereo vision",
IJCAI 1981: the shift that leaves the least difference, by steps along the gradient. What differs
much is weighed little (Geman and McClure, 1987), because it may be a thing that moves by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Sums in any order, so that they go through vectors.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp", "reassoc"},
}
STEPS = 3
AT_MOST = 1.0  # pixels a step
ONE_WAY = 1e-3  # share of the gradients' trace below which all edges run one way


@njit(**OPTIONS)
def refine(picture, target, dx, dy, every):
    """The shift (dx, dy) of `picture` against `target`, pixels, from a guess of it.

    Both are (height, width) float32 whose means do not matter: picture(x, y) is about
    target(x - dx, y - dy). Every so many rows are looked at.
    """
    height, width = target.shape
    usual = np.float32(np.inf)
    for _ in range(STEPS):
        left, top = int(np.floor(dx)), int(np.floor(dy))
        parts = np.float32(dx - left), np.float32(dy - top)
        first, last = max(1, -left), min(width - 1, width - 1 - left)
        xx = xy = yy = x_off = y_off = total = 0.0
        n = 0
        for y in range(max(1, -top), min(height - 1, height - 1 - top), every):
            sums = row_sums(
                picture[y + top : y + top + 2, left + first : left + last + 1],
                target[y - 1 : y + 2, first - 1 : last + 1],
                parts,
                usual,
            )
            xx, xy, yy = xx + sums[0], xy + sums[1], yy + sums[2]
            x_off, y_off, total = x_off + sums[3], y_off + sums[4], total + sums[5]
            n += max(last - first, 0)
        det = xx * yy - xy * xy
        if n == 0 or det <= ONE_WAY * (xx + yy) ** 2:
            break
        usual = np.float32(1.5 * total / n + 1)
        x_step, y_step = (yy * x_off - xy * y_off) / det, (xx * y_off - xy * x_off) / det
        dx -= min(max(x_step, -AT_MOST), AT_MOST)
        dy -= min(max(y_step, -AT_MOST), AT_MOST)
    return dx, dy


@njit(**OPTIONS)
def row_sums(picture, target, parts, usual):
    """Of one row of the normal equations: xx, xy, yy, x_off, y_off, and the sum of |off|.

    `picture` has the two rows between which the shifted row lies, and one column more; `target`
    the row with one more on each side, and with those above and below.
    """
    half, one = np.float32(0.5), np.float32(1)
    xx = xy = yy = x_off = y_off = total = np.float32(0)
    x_part, y_part = parts
    for x in range(picture.shape[1] - 1):
        above = picture[0, x] + x_part * (picture[0, x + 1] - picture[0, x])
        below = picture[1, x] + x_part * (picture[1, x + 1] - picture[1, x])
        off = above + y_part * (below - above) - target[1, x + 1]
        right = half * (target[1, x + 2] - target[1, x])
        down = half * (target[2, x + 1] - target[0, x + 1])
        weight = one / (one + (off / usual) * (off / usual))
        weight *= weight
        total += abs(off)
        xx += weight * right * right
        xy += weight * right * down
        yy += weight * down * down
        x_off += weight * right * off
        y_off += weight * down * off
    return xx, xy, yy, x_off, y_off, total


@njit(**OPTIONS)
def grown(warped, target, box, every, usual):
    """One step of Lucas and Kanade for a growth, about the top left corner, and a shift.

    Both are (height, width) float32; only what lies in `box` (top, bottom, left, right) is looked
    at, every so many rows. Returns the growth and the shift (dx, dy) by which `warped` lies off
    `target`, zeros where the edges do not tell them, and the mean of |warped - target|.
    """
    height, width = target.shape
    half, one, near = np.float32(0.5), np.float32(1), np.float32(usual)
    a = b = c = d = e = f = u = v = w = total = np.float64(0)
    n = 0
    left, right = max(1, box[2]), min(width - 1, box[3])
    for y in range(max(1, box[0]), min(height - 1, box[1]), every):
        ss = sx = sy = xx = xy = yy = s_off = x_off = y_off = miss = np.float32(0)
        for x in range(left, right):
            off = warped[y, x] - target[y, x]
            gx = half * (target[y, x + 1] - target[y, x - 1])
            gy = half * (target[y + 1, x] - target[y - 1, x])
            gs = gx * np.float32(x + half) + gy * np.float32(y + half)
            weight = one / (one + (off / near) * (off / near))
            weight *= weight
            miss += abs(off)
            ss += weight * gs * gs
            sx += weight * gs * gx
            sy += weight * gs * gy
            xx += weight * gx * gx
            xy += weight * gx * gy
            yy += weight * gy * gy
            s_off += weight * gs * off
            x_off += weight * gx * off
            y_off += weight * gy * off
        a, b, c, d, e, f = a + ss, b + sx, c + sy, d + xx, e + xy, f + yy
        u, v, w, total = u + s_off, v + x_off, w + y_off, total + miss
        n += right - left
    ca, cb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    det = a * ca + b * cb + c * cc
    if n <= 0 or ca <= ONE_WAY * (d + f) ** 2 or det <= ONE_WAY * a * ca:
        return 0.0, 0.0, 0.0, total / max(n, 1)
    cd, ce, cf = a * f - c * c, b * c - a * e, a * d - b * b
    growth = (ca * u + cb * v + cc * w) / det
    dx = (cb * u + cd * v + ce * w) / det
    dy = (cc * u + ce * v + cf * w) / det
    return growth, dx, dy, total / n
