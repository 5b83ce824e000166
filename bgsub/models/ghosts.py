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
MARGIN = 6  # pixels around a part that its outline's edges depend on
FREE = 0.5  # share of an outline that must border on what is no foreground


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
    rows = slice(max(int(held[0]) - MARGIN, 0), int(held[-1]) + 1 + MARGIN)
    foreground = mask[rows] == 255
    shown, learnt = pictures(rows)
    parts = _still(foreground, shown, earlier[rows])
    moving = cv2.morphologyEx((foreground & (parts == 0)).view(np.uint8), cv2.MORPH_OPEN, RIM)
    beside = cv2.dilate((~foreground).view(np.uint8), BESIDE) > cv2.dilate(moving, AWAY)
    starts, runs, numbers, table = regions.find_blobs(parts)
    height, width = parts.shape
    for n, (left, top, right, bottom, area, *_) in enumerate(table.tolist()):
        if area < SMALLEST:
            continue
        box = (
            slice(max(top - MARGIN, 0), min(bottom + MARGIN, height)),
            slice(max(left - MARGIN, 0), min(right + MARGIN, width)),
        )
        part = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), np.uint8)
        regions.paint(starts, runs, numbers, n, box[0].start, box[1].start, part)
        rim = cv2.dilate(part, RIM) > cv2.erode(part, RIM)
        free = (rim & beside[box]).view(np.uint8)
        if np.count_nonzero(free) < FREE * np.count_nonzero(rim):
            continue
        behind = shown[box].copy()
        cv2.copyTo(learnt[box], foreground[box].view(np.uint8), behind)
        now, then = _edges(shown[box], free), _edges(behind, free)
        if then > ratio * now and then > now + LEAST:
            ghosts[rows][box] |= part
    return ghosts


def _luma(image: Picture) -> Picture:
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
    now = np.asarray(cv2.blur(_luma(shown), (3, 3)), np.uint8)
    still = foreground & (cv2.absdiff(now, earlier) < STILL)
    earlier[:] = now
    square = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(still.astype(np.uint8) * np.uint8(255), cv2.MORPH_OPEN, square)
    return np.ascontiguousarray(opened, np.uint8)


def _edges(image: Picture, where: NDArray[np.uint8]) -> float:
    """Mean strength of a smoothed picture's edges there, grey levels a pixel.

    Of several channels the strongest counts.
    """
    smooth = cv2.blur(image, (3, 3))
    across, down = (cv2.Sobel(smooth, cv2.CV_16S, dx, 1 - dx, ksize=3) for dx in (1, 0))
    strongest, *others = cv2.split(np.abs(across) + np.abs(down))
    for other in others:
        strongest = cv2.max(strongest, other)
    return float(cv2.mean(strongest, where)[0]) / 8
