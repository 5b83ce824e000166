"""The Gaussians of every pixel, outside of a model's state."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import require
from bgsub.models.params import MixtureParams

LUMA = (0.114, 0.587, 0.299)
"""Of blue, green and red (ITU-R BT.601)."""
RED, BLUE = 0.713, 0.564
"""Cr = RED (red - luma) + 128, Cb = BLUE (blue - luma) + 128."""


class Modes(NamedTuple):
    """The Gaussians of every pixel, in grey levels of 0 to 255 whatever the frames' type is.

    With color = "ycrcb" the channels of colour are luma, Cr and Cb, and the variance is that of
    luma; with "bgr" it is the sum over the channels.
    """

    weights: NDArray[np.float32]
    """(height, width, K), 0 where there is no mode."""
    means: NDArray[np.float32]
    """(height, width, K, channels); grey has one channel."""
    variances: NDArray[np.float32]
    """(height, width, K) squared grey levels."""


def is_ycrcb(params: MixtureParams, channels: int) -> bool:
    """Whether pixels of `channels` are compared as luma and chroma."""
    return params.variant(channels).ycrcb


def to_space(image: NDArray[Any], params: MixtureParams, value_range: float) -> NDArray[Any]:
    """An image (height, width[, channels]) as the model compares it, in levels of 0 to 255.

    uint8 stays uint8, rounded; all else becomes float32.
    """
    eight = image.dtype == np.uint8 and value_range == 255
    channels = image.shape[2] if image.ndim == 3 else 1
    if not is_ycrcb(params, channels):
        return image if eight else (image * np.float32(255 / value_range)).astype(np.float32)
    if eight:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb), np.uint8)
    blue, green, red = np.moveaxis(image.astype(np.float32) * np.float32(255 / value_range), 2, 0)
    luma = LUMA[0] * blue + LUMA[1] * green + LUMA[2] * red
    return np.stack([luma, RED * (red - luma) + 128, BLUE * (blue - luma) + 128], axis=2)


def to_bgr(means: NDArray[Any], params: MixtureParams) -> NDArray[np.float32]:
    """Colours (..., channels) of the model's space in grey levels of blue, green and red."""
    if not is_ycrcb(params, means.shape[-1]):
        return np.asarray(means, np.float32)
    luma, cr, cb = np.moveaxis(np.asarray(means, np.float32), -1, 0)
    red, blue = luma + (cr - 128) / RED, luma + (cb - 128) / BLUE
    green = (luma - LUMA[2] * red - LUMA[0] * blue) / LUMA[1]
    return np.stack([blue, green, red], axis=-1)


def check(modes: Modes, params: MixtureParams) -> None:
    """Raise ConfigError unless a model with `params` can start from `modes`."""
    height, width, k = modes.weights.shape
    require(
        modes.means.shape[:3] == (height, width, k) and modes.means.ndim == 4,
        f"expected means of shape {(height, width, k)} and channels, got {modes.means.shape}",
    )
    require(
        modes.variances.shape == (height, width, k),
        f"expected variances of shape {(height, width, k)}, got {modes.variances.shape}",
    )
    require(
        k <= params.modes,
        f"expected at most {params.modes} modes, as many as the model has, got {k}; raise modes "
        "or fit fewer components",
    )
    require(
        bool(np.isfinite([a.sum() for a in modes]).all() and (modes.weights >= 0).all()),
        "expected finite modes with weights of at least 0",
    )
    require(bool((modes.weights.sum(axis=2) > 0).all()), "expected a mode for every pixel")


def main_mode(modes: Modes) -> NDArray[np.intp]:
    """Each pixel's mode with the largest weight / sigma, (height, width, 1).

    The rank of Stauffer and Grimson (1999): much evidence, little variance. A wide mode is not
    one colour, but whatever passes by.
    """
    rank = modes.weights / np.sqrt(np.maximum(modes.variances, 1e-3))
    return np.asarray(rank.argmax(axis=2)[:, :, None], np.intp)


def is_narrow(modes: Modes, params: MixtureParams) -> NDArray[np.bool_]:
    """Which modes can be background, (height, width, K): the main one, and all narrow ones."""
    narrow = modes.variances <= params.maximum_variance
    np.put_along_axis(narrow, main_mode(modes), True, axis=2)
    return narrow & (modes.weights > 0)


def in_background(modes: Modes, params: MixtureParams) -> NDArray[np.bool_]:
    """Which modes count as background, (height, width, K): narrow, and heavy enough."""
    weights, narrow = modes.weights, is_narrow(modes, params)
    if params.weight_bar > 0:
        return narrow & (weights >= params.weight_bar)
    order = np.argsort(-weights, axis=2, kind="stable")
    falling = np.take_along_axis(weights, order, axis=2)
    base = np.cumsum(falling, axis=2) - falling < params.background_share
    found = np.empty_like(base)
    np.put_along_axis(found, order, base, axis=2)
    return found & narrow


def joined(
    modes: Modes, params: MixtureParams, shares: NDArray[np.float32] | None = None
) -> tuple[Modes, NDArray[np.float32]]:
    """Modes that a model could not tell apart made one, with the same moments.

    A fit cuts a slow change of the light into modes one after the other, and coarse noise into
    modes side by side; to the online model each is one.

    Parameters
    ----------
    modes
        Heaviest first.
    params
        Say what a model can tell apart.
    shares
        (height, width, parts, K) of each mode in parts of the time, to be added up too.

    Returns
    -------
    modes, shares
        Of the same shapes; a mode that was joined to another has weight 0.
    """
    weights, means, variances = (array.copy() for array in modes)
    height, width, k = weights.shape
    shares = np.zeros((height, width, 0, k), np.float32) if shares is None else shares.copy()
    ycrcb = is_ycrcb(params, means.shape[3])
    for i in range(k):
        for j in range(i + 1, k):
            step = means[:, :, j] - means[:, :, i]
            far = step[..., 0] ** 2 if ycrcb else (step**2).sum(axis=2)
            luma = means[:, :, i, 0]
            floor = np.minimum(
                params.luma_floor + params.luma_slope * luma,
                params.dark_floor + params.dark_slope * luma,
            )
            variance = np.minimum(variances[:, :, i], params.maximum_variance)
            near = far < np.maximum(floor**2, params.match_sigmas**2 * variance)
            if ycrcb:
                near &= np.abs(step[..., 1:]).sum(axis=2) < params.chroma_radius
            near &= (weights[:, :, i] > 0) & (weights[:, :, j] > 0)
            total = weights[:, :, i] + weights[:, :, j]
            part = np.where(near, weights[:, :, j] / np.maximum(total, 1e-6), 0).astype(np.float32)
            spread = variances[:, :, j] - variances[:, :, i] + (1 - part) * far
            means[:, :, i] += part[..., None] * step
            variances[:, :, i] += part * spread
            weights[:, :, i] = np.where(near, total, weights[:, :, i])
            weights[:, :, j] = np.where(near, 0, weights[:, :, j])
            shares[..., i] += shares[..., j] * near[:, :, None]
            shares[..., j] *= ~near[:, :, None]
    return Modes(weights, means, variances), shares
