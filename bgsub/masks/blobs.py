"""Mask to blobs."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


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
    foreground = (mask == 255).view(np.uint8)
    _, _, stats, centers = cv2.connectedComponentsWithStats(foreground, connectivity=8)
    stats, centers = stats[1:], centers[1:]
    big = stats[:, cv2.CC_STAT_AREA] >= min_area
    stats, centers = stats[big], centers[big]
    order = np.lexsort((stats[:, 0], stats[:, 1], -stats[:, cv2.CC_STAT_AREA]))
    return Blobs(
        boxes=stats[order, :4].astype(np.int32),
        areas=stats[order, cv2.CC_STAT_AREA].astype(np.int32),
        centroids=centers[order].astype(np.float32),
    )
