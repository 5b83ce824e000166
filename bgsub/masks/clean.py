"""Raw labels to clean labels: majority, small blobs, holes, shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.kernels import regions
from bgsub.kernels.window import Window

Mask = NDArray[np.uint8]
Shadows = Literal["mark", "drop", "keep"]

BACKGROUND, SHADOW, FOREGROUND = 0, 127, 255
QVGA = 320 * 240


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskParams:
    """How a raw mask is cleaned.

    Raises
    ------
    ConfigError
        A value out of its range; the message names it.
    """

    majority: int = 0
    """Side of the majority filter's square window in pixels, odd; 1 is off, 0 fits the window to
    the picture: 7 at 160x120, 9 at 320x240, 13 from 640x480 on."""
    weak_share: float = 0.25
    """Share of the window's pixels from which a pixel belongs to a foreground that it is connected
    to; 0.5 is off."""
    min_blob: float = 0.0004
    """Foreground smaller than this share of the picture is dropped."""
    max_hole: float = 0.01
    """Background enclosed by foreground and smaller than this share of the picture is filled."""
    bridge_shadows: float = 1.5
    """A shadow lies below or beside its thing: what is labelled one between foreground above and
    below is foreground, if these are so many times as long together as the gap; 0 is off."""
    shadows: Shadows = "mark"
    """What becomes of label 127: "mark" leaves it, "drop" makes it background, "keep"
    foreground."""

    def __post_init__(self) -> None:
        require(
            self.majority == 0 or (self.majority > 0 and self.majority % 2 == 1),
            f"majority must be 0 or an odd number of pixels, got {self.majority}",
        )
        require(
            0 < self.weak_share <= 0.5,
            f"weak_share must be above 0 and at most 0.5, got {self.weak_share}",
        )
        for name in ("min_blob", "max_hole"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"{name} must be a share of 0 to 1, got {value}")
        require(
            self.bridge_shadows >= 0,
            f"bridge_shadows must not be negative, got {self.bridge_shadows}",
        )
        require(
            self.shadows in get_args(Shadows),
            f"shadows must be one of {', '.join(get_args(Shadows))}, got {self.shadows!r}",
        )


class Cleaner:
    """Cleans the labels of one video, frame by frame.

    A pixel is foreground where more than half of the raw labels in its window are; at the border
    the window is what lies inside the picture. What is connected to such pixels and holds a smaller
    share joins them (hysteresis: Canny, PAMI 8, 1986), if its window holds more than twice as much
    foreground as shadow; what that would add along a straight outline is not taken, and no blob
    grows by more than a quarter. Shadow between foreground above and below it joins them too: where
    a shadow lies is told by geometry (Sanin, Sanderson and Lovell, "Shadow detection: A survey and
    comparative evaluation of recent methods", Pattern Recognition 45, 2012). Then blobs and holes
    that are too small go: blobs join over corners, holes do not, and what touches the border is no
    hole. A shadow label stays where it is not foreground now and more than half of its window is
    not background.

    Parameters
    ----------
    params
        By default those that fit the picture's size.

    Examples
    --------
    >>> import numpy as np
    >>> raw = np.zeros((60, 80), np.uint8)
    >>> raw[20:40, 30:60] = 255
    >>> raw[5, 5] = 255  # a flicker
    >>> raw[30, 40] = 0  # a pinhole
    >>> clean = Cleaner()(raw)
    >>> int(clean[5, 5]), int(clean[30, 40])
    (0, 255)
    """

    def __init__(self, params: MaskParams | None = None) -> None:
        self.params = params or MaskParams()
        self._size: tuple[int, ...] = (0, 0)

    def __call__(self, mask: Mask) -> Mask:
        """Return the cleaned labels of `mask`, (height, width) uint8 in {0, 127, 255}.

        Raises FrameError for another shape or type.
        """
        if mask.ndim != 2 or mask.dtype != np.uint8:
            raise FrameError(
                f"expected a mask (height, width) of uint8, got {mask.dtype} {mask.shape}"
            )
        if not mask.any():
            return np.zeros_like(mask)
        if mask.shape != self._size:
            self._fit(mask.shape)
        view, width = self._window, mask.shape[1]
        view.labels[:, :width] = mask
        p, words = self.params, view.found.view(np.uint64)
        least, shade = FOREGROUND, SHADOW
        if p.shadows == "keep":
            least, shade = SHADOW, BACKGROUND
        smallest, largest = p.min_blob * mask.size, p.max_hole * mask.size
        view.look(0.5, least, shade, p.weak_share if self._reach else 1.0)
        if self._reach:
            regions.shrink(view.weak, view.sure, width, self._reach, self._row, self._wide)
            regions.grow(view.found, self._wide, width, smallest, *self._room)
        if p.bridge_shadows and shade:
            regions.bridge(view.found, words, width, p.bridge_shadows, self._done)
        regions.tidy(view.found, words, view.labels, width, shade, smallest, largest, *self._room)
        found = view.found[:, :width].copy()
        if p.shadows == "drop":
            found[found == SHADOW] = BACKGROUND
        return found

    def _fit(self, size: tuple[int, ...]) -> None:
        """Make room to work in for pictures of `size`."""
        self._size = size
        self._window = Window(size, self.params.majority or side_for(size[0] * size[1]))
        self._room = regions.room(*size)
        self._wide = np.empty_like(self._window.weak)
        self._done = np.empty(size[1], np.int64)
        # As far as a straight outline moves out when the smaller share is enough.
        side = self._window.side
        self._reach = math.ceil(side // 2 + 1 - self.params.weak_share * side) - 1
        words = self._wide.shape[1] + 2 * (self._reach // regions.BITS + 1)
        self._row = np.full(words, regions.ALL)


def side_for(n_pixels: int) -> int:
    """Side of the majority window for pictures of `n_pixels`: 9 at 320x240, at most 13.

    It grows with the picture's side, but more slowly: the outlines of small things need a window
    that is small, and noise one that is not too small.
    """
    side = min(int(5 + 4 * math.sqrt(n_pixels / QVGA)), 13)
    return side + 1 - side % 2
