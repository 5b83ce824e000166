"""Tell an uncovered background from a thing that stopped, by where its outline has edges.

Cucchiara et al. (PAMI 25, 2003) call what a departed thing leaves in the mask a ghost. Along the
outline of a thing the picture has edges, and the background has none; along the outline of a ghost
the background that was learnt with the thing has them, and the picture has none (Evangelio and
Sikora, AVSS 2011; Wang et al., FTSG, CVPR workshops 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import regions

RIM = np.ones((5, 5), np.uint8)  # the outline is looked at this many pixels wide
LEAST = 4.0  # grey levels a pixel by which the background's edges must be ahead: more than noise


def find_ghosts(
    mask: NDArray[np.uint8],
    lumas: Callable[[slice, slice], tuple[NDArray[Any], NDArray[Any]]],
    ratio: float,
) -> NDArray[np.uint8]:
    """Where the mask's blobs are ghosts.

    Parameters
    ----------
    mask
        (height, width) uint8, 255 where there is foreground.
    lumas
        Gives uint8 luma of these rows and columns of the picture, and of the background.
    ratio
        The background's edges along the outline of a ghost are this many times the picture's.

    Returns
    -------
    ghosts
        (height, width) uint8, 1 in every blob that is a ghost.
    """
    ghosts = np.zeros_like(mask)
    starts, runs, numbers, table = regions.find_blobs(mask)
    height, width = mask.shape
    for n, (left, top, right, bottom, *_) in enumerate(table.tolist()):
        rows = slice(max(top - 3, 0), min(bottom + 3, height))
        columns = slice(max(left - 3, 0), min(right + 3, width))
        blob = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        regions.paint(starts, runs, numbers, n, rows.start, columns.start, blob)
        rim = np.asarray(cv2.subtract(cv2.dilate(blob, RIM), cv2.erode(blob, RIM)), np.uint8)
        now, then = (_edges(image, rim) for image in lumas(rows, columns))
        if then > ratio * now and then > now + LEAST:
            ghosts[rows, columns] |= blob
    return ghosts


def _edges(image: NDArray[Any], where: NDArray[np.uint8]) -> float:
    """Mean strength of the edges, grey levels a pixel."""
    across, down = (cv2.Sobel(image, cv2.CV_16S, dx, 1 - dx, ksize=3, scale=1) for dx in (1, 0))
    strength = np.abs(across).astype(np.float32) + np.abs(down)
    return float(cv2.mean(strength, where)[0]) / 8
