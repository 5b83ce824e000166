"""Tell an uncovered background from a thing that stopped, by where its outline has edges.

Cucchiara et al. (PAMI 25, 2003) call what a departed thing leaves in the mask a ghost. Along the
outline of a thing the picture has edges, and the background has none; along the outline of a ghost
the background that was learnt with the thing has them, and the picture has none (Evangelio and
Sikora, AVSS 2011; Wang et al., FTSG, CVPR workshops 2014).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

RIM = np.ones((5, 5), np.uint8)  # the outline is looked at this many pixels wide
LEAST = 4.0  # grey levels a pixel by which the background's edges must be ahead: more than noise


def find_ghosts(
    mask: NDArray[np.uint8], picture: NDArray[Any], background: NDArray[Any], ratio: float
) -> NDArray[np.uint8]:
    """Where the mask's blobs are ghosts.

    Parameters
    ----------
    mask
        (height, width) uint8, 255 where there is foreground.
    picture, background
        (height, width) uint8 luma.
    ratio
        The background's edges along the outline of a ghost are this many times the picture's.

    Returns
    -------
    ghosts
        (height, width) uint8, 1 in every blob that is a ghost.
    """
    ghosts = np.zeros_like(mask)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == 255).view(np.uint8))
    height, width = mask.shape
    for n in range(1, count):
        x, y, wide, high = stats[n, :4].tolist()
        rows = slice(max(y - 3, 0), min(y + high + 3, height))
        columns = slice(max(x - 3, 0), min(x + wide + 3, width))
        blob = (labels[rows, columns] == n).view(np.uint8)
        rim = np.asarray(cv2.subtract(cv2.dilate(blob, RIM), cv2.erode(blob, RIM)), np.uint8)
        now, then = (_edges(image[rows, columns], rim) for image in (picture, background))
        if then > ratio * now and then > now + LEAST:
            ghosts[rows, columns] |= blob
    return ghosts


def _edges(image: NDArray[Any], where: NDArray[np.uint8]) -> float:
    """Mean strength of the edges, grey levels a pixel."""
    across, down = (cv2.Sobel(image, cv2.CV_16S, dx, 1 - dx, ksize=3, scale=1) for dx in (1, 0))
    strength = np.abs(across).astype(np.float32) + np.abs(down)
    return float(cv2.mean(strength, where)[0]) / 8
