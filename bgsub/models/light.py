"""How bright a frame is, channel by channel, beside the light in which the view was learnt.

The median of quotients of Chen and Ellis, "A self-adaptive Gaussian mixture model", CVIU 122
(2014), over the blocks of a picture of samples: a thing that moves cannot carry it along. Each
channel has its own, because a camera that balances its white changes them against each other.

An infrared camera stretches its contrast, and haze or a lamp in the lens takes some: then a gain
and an offset, view = gain * frame + offset, which is the radiometric change of Negahdaripour,
"Revised definition of optical flow", IEEE PAMI 20 (1998), eq. 3, with one pair for a channel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import glance, tone

Blocks = NDArray[np.float32]


class Line(NamedTuple):
    """What makes the grey levels, 0..255, of a channel those of the view."""

    gain: float
    offset: float = 0.0


Tone = tuple[Line, ...]
"""A line for each channel; empty where the light is the same."""

BLOCKS = 8, 6  # columns and rows
EACH = 4  # samples along the side of a block


class Light:
    """Remembers how bright the blocks of the view are, and compares frames with it.

    `reference` is all it knows: (6, 8, channels) float32 grey levels, empty before the first frame.
    With `contrast` it looks for offsets too.
    """

    def __init__(self, contrast: bool = True, reference: Blocks | None = None) -> None:
        self.contrast = contrast
        self.reference = np.empty((0, 0, 0), np.float32) if reference is None else reference

    def tone(self, blocks: Blocks) -> Tone:
        """What makes a frame of these blocks as bright as the view, or nothing to do."""
        if self.reference.size == 0:
            return ()
        seen, target = (b.reshape(-1, blocks.shape[2]) for b in (blocks, self.reference))
        lines, changed = tone.find(seen, target, self.contrast)
        return tuple(Line(*line) for line in lines.tolist()) if changed else ()

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


def brightened(image: NDArray[Any], tone: Tone, top: float) -> NDArray[Any]:
    """The image with each channel's line applied, 0 to `top`."""
    if not tone:
        return image
    gains, offsets = np.array(tone, np.float32).T
    lines = np.column_stack([np.diag(gains), offsets * np.float32(top / 255)])
    made = np.asarray(cv2.transform(image, lines)).reshape(image.shape)
    return made if image.dtype == np.uint8 else np.clip(made, 0, image.dtype.type(top))
