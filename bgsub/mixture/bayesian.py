"""The variational Bayesian mixture, with a Dirichlet or a Dirichlet process prior."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import ConfigError
from bgsub.kernels.em import Gaussians, Sums
from bgsub.mixture import em, starts
from bgsub.mixture.base import Mixture
from bgsub.mixture.covariances import FORMS, Form
from bgsub.mixture.estimator import check_choice, check_number, numbers_of
from bgsub.mixture.gaussian import GaussianMixture, check_shape
from bgsub.mixture.samples import Samples

Array = NDArray[np.float64]

PROCESS, DISTRIBUTION = "dirichlet_process", "dirichlet_distribution"


class Prior(NamedTuple):
    """What is believed before any sample, relative to the data's centre."""

    process: bool
    """Stick breaking; else a Dirichlet distribution."""
    concentration: float
    mean_precision: float
    mean: Array
    """(features,)."""
    degrees_of_freedom: float
    covariance: Array
    """Of one component: (features, features), (features,) or ()."""


class Posterior(NamedTuple):
    """What is believed of weights, means and precisions; Bishop (2006), section 10.2."""

    concentration: Array
    """(2, components) parameters of the sticks' beta distributions, or (1, components) of the
    Dirichlet distribution."""
    mean_precision: Array
    """(components,)."""
    means: Array
    """(components, features)."""
    degrees_of_freedom: Array
    """(components,), or () tied."""
    covariances: Array
    """Inverse of the precision's mean, in the shape of the form."""
    factors: Array
    """Upper triangular factors of its inverse, or roots."""


def digamma(x: Array) -> Array:
    """Derivative of log gamma, for x > 0.

    The recurrence (Abramowitz and Stegun 6.3.5) leads to large arguments, the asymptotic series
    (6.3.18) on from there.
    """
    x = np.asarray(x, float)
    steps = 10
    low = (1 / (x[..., None] + np.arange(steps))).sum(-1)
    y = x + steps
    z = 1 / (y * y)
    series = z * (
        1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * 691 / 32760))))
    )
    return np.asarray(np.log(y) - 0.5 / y - series - low)


def _log_gamma(x: Array) -> Array:
    return np.array([math.lgamma(value) for value in np.ravel(x).tolist()]).reshape(np.shape(x))


def _log_beta(a: Array, b: Array) -> Array:
    of_a, of_b, of_sum = _log_gamma(np.stack([a, b, a + b]))
    return np.asarray(of_a + of_b - of_sum)


def expected_log_weights(posterior: Posterior) -> Array:
    """E[log weight] of each component; Bishop 10.66, Blei and Jordan (2006) for the sticks."""
    if len(posterior.concentration) == 1:
        alpha = posterior.concentration[0]
        return digamma(alpha) - digamma(alpha.sum())
    kept, left = posterior.concentration
    of_kept, of_left, of_sum = digamma(np.stack([kept, left, kept + left]))
    rest = np.cumsum(of_left - of_sum)
    return np.asarray(of_kept - of_sum + np.concatenate(([0.0], rest[:-1])))


def expected_weights(concentration: Array) -> Array:
    """Mean weight of each component, summing to one."""
    if len(concentration) == 1:
        return np.asarray(concentration[0] / concentration[0].sum())
    kept, left = concentration
    rest = np.cumprod(left / (kept + left))
    weights = kept / (kept + left) * np.concatenate(([1.0], rest[:-1]))
    return np.asarray(weights / weights.sum())


def _half_steps(degrees_of_freedom: Array, features: int) -> Array:
    """(dof - i) / 2 for feature i, one row a feature."""
    return 0.5 * (np.atleast_1d(degrees_of_freedom) - np.arange(features)[:, None])


def expected_densities(posterior: Posterior, form: Form) -> Gaussians:
    """exp(E[log(weight N(x; mean, precision))]) as weighted Gaussians; Bishop 10.46, 10.64-65."""
    features = posterior.means.shape[1]
    dof = posterior.degrees_of_freedom
    log_det = features * np.log(2.0) + digamma(_half_steps(dof, features)).sum(0)
    # The factors are those of the mean precision, dof times Bishop's W: hence - D log dof.
    bonus = 0.5 * (log_det - features * np.log(dof) - features / posterior.mean_precision)
    factors = form.spread(posterior.factors, *posterior.means.shape)
    return Gaussians(expected_log_weights(posterior) + bonus, posterior.means, factors)


class Variational:
    """Coordinate ascent on the variational bound, for em.iterate()."""

    def __init__(self, form: Form, floor: float, prior: Prior, samples: Samples) -> None:
        self.form, self.floor, self.prior, self.samples = form, floor, prior, samples

    def gaussians(self, state: Posterior) -> Gaussians:
        return expected_densities(state, self.form)

    def maximise(self, sums: Sums, state: Posterior | None) -> Posterior:
        mass, means, covariances = em.estimates(sums, self.form, self.floor, self.samples)
        prior = self.prior
        mean_precision = prior.mean_precision + mass  # 10.60
        moved = (prior.mean_precision * prior.mean + mass[:, None] * means) / (
            mean_precision[:, None]
        )  # 10.61
        shrink = prior.mean_precision / mean_precision
        away = means - prior.mean
        dof, posterior = self._spread(mass, covariances, shrink, away)
        return Posterior(
            self._concentration(mass),
            mean_precision,
            moved,
            dof,
            posterior,
            self.form.precision_factor(posterior),
        )

    def _concentration(self, mass: Array) -> Array:
        if not self.prior.process:
            return (self.prior.concentration + mass)[None]  # 10.58
        later = np.concatenate((np.cumsum(mass[::-1])[-2::-1], [0.0]))
        return np.stack((1.0 + mass, self.prior.concentration + later))

    def _spread(
        self, mass: Array, covariances: Array, shrink: Array, away: Array
    ) -> tuple[Array, Array]:
        """Degrees of freedom (10.63), and the scatter (10.62) divided by them."""
        prior = self.prior
        if self.form.shared:
            each = mass.sum() / len(mass)
            dof = np.asarray(prior.degrees_of_freedom + each)
            between = (mass * shrink)[:, None] * away
            scatter = prior.covariance + each * covariances + between.T @ away / len(mass)
            return dof, scatter / dof
        if covariances.ndim == 3:
            between = away[:, :, None] * away[:, None, :]
        elif covariances.ndim == 2:
            between = away**2
        else:
            between = (away**2).mean(1)
        tail = (1,) * (covariances.ndim - 1)
        dof = prior.degrees_of_freedom + mass
        own = covariances + shrink.reshape(-1, *tail) * between
        scatter = prior.covariance + mass.reshape(-1, *tail) * own
        return dof, scatter / dof.reshape(-1, *tail)

    def bound(self, sums: Sums, gaussians: Gaussians, state: Posterior) -> float:
        """The variational bound (10.70 to 10.77) up to a constant."""
        components, features = state.means.shape
        dof = state.degrees_of_freedom
        factors = self.form.spread(state.factors, components, features)
        if factors.ndim == 3:
            factors = np.diagonal(factors, axis1=1, axis2=2)
        log_det = np.log(factors).sum(1) - 0.5 * features * np.log(dof)
        steps = _log_gamma(_half_steps(dof, features)).sum(0)
        # Of a Wishart distribution's normalisation (B.79); pi drops out.
        wishart = -(dof * log_det + dof * features * 0.5 * math.log(2.0) + steps)
        alpha = state.concentration
        if len(alpha) == 2:
            weights = -_log_beta(alpha[0], alpha[1]).sum()
        else:
            weights = _log_gamma(alpha.sum()) - _log_gamma(alpha).sum()
        means = 0.5 * features * np.log(state.mean_precision).sum()
        return float(entropy(sums, gaussians) - wishart.sum() - weights - means)


def entropy(sums: Sums, gaussians: Gaussians) -> float:
    """Entropy of the responsibilities, summed over the samples.

    Minus the sum of r log r, where log r is the log density under a component less that under the
    mixture; both are sums that the pass has taken.
    """
    shift = sums.about - gaussians.means
    if gaussians.factors.ndim == 2:
        roots = gaussians.factors
        spread = sums.second + 2 * shift * sums.first + sums.seen * shift**2
        distance = (roots**2 * spread).sum(1)
    else:
        roots = np.diagonal(gaussians.factors, axis1=1, axis2=2)
        cross = shift[:, :, None] * sums.first[:, None, :]
        square = shift[:, :, None] * shift[:, None, :] * sums.mass[:, None, None]
        spread = sums.second + cross + cross.swapaxes(1, 2) + square
        precision = gaussians.factors @ gaussians.factors.swapaxes(1, 2)
        distance = (precision * spread).sum((1, 2))
    scale = np.where(sums.mass > 0, gaussians.log_scale, 0.0) * sums.mass
    constant = (sums.seen * (np.log(roots) - 0.5 * np.log(2 * np.pi))).sum(1)
    whole = sums.log_likelihood * sums.mass.sum()
    return float(whole - (scale + constant - 0.5 * distance).sum())


class BayesianGaussianMixture(Mixture[Posterior]):
    """A mixture of Gaussians whose number of components follows from the data.

    Variational inference (Bishop 2006, section 10.2) with a Dirichlet process prior in stick
    breaking form (Blei and Jordan, "Variational inference for Dirichlet process mixtures", Bayesian
    Analysis 1, 2006) or a Dirichlet distribution. `n_components` is the most there can be; those
    that the data do not need keep a weight near zero, and `as_gaussian_mixture` drops them.
    Parameter, attribute and method names are scikit-learn's.

    Parameters
    ----------
    n_components
        Components at most.
    covariance_type, reg_covar, max_iter, n_init, init_params, random_state, warm_start, verbose
        As of `GaussianMixture`.
    tol
        Converged when the bound, a sum over all samples, rises by less, in nats.
    weight_concentration_prior_type
        "dirichlet_process" or "dirichlet_distribution".
    weight_concentration_prior
        Low: few heavy components; high: many alike. By default 1 / n_components. Under a process it
        is the expected number of further components that a component's first samples bring; with
        many samples the data outweigh it.
    mean_precision_prior
        Samples that `mean_prior` is worth, by default 1.
    mean_prior
        (n_features,), by default the mean of the data.
    degrees_of_freedom_prior
        Samples that `covariance_prior` is worth, more than n_features - 1; by default n_features.
    covariance_prior
        Of one component; full and tied (n_features, n_features), diag (n_features,), spherical a
        number. By default the covariance of the data, with `reg_covar` added where it has no
        inverse.
    verbose_interval, threads
        As of `GaussianMixture`.

    Attributes
    ----------
    weights_
        (n_components,) expected weights.
    means_, covariances_, precisions_, precisions_cholesky_
        Expected, in the shapes of `GaussianMixture`.
    converged_, n_iter_, lower_bound_, lower_bounds_
        As there; the bound is that of the whole data, up to a constant.
    weight_concentration_
        Under a process two arrays (n_components,) of the sticks' beta distributions, else one.
    mean_precision_, degrees_of_freedom_
        (n_components,); tied degrees of freedom are one number.
    weight_concentration_prior_, mean_precision_prior_, mean_prior_, degrees_of_freedom_prior_, \
covariance_prior_
        The priors used.
    n_features_in_, feature_names_in_
        Features, and their names if X had them.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(m, 1, size=(200, 2)) for m in (0, 8)])
    >>> mixture = BayesianGaussianMixture(n_components=6, random_state=0, max_iter=500).fit(x)
    >>> mixture.as_gaussian_mixture(min_weight=0.05).means_.shape
    (2, 2)
    """

    _spare = True

    def __init__(
        self,
        *,
        n_components: int = 1,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weight_concentration_prior_type: str = PROCESS,
        weight_concentration_prior: float | None = None,
        mean_precision_prior: float | None = None,
        mean_prior: ArrayLike | None = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: ArrayLike | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        threads: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.threads = threads

    def as_gaussian_mixture(self, min_weight: float = 0.0) -> GaussianMixture:
        """The expected mixture, without components lighter than `min_weight`."""
        self._check_fitted()
        whole = GaussianMixture.from_parameters(
            self.weights_.astype(float) / self.weights_.sum(dtype=float),
            self.means_,
            self.covariances_,
            self._learnt_type,
            reg_covar=self.reg_covar,
            random_state=self.random_state,
            threads=self.threads,
        )
        return whole.pruned(min_weight)

    def _check(self) -> None:
        super()._check()
        check_choice(self, "weight_concentration_prior_type", (PROCESS, DISTRIBUTION))
        names = "weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior"
        for name in names:
            check_number(self, name, above=0, optional=True)
        if self.covariance_type == "spherical":
            check_number(self, "covariance_prior", above=0, optional=True)

    def _data(self, values: NDArray[Any], weights: NDArray[Any]) -> Samples:
        # The bound is a sum over all samples, so float32 would hide changes as small as `tol`.
        return super()._data(values.astype(float, copy=False), weights.astype(float))

    def _model(self, samples: Samples) -> Variational:
        features = samples.features
        mean, spread = self._moments(samples)
        self.weight_concentration_prior_ = (
            1.0 / self.n_components
            if self.weight_concentration_prior is None
            else self.weight_concentration_prior
        )
        self.mean_precision_prior_ = (
            1.0 if self.mean_precision_prior is None else self.mean_precision_prior
        )
        if self.mean_prior is None:
            self.mean_prior_ = mean + samples.center
        else:
            self.mean_prior_ = numbers_of(self.mean_prior, "mean_prior").copy()
            check_shape(self.mean_prior_, (features,), "means")
            if not np.isfinite(self.mean_prior_).all():
                raise ConfigError(
                    f"The parameter 'mean_prior' should be finite, but got {self.mean_prior_}"
                )
        self.degrees_of_freedom_prior_ = (
            features if self.degrees_of_freedom_prior is None else self.degrees_of_freedom_prior
        )
        if self.degrees_of_freedom_prior_ <= features - 1:
            raise ConfigError(
                "The parameter 'degrees_of_freedom_prior' should be greater than "
                f"{features - 1}, but got {self.degrees_of_freedom_prior_:.3f}."
            )
        self.covariance_prior_ = self._covariance_prior(features, spread)
        prior = Prior(
            self.weight_concentration_prior_type == PROCESS,
            self.weight_concentration_prior_,
            self.mean_precision_prior_,
            self.mean_prior_ - samples.center,
            self.degrees_of_freedom_prior_,
            self.covariance_prior_,
        )
        return Variational(self._form, self.reg_covar, prior, samples)

    def _moments(self, samples: Samples) -> tuple[Array, Array]:
        """Mean, and unbiased covariance of the data in the shape of the prior."""
        mean, second = samples.moments(diagonal=self._form.diagonal)
        second = second * samples.mass / max(samples.mass - 1, 1e-9)
        if self.covariance_type == "spherical":
            second = second.mean()
        return mean, second

    def _covariance_prior(self, features: int, spread: Array) -> Array:
        if self.covariance_prior is None:
            return self._floored(spread)
        given = numbers_of(self.covariance_prior, "covariance_prior")
        if self.covariance_type == "spherical":
            return given
        form = FORMS["tied" if self.covariance_type in ("full", "tied") else "diag"]
        shape = form.shape(1, features)[-2 if not form.diagonal else -1 :]
        check_shape(given, shape, f"{self.covariance_type} covariance_prior")
        if not (np.isfinite(given).all() and form.is_positive(given)):
            kind = "positive" if form.diagonal else "symmetric, positive-definite"
            raise ConfigError(f"'{self.covariance_type} precision' should be {kind}")
        return given

    def _floored(self, spread: Array) -> Array:
        """The covariance of the data, lifted where it is flat.

        A component without samples has it from the prior alone, so it must have an inverse.
        """
        if spread.ndim < 2:
            return spread
        sizes = np.linalg.eigvalsh(spread)
        flat = sizes[0] <= len(sizes) * em.EPSILON * sizes[-1]
        floor = self.reg_covar if flat and sizes[-1] > 0 else 0.0
        return np.asarray(spread + floor * np.eye(len(sizes)))

    def _first(
        self, data: Samples, model: em.Model[Posterior], rng: np.random.RandomState
    ) -> Posterior:
        assert isinstance(model, Variational)
        sums = starts.first_sums(
            data, self.n_components, self.init_params, rng, self._form.diagonal
        )
        return model.maximise(sums, None)

    def _known(self, center: Array) -> Posterior:
        return Posterior(
            np.atleast_2d(np.asarray(self.weight_concentration_, float)),
            np.asarray(self.mean_precision_, float),
            np.asarray(self.means_, float) - center,
            np.asarray(self.degrees_of_freedom_, float),
            np.asarray(self.covariances_, float),
            np.asarray(self.precisions_cholesky_, float),
        )

    def _set(self, state: Posterior, center: Array, real: Any) -> None:
        process = len(state.concentration) == 2
        self.weight_concentration_ = (
            tuple(state.concentration) if process else state.concentration[0]
        )
        self.mean_precision_ = state.mean_precision
        self.degrees_of_freedom_ = state.degrees_of_freedom
        self.weights_ = expected_weights(state.concentration).astype(real)
        self.means_ = (state.means + center).astype(real)
        self.covariances_ = state.covariances.astype(real)
        self.precisions_cholesky_ = state.factors.astype(real)
        self.precisions_ = self._form.precisions(state.factors).astype(real)

    def _gaussians(self, center: Array) -> Gaussians:
        return expected_densities(self._known(center), self._learnt_form)
