"""How a frame lies against the view the model has learnt: its shift, its scale, and its light.

Kuglin and Hines, "The phase correlation image alignment method", ICCS 1975, finds the shift, and
Lucas and Kanade's steps refine it, or go on from the last frame's pose with the scale as a further
unknown; the blocks of the picture then vote, so that a large moving thing cannot carry the view
along.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels.means import block_means
from bgsub.kernels.shift import glimpse, grown, refine
from bgsub.kernels.translate import translated
from bgsub.models.light import Blocks, Light, Tone, block_levels, brightened, drawn

Small = NDArray[np.float32]
NOTHING = np.empty((0, 0), np.float32)

BLOCKS = 6  # along the short side of the picture; they vote
LEAST_SIDE = 20  # pixels of a small picture below which it tells no shift
LEAST_ZOOMED = 40  # and below which it tells no scale: few blocks vote
LEAST_SHIFT = 0.1  # small pixels; less is noise of the estimate
FARTHEST = 0.25  # share of the side; of a view that lies farther off too little is left
FINE = 60  # rows on which the shift is refined, and a scale looked for
DETAIL = 7, 7  # pixels of a small picture over which slow changes are averaged
TURNED = 0.1  # share of the side beyond which the view follows the camera
GLIMPSED = 2  # every so many rows are glimpsed at
STRANGE = 16.0  # grey levels; what differs by so much weighs little: it may move by itself
ALIKE = 0.2  # of the edges' strength; a picture that differs by less lies at the same place
BETTER = 0.9  # a block votes for a shift that lowers its residual below this share
ATTENTION = 25  # frames for which every one is compared, after one that had moved
ALARM = 0.3  # share of the cells with foreground from which it may be the camera
MAJORITY = 0.4  # votes for, less votes against, as a share of the blocks
LEAST_GROWTH = 0.004  # of a scale; less is noise of the estimate
MOST_GROWTH = 0.03  # a step
GROWTH_STEPS = 5
ZOOMED = 0.1  # growth beyond which the view follows the camera
RESTED = 0.02  # the same once it grows no more
REST = 0.0005  # growth between two frames below which it has come to rest


class Pose(NamedTuple):
    """Where a frame lies, and how bright it is."""

    dx: float = 0.0
    """Pixels by which the picture has moved right."""
    dy: float = 0.0
    """Pixels by which it has moved down."""
    tone: Tone = ()
    """What makes its channels as bright as the view."""
    scale: float = 1.0
    """How many times as large things are, about the top left corner: what the view has x pixels
    right of it, the frame has at scale * x + dx."""

    @property
    def moved(self) -> bool:
        return self.dx != 0 or self.dy != 0 or self.scale != 1

    def steady(self, image: NDArray[Any], top: float) -> NDArray[Any]:
        """The image moved back to the learnt view, and as bright as it, at most `top`."""
        image = self.still(image) if self.moved else np.ascontiguousarray(image)
        return brightened(image, self.tone, top)

    def still(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image moved back to the learnt view."""
        if image.dtype == np.uint8 and self.scale == 1:
            return translated(np.ascontiguousarray(image), self.dx, self.dy)
        s, half = self.scale, (self.scale - 1) / 2  # whole numbers are the pixels' centres
        matrix = np.array([[s, 0, self.dx + half], [0, s, self.dy + half]])
        size = (image.shape[1], image.shape[0])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = cv2.warpAffine(image, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(back).reshape(image.shape)

    def settled(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of the frame moved back to the learnt view; they are not mixed."""
        return _carried(labels, self)

    def turned(self, shape: tuple[int, ...], last: Pose) -> Pose:
        """Where the view should follow the camera to; mostly nowhere.

        A camera that shakes comes back; one that is far off has turned, and one whose scale stays
        has come to rest. Without a change of scale it is followed by whole pixels.

        Parameters
        ----------
        shape
            Of the view.
        last
            Pose of the frame before.
        """
        height, width = shape[:2]
        dx, dy = self.off(height, width)
        far = abs(dx) > TURNED * width or abs(dy) > TURNED * height
        if self.scale == 1:
            return Pose(round(dx), round(dy)) if far else Pose()
        rests = last.scale != 1 and abs(self.scale / last.scale - 1) < REST
        zoomed = abs(self.scale - 1) > (RESTED if rests else ZOOMED)
        return self._replace(tone=()) if far or zoomed else Pose()

    def beside(self, other: Pose) -> Pose:
        """Where the frame lies for a view that has followed to `other`."""
        scale = self.scale / other.scale
        dx, dy = self.dx - scale * other.dx, self.dy - scale * other.dy
        return self._replace(dx=dx, dy=dy, scale=scale)

    @property
    def back(self) -> Pose:
        """Where the view lies for the frame."""
        return Pose(-self.dx / self.scale, -self.dy / self.scale, scale=1 / self.scale)

    def times(self, side: float) -> Pose:
        """The same in pixels of which `side` make one."""
        return self._replace(dx=self.dx * side, dy=self.dy * side)

    def shaken(self, image: NDArray[Any]) -> NDArray[Any]:
        """A picture of the learnt view moved to where the frame lies; values are not mixed.

        After a shift the outermost pixels go on; what a wider view shows for the first time is 0.
        """
        return _carried(image, self.back, None if self.scale == 1 else 0)

    def covered(self, flags: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """Flags of the frame moved back to the learnt view; what it does not show is `outside`."""
        return _carried(flags, self, outside)

    def source(self, shape: tuple[int, ...]) -> NDArray[np.intp]:
        """(height * width,) number of the frame's pixel that shows what each of the view's does.

        -1 where the frame does not show it.
        """
        height, width = shape
        rows, columns = _places(height, self.scale, self.dy), _places(width, self.scale, self.dx)
        known = ((rows >= 0) & (rows < height))[:, None] & (columns >= 0) & (columns < width)
        return np.where(known, rows[:, None] * width + columns, -1).reshape(-1)

    def off(self, height: int, width: int) -> tuple[float, float]:
        """Pixels (right, down) by which the middle of the view has moved."""
        growth = (self.scale - 1) / 2
        return self.dx + growth * width, self.dy + growth * height

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of the part of the view that the frame shows whole."""
        top, left = (max(0, math.ceil(-d / self.scale)) for d in (self.dy, self.dx))
        bottom = min(height, math.floor((height - self.dy) / self.scale))
        return top, bottom, left, min(width, math.floor((width - self.dx) / self.scale))


def _places(length: int, scale: float, shift: float) -> NDArray[np.intp]:
    """Number of the pixel that lies where each of `length` does in a row of another scale."""
    places = np.floor(scale * (np.arange(length) + 0.5) + shift)
    return np.asarray(places, np.intp)


def _carried(image: NDArray[Any], pose: Pose, outside: int | None = None) -> NDArray[Any]:
    """What lies at each pixel's place in a frame of that pose; beyond its border `outside`.

    Without it, the outermost pixels go on.
    """
    height, width = image.shape
    if pose.scale != 1:
        rows, columns = _places(height, pose.scale, pose.dy), _places(width, pose.scale, pose.dx)
        found = image.take(rows, 0, mode="clip").take(columns, 1, mode="clip")
        if outside is not None:
            found[(rows < 0) | (rows >= height)] = outside
            found[:, (columns < 0) | (columns >= width)] = outside
        return found
    x, y = math.floor(pose.dx + 0.5), math.floor(pose.dy + 0.5)
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
    zoom
        Whether to look for a scale too.
    reference, quiet, last
        What another one knew, to go on from there.

    Attributes
    ----------
    reference
        (height, width) float32 grey levels, (0, 0) before the first frame.
    quiet
        Frames learnt since the last that had moved, or more after one full of foreground.
    last
        Where the last frame learnt lay.
    """

    def __init__(
        self,
        rows: int,
        every: int = 1,
        zoom: bool = False,
        reference: Small | None = None,
        quiet: int = 0,
        last: Pose | None = None,
    ) -> None:
        self.rows, self.every, self.zoom, self.quiet = rows, every, zoom, quiet
        self.reference = np.empty((0, 0), np.float32) if reference is None else reference
        self.last = Pose() if last is None else last

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
        if self._still(small):
            return Pose(), small
        side = block_side(image.shape, self.rows)
        found = Pose(*self._shift(small))
        if self.zoom and min(small.shape) >= LEAST_ZOOMED:
            found = self._zoomed(small, found, self.last.times(1 / side))
        aligned = found.still(small) if found.moved else small
        return found.times(side), aligned

    def learn(self, small: Small, rate: float, pose: Pose) -> None:
        """Draw the reference toward a small picture; pose() returned both."""
        frames = 1 if self.quiet < ATTENTION else self.every  # that it stands for
        self.reference = drawn(self.reference, small, min(rate * frames, 1.0))
        self.last = pose._replace(tone=())

    def watch(self, moved: bool, touched: float) -> None:
        """Note whether a frame had moved, and what share of its cells held foreground."""
        self.quiet = 0 if moved else self.quiet + 1
        if touched > ALARM:
            self.quiet += -self.quiet % self.every

    def turn(self, small: Small, pose: Pose) -> None:
        """Take over the view of a frame.

        Parameters
        ----------
        small
            The small picture of the new view, where it shows what the reference has not.
        pose
            Of the frame, in pixels of a small picture.
        """
        known = pose.back.covered(np.ones(small.shape, np.uint8), 0)
        self.reference = np.where(known > 0, pose.back.still(self.reference), small)

    def _still(self, small: Small) -> bool:
        """Whether one glimpse tells that a small picture lies where the reference does."""
        height, width = small.shape
        if min(height, width) < LEAST_SIDE:
            return True
        if self.last.scale != 1:
            return False
        box = 0, height, 0, width
        growth, dx, dy, off, edges = glimpse(small, self.reference, box, GLIMPSED, STRANGE)
        x, y = dx + growth * width / 2, dy + growth * height / 2
        told = growth != 0 or off == 0  # by edges in more than one direction
        rests = abs(x) + abs(y) < LEAST_SHIFT / 3 and abs(growth) < LEAST_GROWTH / 2
        return bool(told and rests and off < ALIKE * edges)

    def _zoomed(self, small: Small, shift: Pose, last: Pose) -> Pose:
        """The pose of a small picture if the blocks agree on a scale; else the shift alone."""
        coarse = max(1, self.rows // FINE)
        rows, reference = self.rows // coarse, self.reference
        if coarse > 1:
            small, reference = block_means(small, coarse), block_means(reference, coarse)
        pose = plain = shift.times(1 / coarse)
        if last.scale != 1:
            pose = last.times(1 / coarse)
        else:
            still = plain.still(small) if plain.moved else small
            growth = glimpse(still, reference, plain.box(*small.shape), GLIMPSED, math.inf)[0]
            if abs(growth) < LEAST_GROWTH:
                return shift
        fine, target = detail(small), detail(reference)
        usual = math.inf
        for _ in range(GROWTH_STEPS):
            warped = pose.still(fine) if pose.moved else fine
            growth, dx, dy, miss = grown(warped, target, pose.box(*small.shape), 1, usual)
            growth = min(max(growth, -MOST_GROWTH), MOST_GROWTH)
            s = pose.scale
            pose = Pose(pose.dx - s * dx, pose.dy - s * dy, scale=s * (1 - growth))
            usual = 1.5 * miss + 1
        height, width = small.shape
        x, y = pose.off(height, width)
        far = abs(x) > FARTHEST * width or abs(y) > FARTHEST * height
        if far or abs(pose.scale - 1) < LEAST_GROWTH:
            return shift
        # A shift alone that took some of a zoom leaves fewer blocks to vote against it.
        plains = (Pose(), MAJORITY), (plain, MAJORITY / 2 if plain.moved else MAJORITY)
        agreed = all(_votes(fine, target, other, pose, rows) > bar for other, bar in plains)
        return pose.times(coarse) if agreed else shift

    def _shift(self, small: Small) -> tuple[float, float]:
        """Pixels of the small picture; zeros unless the blocks agree that it moved."""
        reference = self.reference
        height, width = small.shape
        if min(height, width) < LEAST_SIDE:
            return 0.0, 0.0
        # OpenCV 5 multiplies its first argument by the window in place.
        (dx, dy), _ = cv2.phaseCorrelate(reference.copy(), small.copy(), _window(height, width))
        far = abs(dx) > FARTHEST * width or abs(dy) > FARTHEST * height
        if far or abs(dx) + abs(dy) < LEAST_SHIFT:
            return 0.0, 0.0
        fine, target = detail(small), detail(reference)
        dx, dy = refine(fine, target, dx, dy, max(1, self.rows // FINE))
        if abs(dx) + abs(dy) < LEAST_SHIFT:
            return 0.0, 0.0
        votes = _votes(fine, target, Pose(), Pose(dx, dy), self.rows)
        return (dx, dy) if votes > MAJORITY else (0.0, 0.0)


@cache
def _window(height: int, width: int) -> Small:
    """Hann's window, which keeps a picture's border out of its spectrum."""
    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)


def _votes(fine: Small, target: Small, plain: Pose, pose: Pose, rows: int) -> float:
    """Blocks for a pose, less those for the plainer one, as a share of all.

    To move by a part of a pixel takes noise away, whichever way it goes: the contrary tells how
    much.
    """
    contrary = Pose(2 * plain.dx - pose.dx, 2 * plain.dy - pose.dy, scale=2 - pose.scale)
    before, after, other = (
        blocks(np.abs((p.still(fine) if p.moved else fine) - target), rows)
        for p in (plain, pose, contrary)
    )
    least = np.minimum(before, other)
    return float(np.mean(after < BETTER * least) - np.mean(before < BETTER * after))


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
    return np.asarray(small - cv2.blur(small, DETAIL), np.float32)


def blocks(small: Small, rows: int) -> Small:
    """Mean of each block of a small picture that was made with `rows`."""
    side = max(1, rows // BLOCKS)
    size = max(1, small.shape[1] // side), max(1, small.shape[0] // side)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.float32)
