"""Mask to blobs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import regions


class Blobs(NamedTuple):
    """The connected foreground of a mask, largest first; of equals, the upper left one first."""

    boxes: NDArray[np.int32]
    """(n, 4) x, y, width, height in pixels."""
    areas: NDArray[np.int32]
    """(n,) pixels."""
    centroids: NDArray[np.float32]
    """(n, 2) x, y in pixels."""


def find_blobs(mask: NDArray[np.uint8], min_area: int = 1) -> Blobs:
    """The blobs of label 255 in `mask`, joined over corners, of at least `min_area` pixels.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((6, 8), np.uint8)
    >>> mask[1:3, 2:6] = 255
    >>> find_blobs(mask).boxes
    array([[2, 1, 4, 2]], dtype=int32)
    """
    table = regions.find_blobs(mask).table
    table = table[table[:, regions.AREA] >= min_area]
    left, top, right, bottom, area, twice_x, sum_y = table.T
    order = np.lexsort((left, top, -area))
    boxes = np.stack((left, top, right - left, bottom - top), axis=1)
    centroids = np.stack((twice_x / (2 * area), sum_y / area), axis=1)
    return Blobs(
        boxes=boxes[order].astype(np.int32),
        areas=area[order].astype(np.int32),
        centroids=centroids[order].astype(np.float32),
    )
