"""Expectation maximisation, as pure functions over arrays.

Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39
(1977); equations are those of Bishop, Pattern Recognition and Machine Learning (2006), section 9.2.

Everything here is relative to the centre of the samples: components are moved there before, and
back after, so an offset of the data costs no digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import DataError
from bgsub.kernels.em import Gaussians, Sums
from bgsub.mixture.covariances import Form
from bgsub.mixture.samples import Samples

Array = NDArray[np.float64]

EPSILON, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)

DEAD = 1e-12
"""Share of the samples below which a component has none: what is left is rounding."""


COARSE = 1e3
"""Inflation of a feature's variance (see Form.inflation) from which float32 is not enough: what the
others leave of it is then near the rounding of its sums, and the likelihood may fall."""


class TooCoarseError(Exception):
    """float32 is not enough for what these samples hold; never leaves this package."""


class Components(NamedTuple):
    """A Gaussian mixture."""

    weights: Array
    """(components,), summing to one."""
    means: Array
    """(components, features)."""
    covariances: Array
    """In the shape of the form."""
    factors: Array
    """Upper triangular factors U of the precisions U U^T, or roots of diagonal ones."""


State = TypeVar("State")


class Model(Protocol[State]):
    """What iterate() needs of a mixture whose parameters are a `State`."""

    def gaussians(self, state: State) -> Gaussians:
        """The weighted densities whose shares are the responsibilities."""
        ...

    def maximise(self, sums: Sums, state: State) -> State:
        """The parameters that best explain the sums; `state` are those before."""
        ...

    def bound(self, sums: Sums, gaussians: Gaussians, state: State) -> float:
        """What climbs: of the E step that made `sums`, and the parameters that followed."""
        ...


class Progress(NamedTuple):
    """What a callback is told after each iteration."""

    initialization: int
    """0 for the first of `n_init`."""
    iteration: int
    """1 for the first."""
    lower_bound: float
    change: float


def log_weights(weights: Array) -> Array:
    """Logarithms, -inf where a weight is zero."""
    with np.errstate(divide="ignore"):
        return np.log(weights)


def gaussians(components: Components, form: Form) -> Gaussians:
    """weights[k] N(x; means[k], covariances[k]), for the compiled pass."""
    factors = form.spread(components.factors, *components.means.shape)
    return Gaussians(log_weights(components.weights), components.means, factors)


def settled(samples: Samples, found: Gaussians, sums: Sums) -> Sums:
    """The same sums, about means near enough for the covariances to keep their digits.

    A covariance is the second moment about the old mean, less the square of the step to the new
    one. Where the step is much larger than the spread, digits cancel; then sums are taken again
    about the new means. That happens at most in the first iterations.
    """
    seen = np.maximum(sums.seen, TINY)
    shift = sums.first / seen
    squares = sums.second if found.factors.ndim == 2 else _diagonal(sums.second)
    spread = squares / seen - shift**2
    if (shift**2 * samples.precision > spread).any():
        return samples.expect(found, about=sums.about + shift)
    return sums


def _diagonal(matrices: Array) -> Array:
    return np.diagonal(matrices, axis1=1, axis2=2)


def estimates(sums: Sums, form: Form, floor: float, samples: Samples) -> tuple[Array, Array, Array]:
    """Mass, mean and covariance under the responsibilities; equations 9.24 to 9.27.

    Parameters
    ----------
    sums
        Of the E step.
    form
        Of the covariances.
    floor
        Added to every variance.
    samples
        Tells where the samples lie, and so how finely they are known.

    Returns
    -------
    mass
        (components,).
    means
        (components, features).
    covariances
        In the shape of the form.
    """
    never_zero = 10 * EPSILON * samples.mass / samples.count
    seen = sums.seen + never_zero
    shift = sums.first / seen
    means = sums.about + shift
    rounding = (samples.epsilon * (means + samples.center)) ** 2
    covariances = form.estimate(sums, seen, shift, rounding)
    return sums.mass + never_zero, means, form.add_to_diagonal(covariances, floor)


def factors_of(covariances: Array, form: Form, samples: Samples) -> Array:
    """Factors of the precisions. Raises DataError, or TooCoarseError where float64 may do."""
    if samples.real != np.float32:
        return form.precision_factor(covariances)
    try:
        factors = form.precision_factor(covariances)
    except DataError:
        raise TooCoarseError from None
    if form.inflation(covariances, factors) > COARSE:
        raise TooCoarseError
    return factors


class Likelihood:
    """The maximum-likelihood mixture, for iterate()."""

    def __init__(self, form: Form, floor: float, samples: Samples) -> None:
        self.form, self.floor, self.samples = form, floor, samples

    def gaussians(self, state: Components) -> Gaussians:
        return gaussians(state, self.form)

    def maximise(self, sums: Sums, state: Components) -> Components:
        mass, means, covariances = estimates(sums, self.form, self.floor, self.samples)
        if not self.form.shared:
            # A component without samples has no shape of its own: it keeps the one it had.
            empty = sums.mass <= DEAD * sums.mass.sum()
            covariances[empty] = state.covariances[empty]
        factors = factors_of(covariances, self.form, self.samples)
        return Components(mass / mass.sum(), means, covariances, factors)

    def bound(self, sums: Sums, gaussians: Gaussians, state: Components) -> float:
        return sums.log_likelihood


def iterate(
    model: Model[State],
    samples: Samples,
    state: State,
    *,
    tol: float,
    max_iter: int,
    before: float = -np.inf,
    tell: Callable[[int, float, float], bool],
) -> tuple[State, list[float], bool]:
    """E and M steps until the bound changes by less than `tol`.

    Parameters
    ----------
    model
        How to step.
    samples
        The data.
    state
        Where to start.
    tol
        Of the bound.
    max_iter
        Steps at most.
    before
        Bound that the first step is compared with.
    tell
        Called after each step with its number, the bound and its change; False ends it.

    Returns
    -------
    state, bounds, converged
        The parameters, the bound after each step, and whether `tol` was reached.
    """
    bounds: list[float] = []
    for step in range(1, max_iter + 1):
        found = model.gaussians(state)
        sums = settled(samples, found, samples.expect(found))
        try:
            state = model.maximise(sums, state)
        except TooCoarseError:
            samples.widen()
            sums = settled(samples, found, samples.expect(found))
            state = model.maximise(sums, state)
        bounds.append(model.bound(sums, found, state))
        change = bounds[-1] - before
        before = bounds[-1]
        go_on = tell(step, before, change)
        if abs(change) < tol:
            return state, bounds, True
        if not go_on:
            break
    return state, bounds, False
