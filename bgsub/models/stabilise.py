"""How a frame lies against the view the model has learnt: a small shift, and its light.

Kuglin and Hines, "The phase correlation image alignment method", ICCS 1975, finds the shift; the
blocks of the picture then vote on it, so that a large moving thing cannot carry the view along.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.models.light import Gains, brightened

Small = NDArray[np.float32]

BLOCKS = 6  # along the short side of the picture; they vote
LEAST_SIDE = 20  # pixels of a small picture below which it tells no shift
LEAST_SHIFT = 0.1  # small pixels; less is noise of the estimate
FARTHEST = 0.15  # share of the picture's side; farther is not a shaking camera
BETTER = 0.9  # a block votes for a shift that lowers its residual below this share
MAJORITY = 0.4  # votes for, less votes against, as a share of the blocks


class Pose(NamedTuple):
    """Where a frame lies, and how bright it is."""

    dx: float = 0.0
    """Pixels by which the picture has moved right."""
    dy: float = 0.0
    """Pixels by which it has moved down."""
    gains: Gains = ()
    """What its channels must be multiplied by."""

    @property
    def moved(self) -> bool:
        return self.dx != 0 or self.dy != 0

    def steady(self, image: NDArray[Any], top: float) -> NDArray[Any]:
        """The image moved back to the learnt view, and as bright as it, at most `top`."""
        image = self.still(image) if self.moved else np.ascontiguousarray(image)
        return brightened(image, self.gains, top)

    def still(self, image: NDArray[Any], how: int = cv2.INTER_LINEAR) -> NDArray[Any]:
        """The image moved back to the learnt view."""
        return self._warp(image, -self.dx, -self.dy, how, cv2.BORDER_REPLICATE, 0)

    def shaken(self, image: NDArray[Any]) -> NDArray[Any]:
        """A picture of the learnt view moved to where the frame lies; values are not mixed."""
        return self._warp(image, self.dx, self.dy, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE, 0)

    def covered(self, flags: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """Flags of the frame moved back to the learnt view; what it does not show is `outside`."""
        border = cv2.BORDER_CONSTANT
        return self._warp(flags, -self.dx, -self.dy, cv2.INTER_NEAREST, border, outside)

    @staticmethod
    def _warp(
        image: NDArray[Any], dx: float, dy: float, how: int, border: int, value: int
    ) -> NDArray[Any]:
        matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        size = (image.shape[1], image.shape[0])
        warped = cv2.warpAffine(image, matrix, size, None, how, border, (value,) * 4)
        return np.asarray(warped).reshape(image.shape)


class Stabiliser:
    """Keeps a small, slow picture of the view, and compares frames with it.

    `reference` is all it knows: (height, width) float32 grey levels, (0, 0) before the first frame.
    Its short side has about `rows` pixels.
    """

    def __init__(self, rows: int, reference: Small | None = None) -> None:
        self.rows = rows
        self.reference = np.empty((0, 0), np.float32) if reference is None else reference

    def pose(self, image: NDArray[Any], scale: float) -> tuple[Pose, Small]:
        """Where `image` lies against the reference, and the small picture to learn from it.

        Parameters
        ----------
        image
            (height, width) or (height, width, channels), any type.
        scale
            Brings its values to 0..255.
        """
        small = shrink(image, self.rows, scale)
        if self.reference.size == 0:
            return Pose(), small
        dx, dy = self._shift(small)
        aligned = small if dx == 0 and dy == 0 else Pose(dx, dy).still(small)
        right, down = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        return Pose(dx * right, dy * down), aligned

    def learn(self, small: Small, rate: float) -> None:
        """Draw the reference toward a small picture that pose() returned."""
        if self.reference.size == 0:
            self.reference = small.copy()
        else:
            self.reference += np.float32(rate) * (small - self.reference)

    def _shift(self, small: Small) -> tuple[float, float]:
        """Pixels of the small picture; zeros unless the blocks agree that it moved."""
        reference = self.reference
        height, width = small.shape
        if min(height, width) < LEAST_SIDE:
            return 0.0, 0.0
        window = cv2.createHanningWindow((width, height), cv2.CV_32F)
        # OpenCV 5 multiplies its first argument by the window in place.
        (dx, dy), _ = cv2.phaseCorrelate(reference.copy(), small.copy(), window)
        far = abs(dx) > FARTHEST * width or abs(dy) > FARTHEST * height
        if far or abs(dx) + abs(dy) < LEAST_SHIFT:
            return 0.0, 0.0
        target = detail(reference)
        before = blocks(np.abs(detail(small) - target), self.rows)
        after = blocks(np.abs(detail(Pose(dx, dy).still(small)) - target), self.rows)
        votes = np.mean(after < BETTER * before) - np.mean(before < BETTER * after)
        return (dx, dy) if votes > MAJORITY else (0.0, 0.0)


def small_size(shape: tuple[int, ...], rows: int) -> tuple[int, int]:
    """(height, width) of the small picture of an image of `shape`."""
    factor = max(1, round(min(shape[:2]) / rows))
    return max(1, shape[0] // factor), max(1, shape[1] // factor)


def shrink(image: NDArray[Any], rows: int, scale: float) -> Small:
    """The small luma of an image, 0..255."""
    size = small_size(image.shape, rows)[::-1]
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    luma = small if small.ndim == 2 else small.mean(2)
    return luma * np.float32(scale)


def detail(small: Small) -> Small:
    """A picture without its slow changes, so that light cannot hide a shift."""
    return np.asarray(small - cv2.blur(small, (7, 7)), np.float32)


def blocks(small: Small, rows: int) -> Small:
    """Mean of each block of a small picture that was made with `rows`."""
    side = max(1, rows // BLOCKS)
    size = max(1, small.shape[1] // side), max(1, small.shape[0] // side)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.float32)
