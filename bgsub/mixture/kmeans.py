"""k-means: the mixture with equal weights, one shared vanishing variance, and hard assignments."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import ConfigError, DataError
from bgsub.kernels import em as passes
from bgsub.kernels import kmeans as kernel
from bgsub.kernels.em import Rows
from bgsub.kernels.kmeans import Spread
from bgsub.mixture import compat, samples
from bgsub.mixture.estimator import Estimator, check_number, generator

Array = NDArray[np.float64]


class Clusters(NamedTuple):
    """Where Lloyd's rounds ended."""

    centers: Array
    """(clusters, features), relative to the data's centre."""
    labels: NDArray[np.int32]
    inertia: float
    rounds: int
    converged: bool


def _rows(values: NDArray[Any], weights: NDArray[Any]) -> Rows:
    """Checked samples, none of them missing, as the kernels read them."""
    return Rows(values, weights, samples.center_of(values))


def _mass(rows: Rows) -> float:
    return float(rows.weights.sum(dtype=float)) if rows.weights.size else float(len(rows.values))


def _points(rows: Rows, indices: NDArray[np.intp]) -> Array:
    return np.asarray(rows.values[indices].astype(float) - rows.center.astype(float))


def _first(rows: Rows, rng: np.random.RandomState) -> int:
    """A sample drawn by weight."""
    if not rows.weights.size:
        return int(rng.random_sample() * len(rows.values))
    share = rows.weights.astype(float).cumsum()
    return int(np.searchsorted(share / share[-1], rng.random_sample(), side="right"))


def scattered(rows: Rows, count: int, rng: np.random.RandomState) -> NDArray[np.intp]:
    """Indices of `count` samples drawn by weight, none twice."""
    share = rows.weights.astype(float) / _mass(rows) if rows.weights.size else None
    if share is not None and np.count_nonzero(share) < count:
        raise DataError(
            f"{count} samples are to be drawn, but only {np.count_nonzero(share)} have a weight"
        )
    return np.asarray(rng.choice(len(rows.values), size=count, replace=False, p=share), np.intp)


def plus_plus(
    rows: Rows, clusters: int, rng: np.random.RandomState, threads: int | None = None
) -> NDArray[np.intp]:
    """Indices of samples far from each other: greedy k-means++.

    Arthur and Vassilvitskii (SODA 2007): each next one is drawn with probability proportional to
    the squared distance to the nearest so far; of 2 + log(clusters) draws the best is kept
    (section 5). Draws random numbers in scikit-learn's order.
    """
    workers = passes.worth_waking(rows, clusters, threads)
    trials = 2 + int(np.log(clusters))
    chosen = np.empty(clusters, np.intp)
    chosen[0] = _first(rows, rng)
    closest = np.empty(len(rows.values), rows.values.dtype)
    known = nothing = closest[:0]
    fresh = _points(rows, chosen[:1])
    by_chunk = kernel.potentials(rows, fresh[:0], fresh, nothing, nothing, workers)[:, 0]
    for n in range(1, clusters):
        targets = rng.uniform(size=trials) * by_chunk.sum()
        candidates = np.array(
            [kernel.drawn(rows, fresh[0], known, by_chunk, target) for target in targets]
        )
        left = kernel.potentials(rows, fresh, _points(rows, candidates), known, closest, workers)
        best = int(left.sum(0).argmin())
        chosen[n], by_chunk, known = candidates[best], left[:, best], closest
        fresh = _points(rows, chosen[n : n + 1])
    return chosen


def lloyd(
    rows: Rows,
    centers: Array,
    spread: Spread,
    *,
    max_iter: int,
    tol: float,
    threads: int | None = None,
) -> Clusters:
    """Lloyd's rounds until no sample moves, or the centres move by less than `tol`.

    `tol` is the squared move of all of them, as a share of the samples' variance.
    """
    workers = passes.worth_waking(rows, len(centers), threads)
    known = kernel.unassigned(rows, len(centers), spread.radius)
    strict = converged = False
    rounds = 0
    while rounds < max_iter and not converged:
        rounds += 1
        strict = kernel.assign(rows, centers, known, workers) == 0
        old = centers
        centers = _means(rows, known, old)
        converged = strict or float(((centers - old) ** 2).sum()) <= tol * spread.variance
    if not strict:  # the labels are those of the centres before the last move
        kernel.assign(rows, centers, known, workers)
    inertia = kernel.inertia(rows, centers, known.labels, workers)
    return Clusters(centers, known.labels, inertia, rounds, converged)


def _means(rows: Rows, known: kernel.Assignment, centers: Array) -> Array:
    """Mean of each cluster; an empty one takes the sample that is farthest from its centre."""
    mass, first = known.sums()
    # Weights that were added and taken away again may leave their rounding behind.
    empty = np.flatnonzero(mass <= 1e-14 * mass.sum())
    if empty.size:
        away = _squared_distances(rows, centers, known.labels)
        farthest = np.argsort(-away, kind="stable")[: empty.size]
        for k, index in zip(empty, farthest, strict=True):
            weight = float(rows.weights[index]) if rows.weights.size else 1.0
            point = _points(rows, np.array([index]))[0] * weight
            mass[known.labels[index]] -= weight
            first[known.labels[index]] -= point
            mass[k], first[k] = weight, point
    return np.asarray(first / mass[:, None])


def _squared_distances(rows: Rows, centers: Array, labels: NDArray[np.int32]) -> Array:
    out = np.empty(len(labels))
    for first in range(0, len(labels), samples.BLOCK):
        cut = slice(first, first + samples.BLOCK)
        away = rows.values[cut].astype(float) - rows.center - centers[labels[cut]]
        out[cut] = np.einsum("nd,nd->n", away, away)
    return out


def seeded(
    rows: Rows, clusters: int, rng: np.random.RandomState, threads: int | None = None
) -> Clusters:
    """One k-means with scikit-learn's defaults, as it starts a mixture."""
    start = _points(rows, plus_plus(rows, clusters, rng, threads))
    spread = kernel.spread(rows, passes.worth_waking(rows, 1, threads))
    return lloyd(rows, start, spread, max_iter=300, tol=1e-4, threads=threads)


def _distinct(labels: NDArray[np.int32], most: int) -> int:
    """Number of distinct labels; usually all `most` are met early."""
    met = np.zeros(most, bool)
    for first in range(0, len(labels), samples.BLOCK):
        met[labels[first : first + samples.BLOCK]] = True
        if met.all():
            break
    return int(np.count_nonzero(met))


class KMeans(Estimator):
    """k-means with greedy k-means++ starts and Lloyd's rounds, compiled.

    It is the limit of a Gaussian mixture with equal weights and one shared spherical variance that
    goes to zero: each responsibility then goes to 1 for the nearest mean and 0 for the others (a
    hard assignment), the M step becomes the mean of the samples assigned, and the log-likelihood
    becomes, up to a constant and the factor -1 / (2 variance), the inertia that k-means minimises
    (Bishop 2006, section 9.3.2). So it knows no cluster sizes, widths or directions; a mixture
    does.

    Parameters
    ----------
    n_clusters
        Clusters.
    init
        "k-means++", "random" (samples drawn alike), or centres (n_clusters, n_features).
    n_init
        Starts, of which the one with the least inertia is kept. "auto" is 1 for "k-means++" and
        for given centres, 10 for "random".
    max_iter
        Rounds at most.
    tol
        Stop when the squared move of all centres is below this share of the data's variance.
    random_state
        int, numpy.random.RandomState, or None for numpy's global one. An int gives the same
        starts as scikit-learn's KMeans.
    threads
        Processors to use, by default all. The result is the same for any number.

    Attributes
    ----------
    cluster_centers_
        (n_clusters, n_features).
    labels_
        (n_samples,) int32: nearest centre of each training sample.
    inertia_
        Sum of squared distances to the nearest centres, times the weights.
    n_iter_
        Rounds made.
    n_features_in_
        Features.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> KMeans(2, random_state=0).fit(x).cluster_centers_
    array([[10.,  2.],
           [ 1.,  2.]])
    """

    _kind = "clusterer"
    _learnt = "cluster_centers_"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | ArrayLike = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from X (n_samples, n_features). Returns self."""
        self._check()
        values = self._training(X, least=1)
        if len(values) < self.n_clusters:
            raise DataError(f"n_samples={len(values)} should be >= n_clusters={self.n_clusters}.")
        weights = samples.sample_weights(sample_weight, len(values), values.dtype)
        rows = _rows(values, weights)
        rng = generator(self.random_state)
        spread = kernel.spread(rows, passes.worth_waking(rows, 1, self.threads))
        vanished = spread.variance == 0 and bool((values != values[0]).any())
        if vanished or not np.isfinite(spread.variance):
            raise DataError(
                f"X reaches from {values.min():g} to {values.max():g}: squared distances leave the "
                f"range of {values.dtype}. Scale the samples."
            )
        runs = (
            lloyd(
                rows,
                self._start(rows, rng),
                spread,
                max_iter=self.max_iter,
                tol=self.tol,
                threads=self.threads,
            )
            for _ in range(self._starts())
        )
        best = min(runs, key=lambda run: run.inertia)
        self.cluster_centers_ = (best.centers + rows.center).astype(values.dtype)
        self.labels_, self.inertia_, self.n_iter_ = best.labels, best.inertia, best.rounds
        found = _distinct(self.labels_, self.n_clusters)
        if found < self.n_clusters:
            compat.warn(
                f"Number of distinct clusters ({found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                compat.convergence_warning(),
            )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Nearest centre of each sample, (n_samples,) int32."""
        values = self._asked(X)
        rows = _rows(values, np.empty(0, values.dtype))
        return self._nearest(rows)[0]

    def _nearest(self, rows: Rows) -> tuple[NDArray[np.int32], float]:
        """Labels, and inertia."""
        centers = self.cluster_centers_.astype(float) - rows.center
        known = kernel.unassigned(rows, len(centers))
        workers = passes.worth_waking(rows, len(centers), self.threads)
        kernel.assign(rows, centers, known, workers)
        return known.labels, kernel.inertia(rows, centers, known.labels, workers)

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.int32]:
        """Fit, and the labels of the samples."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Distances to the centres, (n_samples, n_clusters)."""
        values = self._asked(X)
        out = np.empty((len(values), len(self.cluster_centers_)), values.dtype)
        for k, center in enumerate(self.cluster_centers_):
            out[:, k] = np.linalg.norm(values - center, axis=1)
        return out

    def fit_transform(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Fit, and the distances of the samples to the centres."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Minus the inertia of X."""
        values = self._asked(X)
        weights = samples.sample_weights(sample_weight, len(values), values.dtype)
        return -self._nearest(_rows(values, weights))[1]

    def _check(self) -> None:
        check_number(self, "n_clusters", whole=True, least=1)
        check_number(self, "max_iter", whole=True, least=1)
        check_number(self, "tol", least=0)
        if self.n_init != "auto":
            check_number(self, "n_init", whole=True, least=1)
        named = isinstance(self.init, str) and self.init in ("k-means++", "random")
        if callable(self.init) or (isinstance(self.init, str) and not named):
            raise ConfigError(
                f"init must be 'k-means++', 'random' or an array of centres, got {self.init!r}"
            )

    def _starts(self) -> int:
        if not isinstance(self.init, str):
            return 1
        if isinstance(self.n_init, str):
            return 10 if self.init == "random" else 1
        return self.n_init

    def _start(self, rows: Rows, rng: np.random.RandomState) -> Array:
        if not isinstance(self.init, str):
            centers = samples.matrix(self.init, name="init").astype(float)
            expected = (self.n_clusters, rows.values.shape[1])
            if centers.shape != expected:
                raise ConfigError(f"init must have shape {expected}, got {centers.shape}")
            return np.asarray(centers - rows.center.astype(float))
        if self.init == "k-means++":
            return _points(rows, plus_plus(rows, self.n_clusters, rng, self.threads))
        return _points(rows, scattered(rows, self.n_clusters, rng))
