"""How a frame lies against the view the model has learnt: a small shift, and its light.

Kuglin and Hines, "The phase correlation image alignment method", ICCS 1975, finds the shift, and
Lucas and Kanade's steps refine it; the blocks of the picture then vote on it, so that a large
moving thing cannot carry the view along.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels.means import block_means
from bgsub.kernels.shift import refine
from bgsub.kernels.translate import translated
from bgsub.models.light import Blocks, Light, Tone, block_levels, brightened, drawn

Small = NDArray[np.float32]
NOTHING = np.empty((0, 0), np.float32)

BLOCKS = 6  # along the short side of the picture; they vote
LEAST_SIDE = 20  # pixels of a small picture below which it tells no shift
LEAST_SHIFT = 0.1  # small pixels; less is noise of the estimate
FARTHEST = 0.25  # share of the side; of a view that lies farther off too little is left
FINE = 60  # rows on which the shift is refined
TURNED = 0.1  # share of the side beyond which the view follows the camera
BETTER = 0.9  # a block votes for a shift that lowers its residual below this share
ATTENTION = 25  # frames for which every one is compared, after one that had moved
ALARM = 0.3  # share of the cells with foreground from which it may be the camera
MAJORITY = 0.4  # votes for, less votes against, as a share of the blocks


class Pose(NamedTuple):
    """Where a frame lies, and how bright it is."""

    dx: float = 0.0
    """Pixels by which the picture has moved right."""
    dy: float = 0.0
    """Pixels by which it has moved down."""
    tone: Tone = ()
    """What makes its channels as bright as the view."""

    @property
    def moved(self) -> bool:
        return self.dx != 0 or self.dy != 0

    def steady(self, image: NDArray[Any], top: float) -> NDArray[Any]:
        """The image moved back to the learnt view, and as bright as it, at most `top`."""
        image = self.still(image) if self.moved else np.ascontiguousarray(image)
        return brightened(image, self.tone, top)

    def still(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image moved back to the learnt view."""
        if image.dtype == np.uint8:
            return translated(np.ascontiguousarray(image), self.dx, self.dy)
        matrix = np.array([[1, 0, -self.dx], [0, 1, -self.dy]], np.float32)
        size = (image.shape[1], image.shape[0])
        back = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(back).reshape(image.shape)

    def settled(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of the frame moved back to the learnt view; they are not mixed."""
        return _carried(labels, self.dx, self.dy)

    def turned(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Whole pixels (right, down) by which the view should follow the camera; mostly 0, 0.

        A camera that shakes comes back; one that is far off has turned.
        """
        far = abs(self.dx) > TURNED * shape[1] or abs(self.dy) > TURNED * shape[0]
        return (round(self.dx), round(self.dy)) if far else (0, 0)

    def shaken(self, image: NDArray[Any]) -> NDArray[Any]:
        """A picture of the learnt view moved to where the frame lies; values are not mixed."""
        return _carried(image, -self.dx, -self.dy)

    def covered(self, flags: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """Flags of the frame moved back to the learnt view; what it does not show is `outside`."""
        return _carried(flags, self.dx, self.dy, outside)


def _carried(image: NDArray[Any], dx: float, dy: float, outside: int | None = None) -> NDArray[Any]:
    """What lies (dx, dy) from each pixel, in whole pixels; beyond the border `outside`.

    Without it, the outermost pixels go on.
    """
    x, y = math.floor(dx + 0.5), math.floor(dy + 0.5)
    height, width = image.shape
    seen = image[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
    beside = max(-y, 0), max(y, 0), max(-x, 0), max(x, 0)
    how = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    return np.asarray(cv2.copyMakeBorder(seen, *beside, how, value=outside or 0))


class Stabiliser:
    """Keeps a small, slow picture of the view, and compares frames with it.

    Parameters
    ----------
    rows
        Pixels, about, of the short side of the small picture.
    every
        Frames from one that is compared to the next, while the camera stands still.
    reference, quiet
        What another one knew, to go on from there.

    Attributes
    ----------
    reference
        (height, width) float32 grey levels, (0, 0) before the first frame.
    quiet
        Frames learnt since the last that had moved, or more after one full of foreground.
    """

    def __init__(
        self, rows: int, every: int = 1, reference: Small | None = None, quiet: int = 0
    ) -> None:
        self.rows, self.every, self.quiet = rows, every, quiet
        self.reference = np.empty((0, 0), np.float32) if reference is None else reference

    @property
    def alert(self) -> bool:
        """Whether the next frame is to be compared."""
        return self.quiet < ATTENTION or self.quiet % self.every == 0

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
        side = block_side(image.shape, self.rows)
        return Pose(dx * side, dy * side), aligned

    def learn(self, small: Small, rate: float) -> None:
        """Draw the reference toward a small picture that pose() returned."""
        frames = 1 if self.quiet < ATTENTION else self.every  # that it stands for
        self.reference = drawn(self.reference, small, min(rate * frames, 1.0))

    def watch(self, moved: bool, touched: float) -> None:
        """Note whether a frame had moved, and what share of its cells held foreground."""
        self.quiet = 0 if moved else self.quiet + 1
        if touched > ALARM:
            self.quiet += -self.quiet % self.every

    def turn(self, small: Small, dx: float, dy: float) -> None:
        """Take over a view that lies dx farther left and dy farther up on the scene.

        Parameters
        ----------
        small
            The small picture of the new view, where it shows what the reference has not.
        dx, dy
            Pixels of a small picture.
        """
        back = Pose(-dx, -dy)
        known = back.covered(np.ones(small.shape, np.uint8), 0)
        self.reference = np.where(known > 0, back.still(self.reference), small)

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
        fine, target = detail(small), detail(reference)
        dx, dy = refine(fine, target, dx, dy, max(1, self.rows // FINE))
        if abs(dx) + abs(dy) < LEAST_SHIFT:
            return 0.0, 0.0
        before = blocks(np.abs(fine - target), self.rows)
        # To move by a part of a pixel takes noise away, whichever way it goes.
        after, contrary = (
            blocks(np.abs(Pose(sign * dx, sign * dy).still(fine) - target), self.rows)
            for sign in (1, -1)
        )
        least = np.minimum(before, contrary)
        votes = np.mean(after < BETTER * least) - np.mean(before < BETTER * after)
        return (dx, dy) if votes > MAJORITY else (0.0, 0.0)


class Seen(NamedTuple):
    """A frame beside the learnt view."""

    pose: Pose
    still: NDArray[Any]
    """The image where the view has it, as bright as it came."""
    small: Small
    """What the stabiliser should learn of it."""
    blocks: Blocks
    """What the light should learn of it."""


def compare(
    image: NDArray[Any], scale: float, stabiliser: Stabiliser | None, light: Light | None
) -> Seen:
    """An image beside what is known of the view; without one of them that stays as it is.

    Parameters
    ----------
    image
        (height, width) or (height, width, channels), any type.
    scale
        Brings its values to 0..255.
    stabiliser, light
        What is known. They learn nothing.
    """
    pose, small, blocks = Pose(), NOTHING, NOTHING
    if stabiliser is not None:
        pose, small = stabiliser.pose(image, scale)
    still = pose.still(image) if pose.moved else image
    if light is not None:
        blocks = block_levels(still, scale)
        pose = pose._replace(tone=light.tone(blocks))
    return Seen(pose, still, small, blocks)


def block_side(shape: tuple[int, ...], rows: int) -> int:
    """Pixels of an image of `shape` that make one of the small picture."""
    return max(1, round(min(shape[:2]) / rows))


def small_size(shape: tuple[int, ...], rows: int) -> tuple[int, int]:
    """(height, width) of the small picture of an image of `shape`."""
    side = block_side(shape, rows)
    return shape[0] // side, shape[1] // side


def shrink(image: NDArray[Any], rows: int, scale: float) -> Small:
    """The small luma of an image, 0..255: the mean of its channels in each block."""
    means = block_means(np.ascontiguousarray(image), block_side(image.shape, rows))
    return means * np.float32(scale)


def detail(small: Small) -> Small:
    """A picture without its slow changes, so that light cannot hide a shift."""
    return np.asarray(small - cv2.blur(small, (7, 7)), np.float32)


def blocks(small: Small, rows: int) -> Small:
    """Mean of each block of a small picture that was made with `rows`."""
    side = max(1, rows // BLOCKS)
    size = max(1, small.shape[1] // side), max(1, small.shape[0] // side)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.float32)
