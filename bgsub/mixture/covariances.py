"""The four forms of a covariance, beside each other.

==========  ============================  =====================================  ==============
form        parameters of K components    what a component looks like            array
==========  ============================  =====================================  ==============
spherical   K                             a ball of its own size                 (K,)
diag        K D                           an ellipsoid along the axes            (K, D)
tied        D (D + 1) / 2                 the same ellipsoid for all             (D, D)
full        K D (D + 1) / 2               an ellipsoid of its own, any way       (K, D, D)
==========  ============================  =====================================  ==============

A precision is the inverse of a covariance, and is kept as its factor U, upper triangular, with
precision = U U^T; for diagonal forms as the root.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import DataError
from bgsub.kernels.em import Sums

Array = NDArray[np.float64]

ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)


class Form(Protocol):
    """What EM must know of a form of covariance."""

    diagonal: bool
    """The compiled pass treats features apart."""
    shared: bool
    """All components have the same."""

    def shape(self, components: int, features: int) -> tuple[int, ...]:
        """Shape of the array that holds the covariances."""
        ...

    def parameters(self, components: int, features: int) -> int:
        """Number of free parameters in the covariances."""
        ...

    def estimate(self, sums: Sums, seen: Array, shift: Array, least: Array) -> Array:
        """Maximum-likelihood covariances.

        Parameters
        ----------
        sums
            What the compiled pass gathered, about old means.
        seen
            (components, 1) responsibility of each, or (components, features) with missing values.
        shift
            (components, features): new means minus those that the sums are about.
        least
            (components, features) variances that the rounding of the samples alone would give.
            Diagonal forms stay above; a matrix that collapses has no factor.
        """
        ...

    def add_to_diagonal(self, covariances: Array, floor: float) -> Array:
        """Covariances with `floor` added to every variance."""
        ...

    def precision_factor(self, covariances: Array) -> Array:
        """Factors U of the precisions. Raises DataError where there is none."""
        ...

    def factor_of_precision(self, precisions: Array) -> Array:
        """Factors U of given precisions."""
        ...

    def precisions(self, factors: Array) -> Array:
        """U U^T."""
        ...

    def covariances(self, factors: Array) -> Array:
        """The inverse of U U^T."""
        ...

    def spread(self, factors: Array, components: int, features: int) -> Array:
        """A factor for each component, as the compiled pass wants it."""
        ...

    def matrices(self, covariances: Array, components: int, features: int) -> Array:
        """(components, features, features), whatever the form."""
        ...

    def is_positive(self, matrices: Array) -> bool:
        """Whether `matrices` (covariances or precisions) are positive definite."""
        ...

    def inflation(self, covariances: Array, factors: Array) -> float:
        """The largest variance inflation factor of a feature within a component.

        A feature's variance over what is left of it once the others are known: 1 where they are
        independent.
        """
        ...


def upper_factor(covariances: Array) -> Array:
    """U with (U U^T) the inverse of each covariance, (..., D, D)."""
    try:
        lower = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        raise DataError(ILL_DEFINED) from None
    if not np.isfinite(lower).all():
        raise DataError(ILL_DEFINED)
    return np.ascontiguousarray(np.linalg.inv(lower).swapaxes(-1, -2))


def _flip(matrices: NDArray[Any]) -> NDArray[Any]:
    return matrices[..., ::-1, ::-1]


def _symmetric_positive(matrices: Array) -> bool:
    return bool(
        np.allclose(matrices, matrices.swapaxes(-1, -2))
        and (np.linalg.eigvalsh(matrices) > 0).all()
    )


class Full:
    """A matrix for each component."""

    diagonal = False
    shared = False

    def shape(self, components: int, features: int) -> tuple[int, ...]:
        return components, features, features

    def parameters(self, components: int, features: int) -> int:
        return components * features * (features + 1) // 2

    def estimate(self, sums: Sums, seen: Array, shift: Array, least: Array) -> Array:
        # Sum of r (x - m - s)(x - m - s)^T about the new mean m + s, where s is first / seen.
        between = shift[:, :, None] * shift[:, None, :]
        return np.asarray(sums.second / seen[:, :, None] - between)

    def add_to_diagonal(self, covariances: Array, floor: float) -> Array:
        return covariances + floor * np.eye(covariances.shape[-1])

    def precision_factor(self, covariances: Array) -> Array:
        return upper_factor(covariances)

    def factor_of_precision(self, precisions: Array) -> Array:
        return np.ascontiguousarray(_flip(np.linalg.cholesky(_flip(precisions))))

    def precisions(self, factors: Array) -> Array:
        return factors @ factors.swapaxes(-1, -2)

    def covariances(self, factors: Array) -> Array:
        lower = np.linalg.inv(factors).swapaxes(-1, -2)
        return lower @ lower.swapaxes(-1, -2)

    def spread(self, factors: Array, components: int, features: int) -> Array:
        return factors

    def matrices(self, covariances: Array, components: int, features: int) -> Array:
        return np.broadcast_to(covariances, (components, features, features)).copy()

    def is_positive(self, matrices: Array) -> bool:
        return _symmetric_positive(matrices)

    def inflation(self, covariances: Array, factors: Array) -> float:
        variances = np.diagonal(covariances, axis1=-2, axis2=-1)
        return float((variances * (factors**2).sum(-1)).max())


class Tied(Full):
    """One matrix for all components."""

    shared = True

    def shape(self, components: int, features: int) -> tuple[int, ...]:
        return features, features

    def parameters(self, components: int, features: int) -> int:
        return features * (features + 1) // 2

    def spread(self, factors: Array, components: int, features: int) -> Array:
        return np.broadcast_to(factors, (components, features, features))

    def estimate(self, sums: Sums, seen: Array, shift: Array, least: Array) -> Array:
        return np.asarray((sums.second.sum(0) - (seen * shift).T @ shift) / seen.sum())


class Diagonal:
    """A variance for each component and feature."""

    diagonal = True
    shared = False

    def shape(self, components: int, features: int) -> tuple[int, ...]:
        return components, features

    def parameters(self, components: int, features: int) -> int:
        return components * features

    def estimate(self, sums: Sums, seen: Array, shift: Array, least: Array) -> Array:
        return np.asarray(np.maximum(sums.second / seen - shift**2, least))

    def add_to_diagonal(self, covariances: Array, floor: float) -> Array:
        return covariances + floor

    def precision_factor(self, covariances: Array) -> Array:
        if not (covariances > 0).all() or not np.isfinite(covariances).all():
            raise DataError(ILL_DEFINED)
        return 1 / np.sqrt(covariances)

    def factor_of_precision(self, precisions: Array) -> Array:
        return np.sqrt(precisions)

    def precisions(self, factors: Array) -> Array:
        return factors**2

    def covariances(self, factors: Array) -> Array:
        return 1 / factors**2

    def spread(self, factors: Array, components: int, features: int) -> Array:
        return factors

    def matrices(self, covariances: Array, components: int, features: int) -> Array:
        return covariances[:, :, None] * np.eye(features)

    def is_positive(self, matrices: Array) -> bool:
        return bool((matrices > 0).all())

    def inflation(self, covariances: Array, factors: Array) -> float:
        return 1.0


class Spherical(Diagonal):
    """One variance for each component."""

    def shape(self, components: int, features: int) -> tuple[int, ...]:
        return (components,)

    def parameters(self, components: int, features: int) -> int:
        return components

    def estimate(self, sums: Sums, seen: Array, shift: Array, least: Array) -> Array:
        each = np.broadcast_to(seen, shift.shape)
        spread = (sums.second - each * shift**2).sum(1) / each.sum(1)
        return np.asarray(np.maximum(spread, least.mean(1)))

    def spread(self, factors: Array, components: int, features: int) -> Array:
        return np.broadcast_to(factors[:, None], (components, features))

    def matrices(self, covariances: Array, components: int, features: int) -> Array:
        return covariances[:, None, None] * np.eye(features)


FORMS: dict[str, Form] = {
    "full": Full(),
    "tied": Tied(),
    "diag": Diagonal(),
    "spherical": Spherical(),
}
