"""How many components, and of which form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import ConfigError
from bgsub.kernels.threads import available
from bgsub.mixture import samples
from bgsub.mixture.covariances import FORMS
from bgsub.mixture.estimator import whole_number
from bgsub.mixture.gaussian import GaussianMixture

CRITERIA = ("bic", "aic", "icl", "cv")


class Candidate(NamedTuple):
    """One mixture that was tried. NaN stands for what was not computed."""

    n_components: int
    covariance_type: str
    parameters: int
    log_likelihood: float
    """Mean of a training sample, in nats."""
    bic: float
    aic: float
    icl: float
    cv: float
    """Mean log-likelihood of a held-out sample, in nats."""
    cv_error: float
    """Standard error of `cv` over the folds."""
    converged: bool


class Selection(NamedTuple):
    """What `select_components` found."""

    criterion: str
    table: list[Candidate]
    best: Candidate
    mixture: GaussianMixture
    """The winner, fitted to all samples."""

    def __str__(self) -> str:
        head = f"{'K':>4} {'covariance':<10} {'parameters':>10} {'log L':>12} " + " ".join(
            f"{name:>14}" for name in CRITERIA
        )
        lines = [head]
        for row in self.table:
            numbers = " ".join(f"{getattr(row, name):>14.6g}" for name in CRITERIA)
            mark = "  <- best" if row is self.best else ""
            lines.append(
                f"{row.n_components:>4} {row.covariance_type:<10} {row.parameters:>10} "
                f"{row.log_likelihood:>12.6f} {numbers}{mark}"
            )
        return "\n".join(lines)

    def plot(self, axes: Any = None) -> Any:
        """Draw the criterion over the number of components; needs the extra `plot`.

        Parameters
        ----------
        axes
            matplotlib axes, by default new ones.

        Returns
        -------
        axes
        """
        if axes is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError as error:
                raise ConfigError(
                    'plots need matplotlib: install it with pip install "bgsub[plot]"'
                ) from error
            axes = plt.subplots()[1]
        for kind in dict.fromkeys(row.covariance_type for row in self.table):
            rows = [row for row in self.table if row.covariance_type == kind]
            counts = [row.n_components for row in rows]
            axes.plot(counts, [getattr(row, self.criterion) for row in rows], "o-", label=kind)
        axes.plot(self.best.n_components, getattr(self.best, self.criterion), "k*", markersize=14)
        axes.set_xlabel("components")
        axes.set_ylabel("held-out log-likelihood" if self.criterion == "cv" else self.criterion)
        axes.legend()
        return axes


def select_components(
    X: ArrayLike,
    components: Iterable[int] = range(1, 11),
    criterion: str = "bic",
    *,
    covariance_types: str | Sequence[str] = ("full",),
    n_jobs: int = 1,
    folds: int = 5,
    sample_weight: ArrayLike | None = None,
    random_state: int | None = 0,
    **params: Any,
) -> Selection:
    """Fit mixtures with several numbers of components and forms, and choose one.

    Parameters
    ----------
    X
        (n_samples, n_features).
    components
        Numbers to try.
    criterion
        "bic" (Schwarz 1978), "aic" (Akaike 1974), "icl" (Biernacki et al. 2000), which are all
        lowest at the best, or "cv": the log-likelihood of samples held out, highest at the best
        (Smyth, Statistics and Computing 10, 2000).
    covariance_types
        Forms to try.
    n_jobs
        Fits side by side; -1 for as many as there are processors.
    folds
        Of the cross-validation, for "cv".
    sample_weight
        (n_samples,). A sample without weight is as if it were not there.
    random_state
        Seed of the starts and the folds.
    **params
        Of `GaussianMixture`.

    Returns
    -------
    selection
        Table, best row, and the fitted winner.

    Notes
    -----
    Each number of components starts twice, from `init_params` and from the next smaller fit with
    its widest component split in two, and the better fit is kept. So a bad start does not decide
    the choice, and the likelihood hardly ever falls as components are added.
    """
    if isinstance(covariance_types, str):
        covariance_types = (covariance_types,)
    if not isinstance(components, Iterable):
        raise ConfigError(f"components must be numbers such as range(1, 11), got {components!r}")
    counts = sorted({whole_number(count, "each of components", 1) for count in components})
    if not counts:
        raise ConfigError("components must be numbers from 1 up, got none")
    for name, instead in (("n_components", "components"), ("covariance_type", "covariance_types")):
        if name in params:
            raise ConfigError(f"{name} is what is chosen: give those to try as {instead}")
    if criterion not in CRITERIA:
        raise ConfigError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    unknown = [kind for kind in covariance_types if kind not in FORMS]
    if unknown or not covariance_types:
        raise ConfigError(
            f"covariance_types must be of {', '.join(FORMS)}, got {list(covariance_types)}"
        )
    n_jobs = available() if n_jobs == -1 else whole_number(n_jobs, "n_jobs, unless it is -1,", 1)
    folds = whole_number(folds, "folds", 2)
    missing = all(kind in ("diag", "spherical") for kind in covariance_types)
    values = samples.matrix(X, least=2, missing=missing)
    weights = samples.sample_weights(sample_weight, len(values), np.float64)
    if not weights.all():
        values, weights = values[weights > 0], weights[weights > 0]
    fewest = len(values) - (-(-len(values) // folds) if criterion == "cv" else 0)
    if criterion == "cv" and folds > len(values):
        raise ConfigError(f"{folds} folds need as many samples, got {len(values)}")
    if counts[-1] > fewest:
        raise ConfigError(
            f"{counts[-1]} components cannot be fitted to {fewest} samples"
            + (f" (those left by {folds} folds)" if criterion == "cv" else "")
        )
    params = {"random_state": random_state, **params}
    if n_jobs > 1:
        params["threads"] = 1
    work = _Work(values, weights, counts, params)
    cuts = _folds(len(values), folds, random_state) if criterion == "cv" else []
    jobs: list[Callable[[], Any]] = []
    for kind in covariance_types:
        jobs.append(lambda kind=kind: work.whole(kind))  # type: ignore[misc]
        jobs += [lambda kind=kind, cut=cut: work.held_out(kind, cut) for cut in cuts]  # type: ignore[misc]
    if n_jobs == 1:
        done = [job() for job in jobs]
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            done = list(pool.map(lambda job: job(), jobs))
    table: list[Candidate] = []
    fitted: list[GaussianMixture] = []
    step = 1 + len(cuts)
    for n in range(len(covariance_types)):
        mixtures, rows = done[n * step]
        scores = np.array(done[n * step + 1 : (n + 1) * step])
        fitted += mixtures
        for k, row in enumerate(rows):
            if cuts:
                error = scores[:, k].std(ddof=1) / np.sqrt(len(cuts))
                row = row._replace(cv=float(scores[:, k].mean()), cv_error=float(error))
            table.append(row)
    sign = -1 if criterion == "cv" else 1
    best = int(np.argmin([sign * getattr(row, criterion) for row in table]))
    return Selection(criterion, table, table[best], fitted[best])


def _folds(count: int, folds: int, seed: int | None) -> list[NDArray[np.intp]]:
    order = np.random.default_rng(seed).permutation(count)
    return [np.sort(part) for part in np.array_split(order, folds)]


class _Work:
    """Fits one form with every number of components."""

    def __init__(
        self,
        values: NDArray[Any],
        weights: NDArray[np.float64],
        counts: list[int],
        params: dict[str, Any],
    ) -> None:
        self.values, self.weights, self.counts, self.params = values, weights, counts, params

    def whole(self, kind: str) -> tuple[list[GaussianMixture], list[Candidate]]:
        """Fits to all samples, and their rows."""
        weights = self.weights if self.weights.size else None
        mixtures = self._path(self.values, weights, kind)
        rows = [
            Candidate(
                n_components=mixture.n_components,
                covariance_type=kind,
                parameters=mixture._n_parameters(),
                log_likelihood=mixture.score(self.values, sample_weight=weights),
                bic=mixture.bic(self.values, weights),
                aic=mixture.aic(self.values, weights),
                icl=mixture.icl(self.values, weights),
                cv=float("nan"),
                cv_error=float("nan"),
                converged=mixture.converged_,
            )
            for mixture in mixtures
        ]
        return mixtures, rows

    def held_out(self, kind: str, cut: NDArray[np.intp]) -> list[float]:
        """Log-likelihood of the samples in `cut` under fits to the others."""
        kept = np.setdiff1d(np.arange(len(self.values)), cut)
        train, test = (self.weights[part] if self.weights.size else None for part in (kept, cut))
        return [
            mixture.score(self.values[cut], sample_weight=test)
            for mixture in self._path(self.values[kept], train, kind)
        ]

    def _path(
        self, values: NDArray[Any], weights: NDArray[np.float64] | None, kind: str
    ) -> list[GaussianMixture]:
        found: list[GaussianMixture] = []
        for count in self.counts:
            fits = [GaussianMixture(count, covariance_type=kind, **self.params)]
            if found:
                start = _split(found[-1], count)
                fits.append(fits[0].__class__(**{**fits[0].get_params(), **start}))
            for fit in fits:
                fit.fit(values, sample_weight=weights)
            best = max(fits, key=lambda fit: fit.lower_bound_)
            plain = {"weights_init": None, "means_init": None, "precisions_init": None}
            found.append(best.set_params(**plain))
        return found


def _split(mixture: GaussianMixture, count: int) -> dict[str, NDArray[np.float64]]:
    """Where `count` components start: those of a smaller mixture, the widest split in two."""
    weights, means, matrices = (part.copy() for part in mixture._matrices())
    precisions = np.asarray(mixture.precisions_, float)
    while len(weights) < count:
        widest = int(np.argmax(weights * np.trace(matrices, axis1=1, axis2=2)))
        size, axes = np.linalg.eigh(matrices[widest])
        step = 0.5 * np.sqrt(size[-1]) * axes[:, -1]
        weights[widest] /= 2
        weights = np.append(weights, weights[widest])
        means = np.vstack([means, means[widest] + step])
        means[widest] -= step
        matrices = np.concatenate([matrices, matrices[widest : widest + 1]])
        if mixture.covariance_type != "tied":
            precisions = np.concatenate([precisions, precisions[widest : widest + 1]])
    return {
        "weights_init": weights / weights.sum(),
        "means_init": means,
        "precisions_init": precisions,
    }
