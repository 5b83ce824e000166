"""Tell an uncovered background from a thing that stopped, by where its outline has edges.

Cucchiara et al. (PAMI 25, 2003) call what a departed thing leaves in the mask a ghost. Along the
outline of a thing the picture has edges, and the background has none; along the outline of a ghost
the background that was learnt with the thing has them, and the picture has none (Evangelio and
Sikora, AVSS 2011; Wang et al., FTSG, CVPR workshops 2014).

A thing that goes away hangs together with its ghost for a while. The two are told apart by what
stays as it is from one look to the next, and outlines are compared only where they border on what
is no foreground, and on nothing that moves. There the background beside a ghost may show parts of
the thing that are no longer foreground, so it is taken from the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import regions

Picture = NDArray[np.uint8]

RIM = np.ones((5, 5), np.uint8)  # the outline is looked at this many pixels wide
BESIDE = np.ones((7, 7), np.uint8)  # how near what is no foreground an outline must be
AWAY = np.ones((9, 9), np.uint8)  # and how far from what moves
STILL = 10  # grey levels by which what stays as it is may differ from one look to the next
LEAST = 4.0  # grey levels a pixel by which the background's edges must be ahead: more than noise
SMALLEST = 20  # pixels; the outline of less tells nothing
OPEN = 0.5  # share of an outline that must border on what is no foreground


def find_ghosts(
    mask: NDArray[np.uint8],
    earlier: NDArray[np.uint8],
    pictures: Callable[[slice], tuple[Picture, Picture]],
    ratio: float,
) -> NDArray[np.uint8]:
    """Where the mask's foreground is a ghost.

    Parameters
    ----------
    mask
        (height, width) uint8, 255 where there is foreground.
    earlier
        (height, width) uint8 luma of the last look. In the rows with foreground it becomes that of
        this one.
    pictures
        Gives the picture and the background in these rows, (rows, width[, channels]) uint8.
    ratio
        The background's edges along the outline of a ghost are this many times the picture's.

    Returns
    -------
    ghosts
        (height, width) uint8, 1 where there is a ghost.
    """
    ghosts = np.zeros_like(mask)
    held = np.flatnonzero((mask == 255).any(axis=1))
    if not held.size:
        return ghosts
    rows = slice(max(int(held[0]) - 4, 0), int(held[-1]) + 5)
    foreground = mask[rows] == 255
    shown, learnt = pictures(rows)
    behind = np.where(foreground if shown.ndim == 2 else foreground[..., None], learnt, shown)
    now, then = _edges(shown), _edges(behind)
    parts = _still(foreground, shown, earlier[rows])
    beside = cv2.dilate((~foreground).astype(np.uint8), BESIDE) > 0
    moving = cv2.morphologyEx((foreground & (parts == 0)).astype(np.uint8), cv2.MORPH_OPEN, RIM)
    beside &= cv2.dilate(moving, AWAY) == 0
    starts, runs, numbers, table = regions.find_blobs(parts)
    height = len(parts)
    for n, (left, top, right, bottom, area, *_) in enumerate(table.tolist()):
        if area < SMALLEST:
            continue
        box = slice(max(top - 3, 0), min(bottom + 3, height)), slice(max(left - 3, 0), right + 3)
        part = np.zeros(parts[box].shape, np.uint8)
        regions.paint(starts, runs, numbers, n, box[0].start, box[1].start, part)
        rim = cv2.dilate(part, RIM) > cv2.erode(part, RIM)
        open_ = rim & beside[box]
        if np.count_nonzero(open_) < OPEN * np.count_nonzero(rim):
            continue
        edges, edges_then = float(now[box][open_].mean()), float(then[box][open_].mean())
        if edges_then > ratio * edges and edges_then > edges + LEAST:
            ghosts[rows][box] |= part
    return ghosts


def luma(image: Picture) -> Picture:
    """(height, width) luma of BGR, or of the first channel where there are other than three."""
    if image.ndim == 3:
        grey = image.shape[2] in (3, 4)
        image = (
            np.asarray(cv2.cvtColor(image[..., :3], cv2.COLOR_BGR2GRAY), np.uint8)
            if grey
            else image[..., 0]
        )
    return np.ascontiguousarray(image)


def _still(foreground: NDArray[np.bool_], shown: Picture, earlier: Picture) -> Picture:
    """255 where foreground looks as it did before. What it looks like is noted in `earlier`."""
    now = np.asarray(cv2.blur(luma(shown), (3, 3)), np.uint8)
    still = foreground & (cv2.absdiff(now, earlier) < STILL)
    earlier[:] = now
    square = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(still.astype(np.uint8) * np.uint8(255), cv2.MORPH_OPEN, square)
    return np.ascontiguousarray(opened, np.uint8)


def _edges(image: Picture) -> NDArray[np.float32]:
    """(height, width) strength of the edges of a smoothed picture, grey levels a pixel.

    Of several channels the strongest counts.
    """
    smooth = cv2.blur(image, (3, 3))
    across, down = (cv2.Sobel(smooth, cv2.CV_16S, dx, 1 - dx, ksize=3) for dx in (1, 0))
    strength = np.abs(across).astype(np.float32) + np.abs(down)
    if strength.ndim == 3:
        strength = strength.max(axis=2)
    return strength / np.float32(8)
