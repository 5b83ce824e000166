"""Move an 8-bit picture by parts of a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bgsub.kernels.lanes import LANES, load, store, to_uint8, to_uint16

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
PARTS = 16  # of a pixel: the weights of four neighbours sum to 256, so 16 bits hold the sum


def translated(image: NDArray[np.uint8], dx: float, dy: float) -> NDArray[np.uint8]:
    """The picture whose pixel (x, y) lies at (x + dx, y + dy) in `image`, bilinear.

    Beyond the border of `image` its outermost pixels go on. C-contiguous, any channels; dx and dy
    are rounded to 1 / PARTS of a pixel.
    """
    height, numbers = len(image), image.size // len(image)
    channels = numbers // image.shape[1]
    (x, right), (y, down) = (divmod(round(d * PARTS), PARTS) for d in (dx, dy))
    weights = np.outer((PARTS - down, down), (PARTS - right, right)).astype(np.uint16)
    out = np.empty_like(image)
    blend(image.reshape(-1), height, numbers, channels, x, y, weights.reshape(-1), out.reshape(-1))
    return out


@njit(**OPTIONS)
def blend(image, height, numbers, channels, x, y, weights, out):
    """Weigh each four neighbours of flat rows of `numbers`; see translated()."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    step = x * channels
    first = min(max(-step, 0), numbers)
    last = max(min(numbers, numbers - channels - step), first)
    width = numbers // channels
    for row in range(height):
        upper = min(max(row + y, 0), height - 1) * numbers
        lower = min(max(row + y + 1, 0), height - 1) * numbers
        start, done = row * numbers, first
        while done + LANES <= last:
            at, below = upper + done + step, lower + done + step
            over = to_uint16(load(image, at)) * w0 + to_uint16(load(image, at + channels)) * w1
            under = to_uint16(load(image, below)) * w2
            under = under + to_uint16(load(image, below + channels)) * w3
            mean = (over + under + np.uint16(128)) >> np.uint16(8)
            store(out, start + done, to_uint8(mean))
            done += LANES
        for side in range(2):
            for n in range(done if side else 0, numbers if side else first):
                column, channel = n // channels + x, n % channels
                left = min(max(column, 0), width - 1) * channels + channel
                right = min(max(column + 1, 0), width - 1) * channels + channel
                total = (
                    image[upper + left] * w0
                    + image[upper + right] * w1
                    + image[lower + left] * w2
                    + image[lower + right] * w3
                )
                out[start + n] = (total + 128) >> 8
