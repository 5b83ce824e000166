"""Find what is foreground only because the light on it changed, by the texture it keeps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import texture
from bgsub.kernels.means import block_means

CELL_ROWS = 120  # about, of the short side: what the texture is judged on


def forgive(
    mask: NDArray[np.uint8],
    kept: NDArray[np.uint32],
    lumas: Callable[[slice], tuple[NDArray[np.uint8], NDArray[np.uint8]]],
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
    lumas
        Gives uint8 luma of these rows of the picture, and of the background.
    correlation
        Least correlation of the two.
    label
        What it is given.
    """
    held = np.flatnonzero(mask.max(axis=1) == 255)
    side = max(2, round(min(mask.shape) / CELL_ROWS))
    reach = texture.SIDE * side
    if held.size == 0 or min(mask.shape) < reach:
        return
    top = max(int(held[0]) // reach * reach - reach, 0)
    rows = slice(top, int(held[-1]) + reach)
    shown, learnt = (small(luma, side) for luma in lumas(rows))
    cells_held = (small(mask[rows], side) >= 128).astype(np.float32)
    texture.forgive(mask, kept, shown, learnt, cells_held, top, side, correlation, label)


def small(luma: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Whole means of the square cells of `side` pixels; what is left at the end belongs to none."""
    return np.rint(block_means(np.ascontiguousarray(luma), side))
