"""What a model asks of an image before it learns from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require

TYPES = ("uint8", "uint16", "float32")
KINDS = frozenset(np.dtype(name) for name in TYPES)


def image(
    picture: NDArray[Any],
    shape: tuple[int, ...] | None,
    dtype: np.dtype[Any],
    value_range: float | None,
) -> NDArray[Any]:
    """`picture` itself, if a model of `shape` and `dtype` (None: any) can take it."""
    if not isinstance(picture, np.ndarray):
        raise FrameError(f"expected an image as a numpy array, got {type(picture).__name__}")
    if picture.dtype not in KINDS:
        raise FrameError(
            f"expected an image of {', '.join(TYPES)}, got {picture.dtype}; convert it, "
            "for example image.astype(np.float32)"
        )
    if shape is None:
        _new_shape(picture)
    elif picture.shape != shape or picture.dtype != dtype:
        raise FrameError(
            f"expected {dtype} {shape} like the frames before, got {picture.dtype} "
            f"{picture.shape}; call reset() to start a new size"
        )
    if picture.dtype == np.float32:
        _float_values(picture, 255.0 if value_range is None else value_range, shape is None)
    return picture


def dtype(name: str) -> np.dtype[Any]:
    """The type of frames called `name`. Raises ConfigError for one that no model takes."""
    require(name in TYPES, f"dtype must be one of {', '.join(TYPES)}, got {name!r}")
    return np.dtype(name)


def region(name: str, mask: NDArray[Any], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where `mask` is set. Raises FrameError when it has not the size of the frames."""
    where = np.asarray(mask)
    if where.shape != size:
        raise FrameError(f"expected {name} of shape {size} like the frames, got {where.shape}")
    return where.astype(np.bool_)


def labels(mask: NDArray[np.uint8], size: tuple[int, ...]) -> None:
    """Raises FrameError for what is no mask of the frames' size."""
    if mask.shape != size or mask.dtype != np.uint8:
        raise FrameError(
            f"expected a mask of uint8 {size} like the frames, got {mask.dtype} {mask.shape}"
        )


def _new_shape(picture: NDArray[Any]) -> None:
    channels = picture.shape[2] if picture.ndim == 3 else 1
    if picture.ndim not in (2, 3) or not 1 <= channels <= 4 or picture.size == 0:
        raise FrameError(
            "expected an image of shape (height, width) or (height, width, 1 to 4), "
            f"got {picture.shape}"
        )


def _float_values(picture: NDArray[np.float32], top: float, first: bool) -> None:
    low, high = float(picture.min()), float(picture.max())
    if not np.isfinite(low + high):
        raise FrameError("expected finite grey levels, got NaN or infinity; replace them first")
    if low < 0 or high > top:
        raise FrameError(
            f"expected grey levels of 0 to {top:g}, got {low:g} to {high:g}; "
            "set value_range to the largest value your images can have"
        )
    if first and top == 255 and 0 < high <= 1:
        raise FrameError(
            "expected grey levels of 0 to 255, but the first image holds 0 to 1; "
            "multiply it by 255 or set value_range=1.0"
        )
