"""Where things moved in the last masks, and where there are ghosts: bits of a byte for each pixel.

NOW and BEFORE are set near what moved in the last mask and in the one before, GHOST on a ghost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
NOW, BEFORE, GHOST = 1, 2, 4
NOTHING, FULL = np.uint8(0), np.uint8(255)  # the compiler takes bare numbers for wider ones


@njit(**OPTIONS)
def remember(mask, moving, plane):
    """Move NOW to BEFORE, keep GHOST where `mask` is 255, and put what else is 255 into `plane`."""
    for y in range(mask.shape[0]):
        labels, bits, movers = mask[y], moving[y], plane[y]
        for x in range(labels.size):
            foreground = FULL if labels[x] == FULL else NOTHING
            ghost = np.uint8(bits[x] & foreground & GHOST)
            bits[x] = ((bits[x] & NOW) << 1) | ghost
            movers[x] = NOTHING if ghost else foreground


@njit(**OPTIONS)
def add(plane, moving):
    """Set NOW where `plane` is 255."""
    for y in range(moving.shape[0]):
        near, bits = plane[y], moving[y]
        for x in range(bits.size):
            bits[x] |= near[x] & NOW
