"""Sums over a part of a picture's pixels, which tell something of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
}
PARTNER = 19  # blocks from one to the other of a pair: far in both directions, of eight columns
APART = np.float32(8)  # grey levels; of blocks more alike the line's slope tells nothing
REFINED = 3  # steps of least squares
FLAT = 1.0  # variance, squared grey levels, of blocks of which no slope can be told


@njit(**OPTIONS)
def cell_means(labels, rows, columns, every):
    """Mean label of each cell of the picture, from every n-th row.

    Parameters
    ----------
    labels
        (height, width) uint8, at least 1x1.
    rows, columns
        Cells down and across. A picture with fewer pixels shares them.
    every
        Distance of the rows that are looked at, at most a cell's height.

    Returns
    -------
    means
        (rows, columns) float64.
    """
    height, width = labels.shape
    means = np.zeros((rows, columns))
    row = np.empty(width, np.uint32)
    for j in range(rows):
        top = j * height // rows
        bottom = max((j + 1) * height // rows, top + 1)
        for x in range(width):
            row[x] = 0
        for y in range(top, bottom, every):
            for x in range(width):
                row[x] += labels[y, x]
        looked = (bottom - top + every - 1) // every
        for i in range(columns):
            left = i * width // columns
            right = max((i + 1) * width // columns, left + 1)
            total = np.int64(0)
            for x in range(left, right):
                total += row[x]
            means[j, i] = total / (looked * (right - left))
    return means


@njit(**OPTIONS)
def extremes(pixels, height, width, rows, columns):
    """Sums of the largest and of the smallest of three channels, over a grid of pixels.

    Parameters
    ----------
    pixels
        height * width * 3 numbers in one row.
    rows, columns
        Of the grid, which spans the picture.

    Returns
    -------
    most, least
        float64.
    """
    most, least = 0.0, 0.0
    across = np.empty(columns, np.int64)
    for i in range(columns):
        across[i] = i * width // columns * 3
    for j in range(rows):
        row = j * height // rows * width * 3
        for i in range(columns):
            at = row + across[i]
            a, b, c = float(pixels[at]), float(pixels[at + 1]), float(pixels[at + 2])
            most += max(a, b, c)
            least += min(a, b, c)
    return most, least


@njit(**OPTIONS)
def block_means(pixels, height, width, channels, rows, columns, each):
    """Mean of each channel in each block of the picture, from a grid of pixels.

    Parameters
    ----------
    pixels
        height * width * channels numbers in one row.
    rows, columns
        Blocks down and across.
    each
        Pixels of the grid along the side of a block.

    Returns
    -------
    means
        (rows, columns, channels) float32.
    """
    means = np.zeros((rows, columns, channels), np.float32)
    across = np.empty(columns * each, np.int64)
    for i in range(columns * each):
        across[i] = i * width // (columns * each) * channels
    for j in range(rows * each):
        row = j * height // (rows * each) * width * channels
        for i in range(columns):
            for k in range(i * each, (i + 1) * each):
                for c in range(channels):
                    means[j // each, i, c] += np.float32(pixels[row + across[k] + c])
    part = np.float32(1 / (each * each))
    for j in range(rows):
        for i in range(columns):
            for c in range(channels):
                means[j, i, c] *= part
    return means


@njit(**OPTIONS)
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
