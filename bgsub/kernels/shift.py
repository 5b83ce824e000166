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
PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp", "reassoc"},
    "no_cfunc_wrapper": True,  # compiles sooner
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
# Only kernels call these, so no way in from Python need be compiled, nor anything kept.
STEP: dict[str, Any] = {**PART, "no_cpython_wrapper": True, "_nrt": False}
STEPS = 3
AT_MOST = 1.0  # pixels a step
SMOOTH = 7  # pixels over which slow changes are averaged
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


@njit(**STEP)
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
    if n <= 0:
        return 0.0, 0.0, 0.0, 0.0
    growth, dx, dy = solved((a, b, c, d, e, f), (u, v, w))
    return growth, dx, dy, total / n


@njit(**STEP)
def solved(normal, offs):
    """The growth and the shift (dx, dy) of normal equations; zeros where edges do not tell them.

    Parameters
    ----------
    normal
        Sums of the products of the gradients along the growth, x and y: ss, sx, sy, xx, xy, yy.
    offs
        Sums of their products with the differences.
    """
    a, b, c, d, e, f = normal
    u, v, w = offs
    ca, cb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    det = a * ca + b * cb + c * cc
    if ca <= ONE_WAY * (d + f) ** 2 or det <= ONE_WAY * a * ca:
        return 0.0, 0.0, 0.0
    cd, ce, cf = a * f - c * c, b * c - a * e, a * d - b * b
    growth = (ca * u + cb * v + cc * w) / det
    return growth, (cb * u + cd * v + ce * w) / det, (cc * u + ce * v + cf * w) / det


@njit(**OPTIONS)
def glimpse(picture, target, box, every, usual):
    """One such step from no growth and no shift, without slow changes of the difference.

    What the difference is on average over 7x7 pixels is taken from it, so that light hides nothing.

    Parameters
    ----------
    picture, target
        (height, width) float32, at least 4 pixels high and wide.
    box
        Top, bottom, left and right of what is looked at.
    every
        Distance of the rows that are looked at.
    usual
        Difference from which on little weight is given, inf to weigh all alike.

    Returns
    -------
    growth, dx, dy, off, edges
        As `grown` returns them, and the mean of the gradient's |x| + |y|; the means are weighed.
    """
    height, width = target.shape
    half, one, near = np.float32(0.5), np.float32(1), np.float32(usual)
    part = np.float32(1 / (SMOOTH * SMOOTH))
    reach, left, right = SMOOTH // 2, max(1, box[2]), min(width - 1, box[3])
    sums = np.empty(width + 2 * reach, np.float32)
    middle = sums[reach : reach + width]
    a = b = c = d = e = f = u = v = w = total = edges = n = np.float64(0)
    for y in range(max(1, box[0]), min(height - 1, box[1]), every):
        for x in range(width):
            middle[x] = 0
        for row in range(y - reach, y + reach + 1):
            inside = height - 1 - abs(height - 1 - abs(row))  # beyond the border rows come back
            seen, known = picture[inside], target[inside]
            for x in range(width):
                middle[x] += seen[x] - known[x]
        for x in range(reach):
            sums[reach - 1 - x] = middle[1 + x]
            sums[reach + width + x] = middle[width - 2 - x]
        # Slices, for a range that does not begin at 0 keeps numba's care for negative indices.
        s0, s1, s2, s3 = sums[left:], sums[left + 1 :], sums[left + 2 :], sums[left + 3 :]
        s4, s5, s6 = sums[left + 4 :], sums[left + 5 :], sums[left + 6 :]
        seen, known = picture[y, left:], target[y, left:]
        before, behind = target[y, left - 1 :], target[y, left + 1 :]
        above, below = target[y - 1, left:], target[y + 1, left:]
        first, down = np.float32(left + half), np.float32(y + half)
        ss = sx = sy = xx = xy = yy = s_off = x_off = y_off = miss = edge = share = np.float32(0)
        for x in range(right - left):
            slow = part * (s0[x] + s1[x] + s2[x] + s3[x] + s4[x] + s5[x] + s6[x])
            off = seen[x] - known[x] - slow
            gx = half * (behind[x] - before[x])
            gy = half * (below[x] - above[x])
            gs = gx * (np.float32(x) + first) + gy * down
            weight = one / (one + (off / near) * (off / near))
            weight *= weight
            share += weight
            miss += weight * abs(off)
            edge += weight * (abs(gx) + abs(gy))
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
        u, v, w, total, edges = u + s_off, v + x_off, w + y_off, total + miss, edges + edge
        n += share
    if n <= 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    growth, dx, dy = solved((a, b, c, d, e, f), (u, v, w))
    return growth, dx, dy, total / n, edges / n
