"""Judge whether what looks like a shadow is as smooth as one.

Cucchiara et al. (PAMI 25, 2003) and Prati et al. (PAMI 25, 2003) tell shadows by brightness and
colour; a shadow also keeps the texture below it (Leone and Distante, Pattern Recognition 40, 2007):
the ratio of picture and background hardly changes from pixel to pixel, while on a thing it does.

Few tiles hold shadow, so each has a word with a bit for every pixel: only where one is set is
anything looked at, the LANES pixels of a tile at once where none is near the picture's border.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import lanes, source
from bgsub.kernels.lanes import LANES

TEXT = '''
"""Written by bgsub.kernels.shade, lanes {lanes_version}."""
import numpy as np
from numba import njit
from bgsub.kernels.lanes import (
    LANES, bits, lanes_of, least, load, select, store, to_float32, to_int32, to_uint16
)

OPTIONS = dict(nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False)
REACH = 2  # pixels around a pixel in which its ratio is compared
SIDE = 2 * REACH + 1


@njit(**OPTIONS, no_cpython_wrapper=True)
def is_smooth(ratios, height, width, y, x, limit, few):
    n, total, squares = 0, 0, 0
    top, bottom = max(y - REACH, 0), min(y + REACH + 1, height)
    left, right = max(x - REACH, 0), min(x + REACH + 1, width)
    for j in range(top, bottom):
        for i in range(left, right):
            value = np.int64(ratios[j * width + i])
            n += value > 0
            total += value
            squares += value * value
    uneven = np.float32(n * squares - total * total) > limit * np.float32(total * total)
    return n > few * ((bottom - top) * (right - left)) and not uneven


@njit(**OPTIONS, cache=True)
def confirm(ratios, spots, kept, labels, height, width, uneven, few, first, last):
    limit = np.float32(uneven * uneven)
    for t in range(first, last):
        spotted = spots[t]
        if spotted == 0:
            kept[t] = 0
            continue
        at = t * LANES
        y, x = at // width, at % width
        smooth = np.uint32(0)
        if REACH <= y < height - REACH and REACH <= x and x + LANES <= width - REACH:
            n = load(ratios, at) ^ load(ratios, at)
            total, squares = to_uint16(n), to_int32(n)
            for j in range(-REACH, REACH + 1):
                for i in range(-REACH, REACH + 1):
                    n = n + least(load(ratios, at + j * width + i), 1)
            enough = spotted & bits(n > int(few * (SIDE * SIDE)))
            if enough:
                for j in range(-REACH, REACH + 1):
                    for i in range(-REACH, REACH + 1):
                        value = to_uint16(load(ratios, at + j * width + i))
                        total = total + value
                        squares = squares + to_int32(value * value)
                square = to_int32(total) * to_int32(total)
                spread = to_int32(n) * squares - square
                smooth = enough & ~bits(to_float32(spread) > limit * to_float32(square))
            lost = lanes_of(np.uint32(spotted & ~smooth))
            store(labels, at, select(lost, 255, load(labels, at)))
        else:
            for lane in range(min(LANES, height * width - at)):
                bit = np.uint32(1 << lane)
                if spotted & bit:
                    y, x = (at + lane) // width, (at + lane) % width
                    if is_smooth(ratios, height, width, y, x, limit, few):
                        smooth |= bit
                    else:
                        labels[at + lane] = 255
        kept[t] = smooth
'''


class Shadows(NamedTuple):
    """What the pixels show that look like shadows, tile by tile."""

    ratios: NDArray[np.uint8]
    """For each pixel its luma in 1/128 of its heaviest mode's, at least 1 where it looks like a
    shadow, 0 elsewhere."""
    spots: NDArray[np.uint32]
    """For each tile the pixels that look like a shadow, one bit a pixel, the first lowest."""
    kept: NDArray[np.uint32]
    """The same of those that confirm() found to be one."""


def blank(tiles: int) -> Shadows:
    """Room for `tiles` without any shadow."""
    spots, kept = np.zeros((2, tiles), np.uint32)
    return Shadows(np.zeros(tiles * LANES, np.uint8), spots, kept)


def confirm(
    shadows: Shadows,
    labels: NDArray[np.uint8],
    uneven: float,
    few: float,
    first: int,
    last: int,
) -> None:
    """Turn 127 into 255 in the tiles from `first` to before `last` where no smooth shadow is.

    Parameters
    ----------
    shadows
        Of all tiles; the range's `kept` are written.
    labels
        (height, width), 127 where `shadows.spots` are set. Changed in place.
    uneven
        The ratios of the shadow pixels among the 5x5 around a pixel may spread by this share of
        their mean, in standard deviations.
    few
        More than this share of those 25 pixels, or of those within the picture, must look like
        shadow.
    first, last
        Range of tiles; ranges may be confirmed side by side.
    """
    row = labels.reshape(-1)
    kernel().confirm(*shadows, row, *labels.shape, uneven, few, first, last)


@cache
def kernel() -> ModuleType:
    """confirm(), compiled."""
    return source.load(TEXT.format(lanes_version=source.version(lanes)))


def shown(shadows: Shadows, n_pixels: int) -> NDArray[np.bool_]:
    """For each pixel whether it is a confirmed shadow."""
    kept = shadows.kept.astype("<u4").view(np.uint8)
    return np.unpackbits(kept, count=n_pixels, bitorder="little").view(np.bool_)
