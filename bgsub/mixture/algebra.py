"""What can be made of a mixture's parameters, as pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels.em import Sums
from bgsub.mixture.covariances import Form
from bgsub.mixture.em import Components, log_weights

Array = NDArray[np.float64]


def mix(known: Components, sums: Sums, form: Form, floor: float, step: float, mass: float) -> Sums:
    """Sums of a batch, mixed with those that the known components stand for.

    Cappé and Moulines (2009), equation 13: s <- (1 - step) s + step s(batch). Both are about the
    known means, where the known components' first moments vanish.
    """
    components, features = known.means.shape
    held = form.add_to_diagonal(known.covariances, -floor)
    spread = form.matrices(held, components, features)
    if form.diagonal:
        spread = np.diagonal(spread, axis1=1, axis2=2)
    weights = (1 - step) * known.weights
    second = weights.reshape(-1, *(1,) * (spread.ndim - 1)) * spread
    share = step / mass
    return sums._replace(
        mass=weights + share * sums.mass,
        seen=weights[:, None] + share * sums.seen,
        first=share * sums.first,
        second=second + share * sums.second,
    )


def condition(
    weights: Array, means: Array, covariances: Array, known: NDArray[np.intp], values: Array
) -> tuple[Array, Array, Array]:
    """Weights, means and covariances of the features that are not `known`.

    Bishop (2006), equations 2.81 and 2.82.
    """
    rest = np.setdiff1d(np.arange(means.shape[1]), known)
    within = covariances[:, known[:, None], known]
    across = covariances[:, rest[:, None], known]
    away = values - means[:, known]
    gain = np.linalg.solve(within, across.swapaxes(1, 2)).swapaxes(1, 2)
    moved = means[:, rest] + np.einsum("kij,kj->ki", gain, away)
    left = covariances[:, rest[:, None], rest] - gain @ across.swapaxes(1, 2)
    left = (left + left.swapaxes(1, 2)) / 2
    distance = np.einsum("ki,ki->k", away, np.linalg.solve(within, away[:, :, None])[:, :, 0])
    joint = log_weights(weights) - 0.5 * (distance + np.linalg.slogdet(within)[1])
    share = np.exp(joint - joint.max())
    return share / share.sum(), moved, left


def merge(
    weights: Array, means: Array, covariances: Array, components: int
) -> tuple[Array, Array, Array]:
    """The same mixture with fewer components, the cheapest pairs joined first (Runnalls 2007)."""
    parts = [(weights[k], means[k], covariances[k]) for k in range(len(weights))]
    while len(parts) > components:
        pairs = [(i, j) for j in range(len(parts)) for i in range(j)]
        i, j = min(pairs, key=lambda pair: _cost(parts[pair[0]], parts[pair[1]]))
        joined = _union(parts[i], parts[j])
        parts = [part for n, part in enumerate(parts) if n not in (i, j)] + [joined]
    kept = np.array([part[0] for part in parts])
    return kept / kept.sum(), np.stack([p[1] for p in parts]), np.stack([p[2] for p in parts])


Part = tuple[float, Array, Array]


def _union(a: Part, b: Part) -> Part:
    """The Gaussian with the moments of both."""
    weight = a[0] + b[0]
    share = b[0] / weight if weight > 0 else 0.5
    away = b[1] - a[1]
    mean = a[1] + share * away
    spread = (1 - share) * a[2] + share * b[2] + share * (1 - share) * np.outer(away, away)
    return weight, mean, spread


def _cost(a: Part, b: Part) -> float:
    """Upper bound of the divergence that joining costs; equation 16 of Runnalls."""
    weight, _, spread = _union(a, b)
    whole = weight * np.linalg.slogdet(spread)[1]
    return 0.5 * float(
        whole - a[0] * np.linalg.slogdet(a[2])[1] - b[0] * np.linalg.slogdet(b[2])[1]
    )
