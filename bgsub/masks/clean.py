"""Raw labels to clean labels: majority, small blobs, holes, shadows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.kernels import regions

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
    the picture: 9 at 320x240, 13 from 720x480 on."""
    min_blob: float = 0.0004
    """Foreground smaller than this share of the picture is dropped."""
    max_hole: float = 0.01
    """Background enclosed by foreground and smaller than this share of the picture is filled."""
    shadows: Shadows = "mark"
    """What becomes of label 127: "mark" leaves it, "drop" makes it background, "keep"
    foreground."""

    def __post_init__(self) -> None:
        require(
            self.majority == 0 or (self.majority > 0 and self.majority % 2 == 1),
            f"majority must be 0 or an odd number of pixels, got {self.majority}",
        )
        for name in ("min_blob", "max_hole"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"{name} must be a share of 0 to 1, got {value}")
        require(
            self.shadows in get_args(Shadows),
            f"shadows must be one of {', '.join(get_args(Shadows))}, got {self.shadows!r}",
        )


class Cleaner:
    """Cleans the labels of one video, frame by frame.

    A pixel is foreground where more than half of the raw labels in its window are; at the border
    the window is what lies inside the picture. Then blobs and holes that are too small go: blobs
    join over corners, holes do not, and what touches the border is no hole. A shadow label stays
    where it is not foreground now and more than half of its window is not background.

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
        if mask.shape != self._size:
            self._fit(mask.shape)
        seen = np.ascontiguousarray(mask)
        if self.params.shadows == "keep":
            return self._whole(seen > BACKGROUND)
        clean = self._whole(seen == FOREGROUND)
        if self.params.shadows == "mark":
            shade = seen == SHADOW
            if shade.any():
                moving = self._majority((seen > BACKGROUND).view(np.uint8))
                shaded = shade * np.uint8(SHADOW) & moving
                clean = np.maximum(clean, shaded)  # foreground stays
        return clean

    def _fit(self, size: tuple[int, ...]) -> None:
        """Prepare for pictures of `size`: half of each window's pixels is what must be passed."""
        self._size = size
        side = self.params.majority or window(size[0] * size[1])
        half = side // 2
        rows, cols = (
            np.minimum(at + half, n - 1) - np.maximum(at - half, 0) + 1
            for n, at in ((n, np.arange(n)) for n in size)
        )
        self._side = side
        self._depth = cv2.CV_8U if side < 16 else cv2.CV_16U if side < 256 else cv2.CV_32S
        dtype = {cv2.CV_8U: np.uint8, cv2.CV_16U: np.uint16, cv2.CV_32S: np.int32}[self._depth]
        self._half: NDArray[np.integer] = (np.outer(rows, cols) // 2).astype(dtype)

    def _whole(self, foreground: NDArray[np.bool_]) -> Mask:
        """Majority, blobs and holes of a binary mask; returns 0 and 255."""
        clean = self._majority(foreground.view(np.uint8))
        area = clean.size
        if self.params.min_blob > 0:
            drop_blobs(clean, self.params.min_blob * area)
        if self.params.max_hole > 0:
            fill_holes(clean, self.params.max_hole * area)
        return clean

    def _majority(self, ones: Mask) -> Mask:
        if self._side == 1:
            return ones * np.uint8(FOREGROUND)
        # A box sum costs the same for every window; a grey-level median grows with it.
        count = cv2.boxFilter(
            ones,
            self._depth,
            (self._side, self._side),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        return np.asarray(cv2.compare(count, self._half, cv2.CMP_GT), np.uint8)


def window(n_pixels: int) -> int:
    """Side of the majority window for pictures of `n_pixels`: 9 at 320x240, at most 13."""
    side = min(round(n_pixels / QVGA) + 8, 13)
    return side + 1 - side % 2


def drop_blobs(mask: Mask, smallest: float) -> None:
    """Make foreground blobs of fewer than `smallest` pixels background, joined over corners."""
    regions.flip_small(mask, FOREGROUND, smallest, 1, False)


def fill_holes(mask: Mask, largest: float) -> None:
    """Fill holes of fewer than `largest` pixels; the border opens a hole."""
    regions.flip_small(mask, BACKGROUND, largest, 0, True)
