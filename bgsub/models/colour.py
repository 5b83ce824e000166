"""Whether a picture shows colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import glance

COLOURLESS = 0.02  # spread of the channels, as a share of the brightness
SAMPLES = 32, 24  # columns and rows of pixels that are looked at


def has_colour(image: NDArray[Any]) -> bool:
    """Whether a picture shows colours; an infrared camera's three channels may be all alike."""
    if image.ndim != 3 or image.shape[2] != 3:
        return False
    height, width, _ = image.shape
    columns, rows = SAMPLES
    most, least = glance.extremes(
        np.ascontiguousarray(image).reshape(-1), height, width, rows, columns
    )
    return bool(most - least > COLOURLESS * (most + least) / 2)
