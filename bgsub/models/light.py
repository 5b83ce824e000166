"""How bright a frame is, channel by channel, beside the light in which the view was learnt.

The median of quotients of Chen and Ellis, "A self-adaptive Gaussian mixture model", CVIU 122
(2014), over the blocks of a picture of samples: a thing that moves cannot carry it along. Each
channel has its own, because a camera that balances its white changes them against each other.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import glance

Blocks = NDArray[np.float32]
Gains = tuple[float, ...]
"""What the grey levels of each channel must be multiplied by; empty where the light is the same."""

BLOCKS = 8, 6  # columns and rows
EACH = 4  # samples along the side of a block
LEAST = 0.02  # change of a channel that is worth following
AGREE, SUPPORT = 0.05, 0.5  # share of the blocks that must agree on the gain, within 5 %
RANGE = 0.5, 2.0


class Light:
    """Remembers how bright the blocks of the view are, and compares frames with it.

    `reference` is all it knows: (6, 8, channels) float32 grey levels, empty before the first frame.
    """

    def __init__(self, reference: Blocks | None = None) -> None:
        self.reference = np.empty((0, 0, 0), np.float32) if reference is None else reference

    def gains(self, blocks: Blocks) -> Gains:
        """What makes a frame of these blocks as bright as the view, or nothing to do."""
        if self.reference.size == 0:
            return ()
        middle, near = glance.median_quotients(self.reference, blocks, AGREE)
        gains = tuple(middle.tolist())
        dimmest, brightest = min(gains), max(gains)
        low, high = RANGE
        changed = max(brightest - 1, 1 - dimmest) >= LEAST
        followed = changed and near >= SUPPORT and low < dimmest and brightest < high
        return gains if followed else ()

    def learn(self, blocks: Blocks, rate: float) -> None:
        """Draw the reference toward a frame's blocks."""
        self.reference = drawn(self.reference, blocks, rate)


def drawn(
    reference: NDArray[np.float32], seen: NDArray[np.float32], rate: float
) -> NDArray[np.float32]:
    """A reference drawn toward what is seen, by that share; an empty one takes it whole."""
    if reference.size == 0:
        return seen
    return np.asarray(reference + np.float32(rate) * (seen - reference), np.float32)


def block_levels(image: NDArray[Any], scale: float) -> Blocks:
    """(6, 8, channels) mean grey level of each block, 0..255, from a few samples.

    Parameters
    ----------
    image
        (height, width) or (height, width, channels), any type.
    scale
        Brings its values to 0..255.
    """
    height, width, channels = (*image.shape, 1)[:3]
    columns, rows = BLOCKS
    row = np.ascontiguousarray(image).reshape(-1)
    means = glance.block_means(row, height, width, channels, rows, columns, EACH)
    return np.asarray(means * np.float32(scale))


def brightened(image: NDArray[Any], gains: Gains, top: float) -> NDArray[Any]:
    """The image with each channel times its gain, at most `top`."""
    if not gains:
        return image
    factors = np.diag(np.array(gains, np.float32))
    made = np.asarray(cv2.transform(image, factors)).reshape(image.shape)
    return made if image.dtype == np.uint8 else np.minimum(made, image.dtype.type(top))
