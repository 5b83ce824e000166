"""Warnings where users stumble, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bgsub.mixture.compat import MixtureWarning, warn
from bgsub.mixture.samples import Samples

if TYPE_CHECKING:
    from bgsub.mixture.base import Mixture

WIDE = 10
"""Features from which full covariances are checked against the number of samples."""


def _advise(message: str) -> None:
    warn(message, MixtureWarning)


def before(mixture: Mixture[Any], data: Samples) -> None:
    """Of the data and settings, before a fit."""
    form, k, d = mixture._form, mixture.n_components, data.features
    parameters = form.parameters(k, d) + k * d + k - 1
    if mixture.covariance_type == "full" and d >= WIDE and data.count < parameters:
        _advise(
            f"{k} full covariances of {d} features have {parameters} parameters, for "
            f"{data.count} samples: the fit will follow the noise. Use covariance_type='tied' "
            f"({d * (d + 1) // 2 + k * d + k - 1} parameters) or 'diag' ({2 * k * d + k - 1}), "
            "fewer components, or fewer features (principal components)."
        )


def after(mixture: Mixture[Any], data: Samples) -> None:
    """Of what was found."""
    covariances = np.asarray(mixture.covariances_, float)
    matrices = mixture._form.matrices(covariances, *mixture.means_.shape)
    variances = np.diagonal(matrices, axis1=1, axis2=2)
    if not mixture._form.shared:
        rounding = data.epsilon * np.asarray(mixture.means_, float)
        _collapse(variances, rounding**2, data, mixture.reg_covar)
    weights = np.asarray(mixture.weights_, float)
    empty = np.flatnonzero(weights * data.count < 1e-8)
    if empty.size and not mixture._spare:
        _advise(
            f"components {empty.tolist()} have no samples left (weight below 1e-8 / n_samples) and "
            "stay where they were: lower n_components, drop them with pruned(), or start "
            "otherwise (init_params, n_init, random_state)"
        )


def _collapse(variances: Any, rounding: Any, data: Samples, floor: float) -> None:
    """Of components whose variances are the floor, or the rounding of the samples."""
    held = variances <= np.maximum(1.01 * floor, 4 * rounding)
    if not held.any():
        return
    _, overall = data.moments(diagonal=True)
    low = np.flatnonzero((overall > 0) & (overall < floor))
    if low.size:
        _advise(
            f"reg_covar={floor:g} is more than the variance of features {low.tolist()} "
            f"(smallest {overall[low].min():.3g}): it decides their shape, not the data. "
            "Scale the features to about unit variance, or lower reg_covar."
        )
    collapsed = np.flatnonzero((held | (overall <= 0)).all(1) & (overall > floor).any())
    if collapsed.size:
        _advise(
            f"components {collapsed.tolist()} have collapsed onto single points (or repeated "
            f"ones); reg_covar={floor:g} alone keeps them from vanishing. Lower n_components, "
            "raise reg_covar, or start otherwise (init_params, n_init)."
        )
