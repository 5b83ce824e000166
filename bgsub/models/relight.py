"""Find what is foreground only because the light on it changed, by the texture it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import online, texture
from bgsub.kernels.means import ROWS, SUMS

CELL_ROWS = 120  # about, of the short side: what the texture is judged on
WHOLE = np.ones(1, np.float32)


def forgive(
    mask: NDArray[np.uint8],
    kept: NDArray[np.uint32],
    image: NDArray[Any],
    factors: NDArray[np.float32],
    offset: float,
    learnt: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    correlation: float,
    label: int,
) -> None:
    """Take from the mask's foreground what is the background in another light.

    Parameters
    ----------
    mask
        (height, width) uint8, 255 where there is foreground. Changed in place.
    kept
        For each tile one bit a pixel, as in `shade.Shadows`, set where it is. Changed in place.
    image
        (height, width[, channels]) picture.
    factors, offset
        The luma, 0 to 255, of a pixel is the sum of its channels times these, and the offset.
    learnt
        Gives (height, width) uint8 luma of the background in tiles, uint8, that are set.
    correlation
        Least correlation of the two.
    label
        What it is given.
    """
    height, width = mask.shape
    side = max(2, round(min(mask.shape) / CELL_ROWS))
    if mask.max() < 255 or min(mask.shape) < texture.SIDE * side:
        return
    size = height // side, width // side
    held = np.empty(size, np.float32)
    texture.held_cells(mask, side, held)
    blocks = np.empty([-(-n // texture.BLOCK) for n in size], np.uint8)
    if not texture.comparable(held, blocks):
        return
    cells, tiles = np.zeros(size, np.uint8), np.zeros(online.tiles(mask.size), np.uint8)
    texture.compared(blocks, side, width, cells, tiles)

    def levels(
        picture: NDArray[Any], factors: NDArray[np.float32] = WHOLE, offset: float = 0.0
    ) -> NDArray[np.float32]:
        rows, found = picture.reshape(height, -1), np.zeros(size, np.float32)
        sums, step = np.empty(rows.shape[1], SUMS[picture.dtype.name]), max(1, side // ROWS)
        texture.cell_levels(rows, side, step, factors, np.float32(offset), cells, sums, found)
        return found

    views = levels(image, factors, offset), levels(learnt(tiles))
    texture.forgive(mask, kept, blocks, *views, held, side, correlation, label)
