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


@njit(**OPTIONS)
def cells_above(labels, rows, columns, every, low, high):
    """Shares of the picture's cells whose mean label, in every n-th row, is above two levels.

    Parameters
    ----------
    labels
        (height, width) uint8, at least 1x1.
    rows, columns
        Cells down and across. A picture with fewer pixels shares them.
    every
        Distance of the rows that are looked at, at most a cell's height.
    low, high
        Of the labels.
    """
    height, width = labels.shape
    above_low = above_high = 0
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
            above_low += total > low * looked * (right - left)
            above_high += total > high * looked * (right - left)
    return above_low / (rows * columns), above_high / (rows * columns)


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
def cell_levels(pixels, height, width, channels, side, every, sums):
    """Level of the darkest channel of each cell, and the mean level of all.

    Parameters
    ----------
    pixels
        height * width * channels numbers in one row. Of four channels the first three are looked
        at.
    side
        Pixels along the side of a cell. What is left beside the last whole cells is not looked at.
    every
        Distance of the rows and columns of pixels that are looked at, at most `side`.
    sums
        Room for a row of pixels, of a type that holds the sum of a cell's column.

    Returns
    -------
    darkest, mean
        (cells,) float32, the least of a cell's mean levels, and the mean over cells and channels.
    """
    rows, columns, each = height // side, width // side, (side + every - 1) // every
    # Counted without a sign, for numba takes care of negative ones.
    step, wide, second = np.uint64(every * channels), np.uint64(side * channels), np.uint64(1)
    third = np.uint64(2)
    if channels < 3:
        second = third = np.uint64(channels - 1)
    darkest = np.empty(rows * columns, np.float32)
    part = np.float32(1 / (each * each))
    sums[0] = 0
    none = total = sums[0] * 0  # a whole number, or a float
    n = 0
    for j in range(rows):
        for x in range(sums.size):
            sums[x] = 0
        for y in range(j * side, (j + 1) * side, every):
            row = pixels[y * sums.size : (y + 1) * sums.size]
            for x in range(sums.size):
                sums[x] += row[x]
        cell = np.uint64(0)
        for _ in range(columns):
            at = cell
            a = b = c = none
            for _ in range(each):
                a, b, c = a + sums[at], b + sums[at + second], c + sums[at + third]
                at += step
            cell += wide
            darkest[n] = part * np.float32(min(a, b, c))
            total += a + c if channels == 2 else a + b + c
            n += 1
    return darkest, total * part / (n * (2 if channels == 2 else 3))
