"""What the maximum-likelihood and the Bayesian mixture share: fitting, asking, drawing."""

from __future__ import annotations

import numbers
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import ConfigError, DataError
from bgsub.kernels import em as passes
from bgsub.kernels.em import Gaussians, Rows
from bgsub.mixture import advice, compat, em, samples, starts
from bgsub.mixture.covariances import FORMS, Form
from bgsub.mixture.em import Progress
from bgsub.mixture.estimator import (
    Estimator,
    check_choice,
    check_flag,
    check_number,
    generator,
)
from bgsub.mixture.samples import Samples

Array = NDArray[np.float64]
Callback = Callable[[Progress], None]
Blocks = Iterable[ArrayLike] | Callable[[], Iterable[ArrayLike]]
State = TypeVar("State")


class ClusterSizes(NamedTuple):
    """How many samples each component has, counted three ways."""

    mass: Array
    """Sum of its responsibilities: what the samples say, where `weights_` are what the model
    says. They differ on other data than those fitted, and under a prior."""
    effective: Array
    """(sum r)^2 / sum r^2, Kish's effective size: how many samples take part. It is `mass` where
    each sample has one component, and more where components share their samples."""
    assigned: NDArray[np.int64]
    """Samples whose most responsible component it is."""


class Mixture(Estimator, Generic[State]):
    """A mixture of Gaussians, of which subclasses say how it steps and what it keeps."""

    _kind = "density_estimator"
    _learnt = "precisions_cholesky_"
    _spare: ClassVar[bool]
    """Whether components without samples are as it should be."""

    n_components: int
    covariance_type: str
    tol: float
    reg_covar: float
    max_iter: int
    n_init: int
    init_params: str
    random_state: Any
    warm_start: bool
    verbose: int
    verbose_interval: int
    threads: int | None

    lower_bound_: float
    lower_bounds_: list[float]
    means_: NDArray[Any]
    weights_: NDArray[Any]
    covariances_: NDArray[Any]
    precisions_: NDArray[Any]
    precisions_cholesky_: NDArray[Any]

    # What a subclass says.

    @abstractmethod
    def _model(self, samples: Samples) -> em.Model[State]:
        """How to step; checks what depends on the samples."""

    @abstractmethod
    def _first(self, samples: Samples, model: em.Model[State], rng: np.random.RandomState) -> State:
        """Where to start."""

    @abstractmethod
    def _known(self, center: Array) -> State:
        """What was learnt, relative to `center`."""

    @abstractmethod
    def _set(self, state: State, center: Array, real: Any) -> None:
        """Set the attributes."""

    @abstractmethod
    def _gaussians(self, center: Array) -> Gaussians:
        """The weighted densities of what was learnt, relative to `center`."""

    def _keep(self, state: State, center: Array, real: Any) -> None:
        """What was learnt becomes the mixture."""
        self._set(state, center, real)
        self._kept_type = self.covariance_type

    # Learning.

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Learn from samples in memory.

        Parameters
        ----------
        X
            (n_samples, n_features), float32 or float64; anything else becomes float64. A
            memory-mapped array works too, and is read in blocks.
        y
            Not looked at.
        sample_weight
            (n_samples,). Whole numbers are the same as repeated rows.
        callback
            Called with a `Progress` after each iteration; may raise StopIteration to end the fit
            with what was reached.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Samples that cannot be fitted.
        ConfigError
            A parameter out of its range.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # ends in a DataError that says more
            self._fit(*self._prepare(X, sample_weight), callback)
        return self

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.int64]:
        """Learn from X, and the most responsible component of each sample, (n_samples,)."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def fit_blocks(self, blocks: Blocks, callback: Callback | None = None) -> Self:
        """Learn from samples that do not fit into memory.

        The result is that of `fit` on all of them from the same start; the start itself looks at
        `bgsub.mixture.starts.SKETCH` rows drawn from all blocks.

        Parameters
        ----------
        blocks
            Arrays (any, n_features), in a list or an object that can be iterated again and again,
            or a function that gives a new iterator at each call: every iteration reads all.
        callback
            As of `fit`.
        """
        again = _again(blocks)
        self._check()
        head = next((block for block in again() if np.shape(block)[:1] != (0,)), None)
        if head is None:
            raise DataError("blocks hold no samples at all")
        first = self._training(head, least=1)
        center = samples.center_of(first)

        def read() -> Iterator[Rows]:
            samples_read = 0
            for number, block in enumerate(again()):
                values = samples.matrix(
                    block, least=0, missing=self._takes_missing, workers=self.threads
                )
                if values.shape[1] != first.shape[1]:
                    raise DataError(
                        f"block {number} has {values.shape[1]} features, those before have "
                        f"{first.shape[1]}"
                    )
                if len(values):
                    samples_read += len(values)
                    rows = values.astype(first.dtype, copy=False)
                    nothing = np.empty(0, rows.dtype)
                    yield samples.rows_of(rows, nothing, center, self._takes_missing)
            if not samples_read:
                raise DataError(
                    "blocks were empty when they were read again: the function must give a new "
                    "iterator at each call"
                )

        self._fit(Samples(read, self.threads), first.dtype, callback)
        return self

    def _prepare(self, x: ArrayLike, sample_weight: ArrayLike | None) -> tuple[Samples, Any]:
        """The data, and the type of what is learnt from them."""
        self._check()
        values = self._training(x)
        if self._takes_missing and np.isnan(values.sum()) and np.isnan(values).all(0).any():
            unseen = np.flatnonzero(np.isnan(values).all(0)).tolist()
            raise DataError(f"features {unseen} have no value at all: drop them")
        weights = samples.sample_weights(sample_weight, len(values), values.dtype)
        return self._data(values, weights), values.dtype

    def _data(self, values: NDArray[Any], weights: NDArray[Any]) -> Samples:
        rows = samples.rows_of(values, weights, None, self._takes_missing)
        return Samples(lambda: [rows], self.threads)

    def _fit(self, data: Samples, real: Any, callback: Callback | None) -> None:
        if data.count < self.n_components:
            raise DataError(
                f"Expected n_samples >= n_components but got n_components = {self.n_components}, "
                f"n_samples = {data.count}"
            )
        model = self._model(data)
        advice.before(self, data)
        center = data.center
        go_on = bool(self.warm_start) and hasattr(self, "converged_")
        if go_on:
            self._check_known(data.features)
        for stale in ("anomaly_threshold_", "_batches"):
            if hasattr(self, stale):
                delattr(self, stale)
        rng = generator(self.random_state)
        best: tuple[State, list[float], bool] | None = None
        for run in range(1 if go_on else self.n_init):
            told = _Teller(run, self.verbose, self.verbose_interval, callback)
            state = self._known(center) if go_on else self._first(data, model, rng)
            before = self.lower_bound_ if go_on else -np.inf
            ended = em.iterate(
                model,
                data,
                state,
                tol=self.tol,
                max_iter=self.max_iter,
                before=before,
                tell=told.step,
            )
            told.end(ended[2])
            if best is None or not best[1] or ended[1][-1] > best[1][-1]:
                best = ended
            if told.stopped:
                break
        assert best is not None
        state, bounds, converged = best
        self._keep(state, center, real)
        self.converged_ = converged
        self.n_iter_ = len(bounds)
        self.lower_bounds_ = bounds
        self.lower_bound_ = bounds[-1] if bounds else -np.inf
        if self.max_iter > 0 and not converged and not told.stopped:
            compat.warn(
                "Best performing initialization did not converge. Try different init parameters, "
                "or increase max_iter, tol, or check for degenerate data.",
                compat.convergence_warning(),
            )
        advice.after(self, data)

    def _check_known(self, features: int) -> None:
        """Refuse to go on from a fit of another shape."""
        known = (*self.means_.shape, self._learnt_type)
        now = (self.n_components, features, self.covariance_type)
        if known != now:
            last, wanted = (
                f"{k} components and {d} features with covariance_type {kind!r}"
                for k, d, kind in (known, now)
            )
            raise ConfigError(
                f"the last fit, from which this one would go on, is of {last}, but now {wanted} "
                "are asked for: start anew with warm_start=False and fit()"
            )

    def _check(self) -> None:
        check_number(self, "n_components", whole=True, least=1)
        check_choice(self, "covariance_type", tuple(FORMS))
        check_number(self, "tol", least=0)
        check_number(self, "reg_covar", least=0)
        check_number(self, "max_iter", whole=True, least=0)
        check_number(self, "n_init", whole=True, least=1)
        check_choice(self, "init_params", starts.METHODS)
        check_flag(self, "warm_start")
        if not isinstance(self.verbose, bool):
            check_number(self, "verbose", whole=True, least=0)
        check_number(self, "verbose_interval", whole=True, least=1)
        if self.threads is not None:
            check_number(self, "threads", whole=True, least=1)

    @property
    def _form(self) -> Form:
        """Of the covariances to learn."""
        return FORMS[self.covariance_type]

    @property
    def _learnt_type(self) -> str:
        """covariance_type of what was learnt, which may have been set to another since."""
        return getattr(self, "_kept_type", self.covariance_type)

    @property
    def _learnt_form(self) -> Form:
        """Of the covariances that were learnt."""
        return FORMS[self._learnt_type]

    @property
    def _takes_missing(self) -> bool:
        return self.covariance_type in ("diag", "spherical")

    @property
    def _judges_missing(self) -> bool:
        return self._learnt_type in ("diag", "spherical")

    # Asking.

    def _middle(self, real: Any) -> Array:
        """A point in the midst of the components, that samples are taken relative to."""
        return np.asarray(np.mean(self.means_, 0, dtype=float), real).astype(float)

    def _report(self, x: ArrayLike, **what: bool) -> passes.Reports:
        values = self._asked(x)
        center = self._middle(values.dtype)
        nothing = np.empty(0, values.dtype)
        rows = samples.rows_of(values, nothing, center, self._judges_missing)
        return passes.report(rows, self._gaussians(center), workers=self.threads, **what)

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """Log-likelihood of each sample in nats, (n_samples,)."""
        return self._report(X, log_density=True).log_density

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Most responsible component of each sample, (n_samples,)."""
        return self._report(X, labels=True).labels

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Responsibility of each component for each sample, (n_samples, n_components)."""
        return self._report(X, responsibilities=True).responsibilities

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean log-likelihood of the samples, in nats, weighted by `sample_weight`."""
        each = self.score_samples(X)
        if sample_weight is None:
            return float(each.mean())
        weights = samples.sample_weights(sample_weight, len(each), np.float64)
        return float(weights @ each / weights.sum())

    def cluster_sizes(self, X: ArrayLike) -> ClusterSizes:
        """How many of the samples each component has; `weights_` are what the model expects."""
        share = np.asarray(self.predict_proba(X), float)
        mass = share.sum(0)
        squares = np.maximum((share**2).sum(0), np.finfo(float).tiny)
        assigned = np.bincount(share.argmax(1), minlength=self.n_components)
        return ClusterSizes(mass, mass**2 / squares, assigned)

    # Anomalies.

    def anomaly_score(self, X: ArrayLike) -> NDArray[Any]:
        """Minus the log-likelihood of each sample, (n_samples,): high where samples are rare."""
        return -self.score_samples(X)

    def calibrate_anomaly(self, X: ArrayLike, quantile: float = 0.99) -> Self:
        """Set the score beyond which a sample is an anomaly.

        Parameters
        ----------
        X
            Normal samples, as a rule those that were fitted.
        quantile
            Share of them to be taken as normal, 0 to 1.

        Returns
        -------
        self
            With `anomaly_threshold_`.
        """
        if not 0 <= quantile <= 1:
            raise ConfigError(f"quantile must be 0 to 1, got {quantile}")
        self.anomaly_threshold_ = float(np.quantile(self.anomaly_score(X), quantile))
        return self

    def is_anomaly(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether each sample's score is beyond `anomaly_threshold_`, (n_samples,)."""
        if not hasattr(self, "anomaly_threshold_"):
            raise ConfigError("no threshold yet: call calibrate_anomaly(X_train, quantile) first")
        return np.asarray(self.anomaly_score(X) > self.anomaly_threshold_)

    # Drawing.

    def sample(self, n_samples: int = 1) -> tuple[Array, NDArray[np.int64]]:
        """Draw from the mixture.

        Parameters
        ----------
        n_samples
            How many.

        Returns
        -------
        X
            (n_samples, n_features) float64, in the order of the components.
        y
            (n_samples,) the component of each.
        """
        self._check_fitted()
        if not isinstance(n_samples, numbers.Integral) or n_samples < 1:
            raise ConfigError(
                f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least one "
                "sample."
            )
        rng = generator(self.random_state)
        weights = np.asarray(self.weights_, float)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        shape = self.means_.shape
        matrices = self._learnt_form.matrices(np.asarray(self.covariances_, float), *shape)
        parts = []
        for mean, matrix, count in zip(self.means_, matrices, counts, strict=True):
            noise = rng.standard_normal(size=(count, shape[1]))
            parts.append(mean + noise @ np.linalg.cholesky(matrix).T)
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)


def _again(blocks: Blocks) -> Callable[[], Iterable[ArrayLike]]:
    if callable(blocks):
        return blocks
    if iter(blocks) is blocks:
        raise ConfigError(
            "blocks can be read only once: pass a list, or a function that gives a new iterator at "
            "each call"
        )
    return lambda: blocks


class _Teller:
    """Says what goes on, to the terminal and to a callback."""

    def __init__(self, run: int, verbose: int, interval: int, callback: Callback | None) -> None:
        self.run, self.verbose, self.interval, self.callback = run, verbose, interval, callback
        self.began = self.last = time.perf_counter()
        self.stopped = False
        if verbose:
            print(f"Initialization {run}")

    def step(self, number: int, bound: float, change: float) -> bool:
        """Tell of an iteration. Returns whether to go on."""
        if self.verbose and number % self.interval == 0:
            now = time.perf_counter()
            detail = f"\t time lapse {now - self.last:.5f}s\t ll change {change:.5f}"
            print(f"  Iteration {number}" + (detail if self.verbose > 1 else ""))
            self.last = now
        self.bound = bound
        if self.callback is not None:
            try:
                self.callback(Progress(self.run, number, bound, change))
            except StopIteration:
                self.stopped = True
        return not self.stopped

    def end(self, converged: bool) -> None:
        if self.verbose:
            detail = ""
            if self.verbose > 1 and hasattr(self, "bound"):
                spent = time.perf_counter() - self.began
                detail = f"\t time lapse {spent:.5f}s\t lower bound {self.bound:.5f}."
            word = "converged." if converged else "did not converge."
            print(f"Initialization {word}" + detail)
