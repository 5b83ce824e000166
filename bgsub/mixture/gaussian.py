"""The Gaussian mixture of maximum likelihood."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import ConfigError, DataError
from bgsub.kernels.em import Gaussians
from bgsub.mixture import algebra, em, samples, starts
from bgsub.mixture.base import Mixture
from bgsub.mixture.covariances import FORMS
from bgsub.mixture.em import Components
from bgsub.mixture.estimator import numbers_of, whole_number
from bgsub.mixture.samples import Samples

Array = NDArray[np.float64]


class GaussianMixture(Mixture[Components]):
    """A mixture of Gaussians, fitted by expectation maximisation.

    Parameter, attribute and method names are scikit-learn's, so an import is all that changes;
    the same `random_state` gives the same starts.

    Parameters
    ----------
    n_components
        Gaussians.
    covariance_type
        "full", "tied" (one shared), "diag" or "spherical": see `bgsub.mixture.covariances`.
    tol
        Converged when the mean log-likelihood of a sample rises by less, in nats.
    reg_covar
        Added to every variance: the covariance floor, in squared units of the data. With 0 a
        component that collapses onto one point raises DataError.
    max_iter
        Iterations at most; 0 keeps the start.
    n_init
        Starts, of which the best is kept.
    init_params
        "kmeans"; "k-means++" or "random_from_data" (samples as means); "random"
        (responsibilities); "whitened" (k-means after turning and scaling the data to unit
        covariance, for stretched data, where distances in the raw units mislead k-means).
    weights_init, means_init, precisions_init
        Where to start instead; shapes (n_components,), (n_components, n_features), and that of
        `precisions_`.
    random_state
        int, numpy.random.RandomState, or None for numpy's global one.
    warm_start
        Go on from the last fit instead of starting anew. It must have had as many components and
        features, and the same covariance_type.
    verbose, verbose_interval
        1 prints each `verbose_interval`-th iteration, 2 also times.
    threads
        Processors to use, by default all. The result is the same for any number.

    Attributes
    ----------
    weights_
        (n_components,) share of each component in the model. Not the number of samples it has:
        see `cluster_sizes`.
    means_
        (n_components, n_features).
    covariances_, precisions_, precisions_cholesky_
        Covariances, their inverses P and upper triangular U with P = U U^T: (n_components,
        n_features, n_features), tied (n_features, n_features), diag (n_components, n_features),
        spherical (n_components,).
    converged_, n_iter_
        Whether `tol` was reached, and iterations made.
    lower_bound_, lower_bounds_
        Mean log-likelihood before the last M step, and of every iteration of the best start.
    n_features_in_, feature_names_in_
        Features, and their names if X had them.

    Notes
    -----
    NaN in X is a value that was not seen and is left out of the likelihood, exactly, with
    covariance_type "diag" and "spherical"; with the others it is refused. float32 data are
    computed in float32 with sums in float64; in float64, where features of a component all but
    follow from each other.

    References
    ----------
    Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B
    39 (1977). Bishop, Pattern Recognition and Machine Learning (2006), section 9.2.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> mixture = GaussianMixture(2, covariance_type="diag", random_state=0).fit(x)
    >>> mixture.means_
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> mixture.predict([[0, 0], [12, 3]])
    array([1, 0])
    """

    _spare = False

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
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
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.threads = threads

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        covariance_type: str = "full",
        **params: Any,
    ) -> Self:
        """A mixture with given parameters, ready to be asked, drawn from or fitted further.

        Parameters
        ----------
        weights, means, covariances
            As the attributes `weights_`, `means_` and `covariances_`.
        covariance_type
            The form of `covariances`.
        **params
            Parameters of the constructor.

        Raises
        ------
        ConfigError
            Shapes that do not fit together, weights that do not sum to one, a covariance that is
            not positive definite.
        """
        centers = numbers_of(means, "means")
        if centers.ndim != 2:
            raise ConfigError(
                f"means must have shape (n_components, n_features), got {centers.shape}"
            )
        mixture = cls(len(centers), covariance_type=covariance_type, **params)
        mixture._check()
        _check_means(centers, centers.shape)
        checked_weights = _check_weights(weights, len(centers))
        spread = numbers_of(covariances, "covariances")
        _check_matrices(spread, "covariances", covariance_type, *centers.shape)
        form = FORMS[covariance_type]
        mixture._keep(
            Components(checked_weights, centers, spread, form.precision_factor(spread)),
            np.zeros(centers.shape[1]),
            np.dtype(float),
        )
        mixture.n_features_in_ = centers.shape[1]
        mixture.converged_, mixture.n_iter_ = True, 0
        mixture.lower_bound_, mixture.lower_bounds_ = -np.inf, []
        return mixture

    def _model(self, samples: Samples) -> em.Likelihood:
        self._check_starts(samples.features)
        return em.Likelihood(self._form, self.reg_covar, samples)

    def _check_starts(self, features: int) -> None:
        if self.weights_init is not None:
            _check_weights(self.weights_init, self.n_components)
        if self.means_init is not None:
            means = numbers_of(self.means_init, "means_init")
            _check_means(means, (self.n_components, features))
        if self.precisions_init is not None:
            precisions = numbers_of(self.precisions_init, "precisions_init")
            _check_matrices(
                precisions, "precision", self.covariance_type, self.n_components, features
            )

    def _first(
        self, data: Samples, model: em.Model[Components], rng: np.random.RandomState
    ) -> Components:
        given = self.weights_init, self.means_init, self.precisions_init
        weights, means, precisions = (None if g is None else np.array(g, float) for g in given)
        covariances = factors = None
        if means is not None:
            means = means - data.center
        if weights is None or means is None or precisions is None:
            drawn = rng.get_state()
            try:
                mass, found, covariances, factors = self._estimated(data, rng)
            except em.TooCoarseError:
                data.widen()
                rng.set_state(drawn)
                mass, found, covariances, factors = self._estimated(data, rng)
            weights = mass / data.mass if weights is None else weights
            means = found if means is None else means
        if precisions is not None:
            factors = self._form.factor_of_precision(precisions)
            covariances = self._form.covariances(factors)
        assert covariances is not None
        assert factors is not None
        return Components(weights, means, covariances, factors)

    def _estimated(
        self, data: Samples, rng: np.random.RandomState
    ) -> tuple[Array, Array, Array, Array | None]:
        """Mass, means, covariances and, where they are not given, factors to start from."""
        form = self._form
        sums = starts.first_sums(data, self.n_components, self.init_params, rng, form.diagonal)
        mass, means, covariances = em.estimates(sums, form, self.reg_covar, data)
        given = self.precisions_init is not None
        return mass, means, covariances, None if given else em.factors_of(covariances, form, data)

    def _known(self, center: Array) -> Components:
        return Components(
            np.asarray(self.weights_, float),
            np.asarray(self.means_, float) - center,
            np.asarray(self.covariances_, float),
            np.asarray(self.precisions_cholesky_, float),
        )

    def _set(self, state: Components, center: Array, real: Any) -> None:
        self.weights_ = state.weights.astype(real)
        self.means_ = (state.means + center).astype(real)
        self.covariances_ = state.covariances.astype(real)
        self.precisions_cholesky_ = state.factors.astype(real)
        self.precisions_ = self._form.precisions(state.factors).astype(real)

    def _gaussians(self, center: Array) -> Gaussians:
        return em.gaussians(self._known(center), self._learnt_form)

    # Information criteria.

    def _n_parameters(self) -> int:
        components, features = len(self.means_), int(self.means_.shape[1])
        form = self._learnt_form
        return form.parameters(components, features) + components * features + components - 1

    def bic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Bayesian information criterion (Schwarz 1978); the lower, the better.

        -2 log L + parameters log n_samples, with the sum of the weights for n_samples.
        """
        each, mass = self._likelihood(X, sample_weight)
        return -2 * each * mass + self._n_parameters() * math.log(mass)

    def aic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Akaike's information criterion (1974): -2 log L + 2 parameters; lower is better."""
        each, mass = self._likelihood(X, sample_weight)
        return -2 * each * mass + 2 * self._n_parameters()

    def icl(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Integrated completed likelihood: BIC + 2 entropy of the responsibilities.

        Beside BIC it punishes components that overlap, and so counts clusters rather than
        Gaussians (Biernacki, Celeux and Govaert, IEEE PAMI 22, 2000). Lower is better.
        """
        share = np.asarray(self.predict_proba(X), float)
        entropy = -(share * np.log(np.maximum(share, np.finfo(float).tiny))).sum(1)
        weights = samples.sample_weights(sample_weight, len(share), np.float64)
        total = float(weights @ entropy if weights.size else entropy.sum())
        return self.bic(X, sample_weight) + 2 * total

    def _likelihood(self, x: ArrayLike, sample_weight: ArrayLike | None) -> tuple[float, float]:
        """Mean log-likelihood, and sum of the weights."""
        count = np.shape(x)[0]
        weights = samples.sample_weights(sample_weight, count, np.float64)
        mass = float(weights.sum()) if weights.size else float(count)
        return self.score(x, sample_weight=sample_weight), mass

    # Learning from a stream.

    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        decay: float = 0.7,
    ) -> Self:
        """Learn from one more batch of samples: stepwise EM.

        What the components hold is moved toward what the batch says by (batch + 1)^-decay. The
        first batch starts the mixture, so it should hold a few hundred samples of every kind.

        Parameters
        ----------
        X
            (n_samples, n_features).
        y
            Not looked at.
        sample_weight
            (n_samples,).
        decay
            0.5 (learn fast, forget fast) to 1 (every batch counts alike).

        References
        ----------
        Cappé and Moulines, "On-line expectation-maximization algorithm for latent data models",
        JRSS B 71 (2009); Liang and Klein, NAACL 2009, for the stepsizes.
        """
        if not 0.5 <= decay <= 1:
            raise ConfigError(f"decay must be 0.5 to 1, got {decay}")
        if not hasattr(self, self._learnt):
            self.fit(X, sample_weight=sample_weight)
            self._batches = 1
            return self
        self._check()
        # Earlier batches cannot be read again in float64 should float32 be too coarse for them.
        values = self._asked(X).astype(float, copy=False)
        self._check_known(values.shape[1])
        weights = samples.sample_weights(sample_weight, len(values), values.dtype)
        center = self._middle(values.dtype)
        rows = samples.rows_of(values, weights, center, self._takes_missing)
        data = Samples(lambda: [rows], self.threads)
        self._batches = getattr(self, "_batches", 1) + 1
        step = float(self._batches) ** -decay
        known = self._known(center)
        found = em.gaussians(known, self._form)
        sums = data.expect(found)
        mixed = algebra.mix(known, sums, self._form, self.reg_covar, step, data.mass)
        model = em.Likelihood(self._form, self.reg_covar, data)
        self._keep(model.maximise(mixed, known), center, self.means_.dtype)
        self.lower_bound_ = sums.log_likelihood
        self.lower_bounds_ = [*self.lower_bounds_, sums.log_likelihood]
        self.n_iter_ += 1
        return self

    # Making other mixtures of it.

    def marginal(self, features: ArrayLike) -> GaussianMixture:
        """The mixture of some features alone.

        Parameters
        ----------
        features
            (any,) indices of the features to keep, in the order wanted.
        """
        self._check_fitted()
        kept = self._indices(features, "features")
        weights, means, matrices = self._matrices()
        part = matrices[:, kept[:, None], kept]
        return self.from_parameters(weights, means[:, kept], part, "full", threads=self.threads)

    def condition(self, features: ArrayLike, values: ArrayLike) -> GaussianMixture:
        """The mixture of the other features, where some are known (Gaussian mixture regression).

        Parameters
        ----------
        features
            (any,) indices of the features that are known.
        values
            (any,) what they are.

        Returns
        -------
        mixture
            Of the remaining features in their order: equations 2.81 and 2.82 of Bishop for each
            component, weighted by how well it explains the values.
        """
        self._check_fitted()
        known = self._indices(features, "features")
        given = numbers_of(values, "values").reshape(-1)
        if given.shape != known.shape or not np.isfinite(given).all():
            raise DataError(
                f"values must be {len(known)} finite numbers, one for each known feature, "
                f"got {values!r}"
            )
        if len(known) == self.means_.shape[1]:
            raise ConfigError("every feature is known: nothing is left to describe")
        with np.errstate(over="ignore", invalid="ignore"):
            conditioned = algebra.condition(*self._matrices(), known, given)
        if not np.isfinite(conditioned[0]).all():
            raise DataError(
                f"values {values!r} lie so far from every component that none explains them"
            )
        return self.from_parameters(*conditioned, "full", threads=self.threads)

    def pruned(self, min_weight: float = 1e-3) -> GaussianMixture:
        """The mixture without components lighter than `min_weight`; the rest sum to one."""
        self._check_fitted()
        kept = np.asarray(self.weights_ >= numbers_of(min_weight, "min_weight"))
        if not kept.any():
            raise ConfigError(
                f"no component has a weight of {min_weight:g} or more; "
                f"the heaviest has {self.weights_.max():.3g}"
            )
        weights = np.asarray(self.weights_, float)[kept]
        covariances = np.asarray(self.covariances_, float)
        return self._like(
            weights / weights.sum(),
            self.means_[kept],
            covariances if self._learnt_type == "tied" else covariances[kept],
            self._learnt_type,
        )

    def merged(self, n_components: int) -> GaussianMixture:
        """The mixture with pairs of components joined until `n_components` are left.

        The pair joined next is the one whose moment-preserving union changes the mixture least:
        Runnalls' bound on the Kullback-Leibler divergence (IEEE Trans. Aerospace and Electronic
        Systems 43, 2007, equation 16). The result has full covariances.
        """
        self._check_fitted()
        left = whole_number(n_components, "n_components", 1, len(self.weights_))
        return self._like(*algebra.merge(*self._matrices(), left), "full")

    def _like(self, weights: Any, means: Any, covariances: Any, form: str) -> GaussianMixture:
        given = self.get_params()
        for name in ("n_components", "covariance_type", "weights_init", "means_init"):
            del given[name]
        given["precisions_init"] = None
        return self.from_parameters(weights, means, covariances, form, **given)

    def _matrices(self) -> tuple[Array, Array, Array]:
        means = np.asarray(self.means_, float)
        covariances = self._learnt_form.matrices(np.asarray(self.covariances_, float), *means.shape)
        return np.asarray(self.weights_, float), means, covariances

    def _indices(self, features: ArrayLike, name: str) -> NDArray[np.intp]:
        indices = np.asarray(features).reshape(-1)
        count = self.means_.shape[1]
        whole = indices.size and indices.dtype.kind in "iu"
        if not whole or (abs(2 * indices + 1) >= 2 * count + 1).any():
            raise ConfigError(
                f"{name} must be indices of the {count} features (0 to {count - 1}), "
                f"got {features!r}"
            )
        indices = indices % count
        if len(set(indices.tolist())) < len(indices):
            raise ConfigError(f"{name} names a feature twice: {features!r}")
        return np.asarray(indices, np.intp)


def check_shape(array: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    """Refuse an array of another shape."""
    if array.shape != shape:
        raise ConfigError(
            f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}"
        )


def _check_means(means: Array, shape: tuple[int, ...]) -> None:
    check_shape(means, shape, "means")
    if not np.isfinite(means).all():
        raise ConfigError(f"The parameter 'means' should be finite, but got {means}")


def _check_weights(weights: ArrayLike, components: int) -> Array:
    loose = getattr(weights, "dtype", None) == np.float32
    array = numbers_of(weights, "weights")
    check_shape(array, (components,), "weights")
    if not ((array >= 0) & (array <= 1)).all():
        # scikit-learn's message, which its tests match word for word, has the two exchanged.
        raise ConfigError(
            "The parameter 'weights' should be in the range [0, 1], but got max value "
            f"{array.min():.5f}, min value {array.max():.5f} (the lowest and the highest)"
        )
    if abs(1 - array.sum()) > (1e-6 if loose else 1e-8):
        raise ConfigError(
            "The parameter 'weights' should be normalized, but got sum(weights) = "
            f"{array.sum():.5f}"
        )
    return array


def _check_matrices(
    array: Array, what: str, covariance_type: str, components: int, features: int
) -> None:
    form = FORMS[covariance_type]
    check_shape(array, form.shape(components, features), f"{covariance_type} {what}")
    if not (np.isfinite(array).all() and form.is_positive(array)):
        wanted = "positive" if form.diagonal else "symmetric, positive-definite"
        raise ConfigError(f"'{covariance_type} {what}' should be {wanted}")
