"""The light of a picture beside another's, by the mean levels of their blocks: a line per channel.

The median of quotients of Chen and Ellis, "A self-adaptive Gaussian mixture model", CVIU 122
(2014), gives gains; where these do not explain the blocks, pairs of blocks give a gain and an
offset, as in Negahdaripour, "Revised definition of optical flow", IEEE PAMI 20 (1998), eq. 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

PART: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
}
OPTIONS: dict[str, Any] = {**PART, "cache": True}
LEAST = 0.02  # change of a channel that is worth following
AGREE, SUPPORT = 0.05, 0.5  # share of the blocks that must agree on the gain, within 5 %
RANGE = 0.5, 2.0
UNEXPLAINED = 1.0  # median residual in grey levels from which gains alone do not explain a frame
BETTER = 0.5  # share of that residual which offsets must leave, at most
SCALE = np.float32(4)  # grey levels by which a block may miss the line and belong to it
NEAR, MOST = 6.0, 0.6  # grey levels within which that share of the blocks must lie
SLOPES = 0.4, 2.5
PARTNER = 19  # blocks from one to the other of a pair: far in both directions, of eight columns
APART = np.float32(8)  # grey levels; of blocks more alike the line's slope tells nothing
REFINED = 3  # steps of least squares
FLAT = 1.0  # variance, squared grey levels, of blocks of which no slope can be told


def find(
    seen: NDArray[np.float32], target: NDArray[np.float32], contrast: bool
) -> tuple[NDArray[np.float32], bool]:
    """What makes the levels of a frame those of the view.

    Parameters
    ----------
    seen, target
        (blocks, channels) float32 levels of the frame, and of the view.
    contrast
        Whether to look for offsets too.

    Returns
    -------
    lines, changed
        (channels, 2) float32 gain and offset, and whether there is anything to change.
    """
    found = np.empty((seen.shape[1], 2), np.float32)
    # Two kernels, because the second is rarely needed and then may be compiled.
    changed, left = by_gains(seen, target, contrast, found)
    if left >= UNEXPLAINED and by_lines(seen, target, left, found):
        changed = True
    return found, changed


# Loops, for numpy's reductions take a second each to compile.


@njit(**OPTIONS)
def by_gains(seen, target, contrast, found):
    """Fill `found` with gains; whether they change anything, and, with `contrast`, what is left."""
    changed, left = False, 0.0
    middle, near = median_quotients(target, seen, AGREE)
    if near >= SUPPORT and is_between(middle, RANGE) and not is_near_one(middle):
        changed = True
    for c in range(middle.size):
        middle[c] = middle[c] if changed else np.float32(1)
        found[c, 0], found[c, 1] = middle[c], 0
    if contrast:
        left, _ = misfit(seen, target, middle, found[:, 1], NEAR)
    return changed, left


@njit(**OPTIONS)
def by_lines(seen, target, left, found):
    """Fill `found` with gains and offsets if they leave much less; whether they do."""
    slopes, raised = lines(seen, target, SLOPES, SCALE)
    after, near = misfit(seen, target, slopes, raised, NEAR)
    if not is_between(slopes, SLOPES) or after > BETTER * left or near < MOST:
        return False
    for c in range(slopes.size):
        found[c, 0], found[c, 1] = slopes[c], raised[c]
    return True


@njit(**PART)
def is_between(values, bounds):
    """Whether all values lie between two bounds."""
    inside = True
    for value in values:
        inside = inside and bounds[0] < value < bounds[1]
    return inside


@njit(**PART)
def is_near_one(gains):
    """Whether no channel changes by as much as LEAST."""
    near = True
    for gain in gains:
        near = near and abs(gain - 1) < LEAST
    return near


@njit(**PART)
def median(values):
    """The middle one of a few numbers, of an even number the upper one of two."""
    # By counting, for to compile a sort takes two seconds.
    for value in values:
        below = equal = 0
        for other in values:
            below += other < value
            equal += other == value
        if below <= values.size // 2 < below + equal:
            return value
    return values[0]


@njit(**OPTIONS)
def median_quotients(one, other, tolerance):
    """Median quotient of each channel, and the share of the blocks that lie near them all.

    Parameters
    ----------
    one, other
        (blocks, channels) float32 levels; what is below 1 in `other` counts as 1.
    tolerance
        How far the channels may lie from their medians, on average, as a share of the medians'
        mean.

    Returns
    -------
    middle, share
        (channels,) float32, and a number.
    """
    n, channels = one.shape
    quotients = np.empty((channels, n), np.float32)
    middle = np.empty(channels, np.float32)
    total = 0.0
    for c in range(channels):
        for k in range(n):
            quotients[c, k] = one[k, c] / max(other[k, c], np.float32(1))
        middle[c] = median(quotients[c])
        total += middle[c]
    near = 0
    for k in range(n):
        off = 0.0
        for c in range(channels):
            off += abs(quotients[c, k] - middle[c])
        near += off < tolerance * total
    return middle, near / n


@njit(**OPTIONS)
def lines(seen, target, slopes, scale):
    """Gain and offset of each channel that bring most blocks from `seen` to `target`.

    The best of the lines through pairs of blocks, by the sum of their residuals up to `scale`
    (MSAC: Torr and Zisserman, "MLESAC", CVIU 78, 2000), is refined by weighted least squares, in
    which what lies far off weighs little (Geman and McClure, 1987).

    Parameters
    ----------
    seen, target
        (blocks, channels) float32.
    slopes
        Least and largest gain.
    scale
        Residual, in units of `target`, of a block that may not belong.

    Returns
    -------
    gains, offsets
        (channels,) float32.
    """
    n, channels = seen.shape
    gains, offsets = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    for c in range(channels):
        x, y = seen[:, c].copy(), target[:, c].copy()
        gain, offset = np.float32(1), np.float32(0)
        least = np.float32(np.inf)
        for k in range(n):
            other = (k + PARTNER) % n
            apart = x[other] - x[k]
            if abs(apart) < APART:
                continue
            a = (y[other] - y[k]) / apart
            if not slopes[0] < a < slopes[1]:
                continue
            b = y[k] - a * x[k]
            cost = np.float32(0)
            for m in range(n):
                cost += min(abs(a * x[m] + b - y[m]), scale)
            if cost < least:
                least, gain, offset = cost, a, b
        for _ in range(REFINED):
            w = wx = wy = wxx = wxy = 0.0
            for m in range(n):
                off = (gain * x[m] + offset - y[m]) / scale
                weight = 1 / (1 + off * off) ** 2
                w, wx, wy = w + weight, wx + weight * x[m], wy + weight * y[m]
                wxx, wxy = wxx + weight * x[m] * x[m], wxy + weight * x[m] * y[m]
            spread = w * wxx - wx * wx
            if spread > FLAT * w * w:
                gain = np.float32((w * wxy - wx * wy) / spread)
                offset = np.float32((wy - gain * wx) / w)
        gains[c], offsets[c] = gain, offset
    return gains, offsets


@njit(**OPTIONS)
def misfit(seen, target, gains, offsets, tolerance):
    """How well seen * gains + offsets meets the target.

    Parameters
    ----------
    seen, target
        (blocks, channels) float32 levels.
    gains, offsets
        (channels,) float32.
    tolerance
        Distance, averaged over the channels, up to which a block is near.

    Returns
    -------
    middle, share
        Median of these distances over the blocks, and the share of the blocks that are near.
    """
    n, channels = seen.shape
    off = np.zeros(n, np.float32)
    near = 0
    for k in range(n):
        for c in range(channels):
            off[k] += abs(gains[c] * seen[k, c] + offsets[c] - target[k, c])
        off[k] /= channels
        near += off[k] < tolerance
    return median(off), near / n
