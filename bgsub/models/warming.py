"""What a model costs before its first frame: compiling, and memory."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from bgsub.kernels import cache, online
from bgsub.mixture import fit_pixels
from bgsub.models.adaptive import AdaptiveMixture
from bgsub.models.params import MixtureParams

SIZE = (16, 32)


def warm_up(params: MixtureParams) -> None:
    """Compile all that a model of 8-bit pictures, grey or colour, may need, into numba's cache."""
    region = np.ones(SIZE, np.uint8)
    for shape in (SIZE, (*SIZE, 3)):
        model = AdaptiveMixture(params, threads=1)
        image = np.full(shape, 100, np.uint8)
        for roi in (None, region):
            for rate in (None, 0.0):
                model.apply(image, learning_rate=rate, roi=roi)
        model.background()
        model.certainty()
        model.foreground_probability()


def warm_up_learning() -> None:
    """Compile what `learn` needs for 8-bit pictures, grey or colour."""
    for shape in (SIZE, (*SIZE, 3)):
        fit_pixels(np.full((8, *shape), 100, np.uint8), "bic", "diag")


def memory_bytes(params: MixtureParams, shape: tuple[int, ...]) -> int:
    """Bytes that the state of a model takes for frames of `shape`."""
    channels = shape[2] if len(shape) == 3 else 1
    size, dtype = online.layout(params.variant(channels), shape[0] * shape[1])
    return math.prod(size) * dtype.itemsize


def cache_folder() -> tuple[Path, Path]:
    """Where compiled kernels are kept, and where they should be."""
    return cache.folder(), cache.wanted()
