"""Speed and quality beside scikit-learn's mixture, and oneDAL's where daal4py is installed.

Both sides start from the same parameters and make the same iterations; an iteration's cost is the
difference of two fits that differ in their number, so what a fit does once drops out. Fits
alternate in one process. One thread is measured in processor time, which other programs hardly
disturb; several threads in wall time. A rival that takes long is measured once, ours each time.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError
from bgsub.kernels import threads
from bgsub.mixture.bayesian import BayesianGaussianMixture
from bgsub.mixture.gaussian import GaussianMixture
from bgsub.mixture.kmeans import KMeans

Array = NDArray[Any]

log = logging.getLogger("bgsub.mixture")

SLOW = 2.0
"""Seconds of a rival's fit from which one iteration more, measured once, must do."""


class Case(NamedTuple):
    """What is timed."""

    estimator: str
    """"mixture", "bayesian" or "kmeans"."""
    samples: int
    features: int
    components: int
    covariance_type: str = "full"
    single: bool = False
    iterations: int = 8
    """Iterations in the difference."""
    target: float = 1.0
    """Times scikit-learn that are wanted."""

    @property
    def name(self) -> str:
        """Short and unique."""
        size = f"{self.samples:.0e}".replace("e+0", "e")
        kind = "" if self.estimator == "kmeans" else f" {self.covariance_type}"
        kind += " float32" if self.single else ""
        return f"{self.estimator} {size}x{self.features} K={self.components}{kind}"


CASES = (
    *(
        Case("mixture", 1_000_000, 3, 5, kind, target=t)
        for kind, t in (("full", 30), ("tied", 15), ("diag", 15), ("spherical", 15))
    ),
    Case("mixture", 1_000_000, 3, 16, "full", target=30),
    Case("mixture", 1_000_000, 3, 5, "full", single=True, target=30),
    Case("mixture", 1_000_000, 3, 16, "full", single=True, target=30),
    Case("mixture", 200_000, 16, 8, "full", target=4),
    Case("mixture", 200_000, 16, 8, "diag", target=7),
    Case("mixture", 100_000, 64, 8, "full", iterations=4, target=2.2),
    Case("mixture", 100_000, 64, 8, "diag", target=3.5),
    Case("mixture", 10_000, 2, 3, "full", iterations=100, target=12),
    Case("bayesian", 1_000_000, 3, 5, "full", target=30),
    Case("bayesian", 1_000_000, 3, 16, "full", target=30),
    Case("kmeans", 1_000_000, 3, 5, target=5),
    Case("kmeans", 1_000_000, 3, 16, target=5),
)


class Timing(NamedTuple):
    """One case: milliseconds an iteration (of k-means: a whole fit), medians."""

    case: str
    ours_ms: float
    ours_threads_ms: float
    """On `threads` threads, wall time."""
    ours_wall_ms: float
    """On one thread, wall time."""
    sklearn_ms: float
    onedal_ms: float
    """NaN where daal4py is not installed or cannot."""
    ratio: float
    """scikit-learn's time over ours: the median of the pairs."""
    onedal_ratio: float
    scaling: float
    """One thread's wall time over that of `threads`."""
    likelihood_error: float
    """Relative difference from scikit-learn's last log-likelihood (float64: of ours in float32)."""
    memory_mb: float
    """Peak beyond the input, megabytes."""
    sklearn_memory_mb: float
    target: float


class Convergence(NamedTuple):
    """A fit with default parameters, to convergence."""

    data: str
    components: int
    ours_s: float
    sklearn_s: float
    ours_log_likelihood: float
    """Mean of a sample, in nats, of the fitted mixture."""
    sklearn_log_likelihood: float
    ours_iterations: int
    sklearn_iterations: int


def _sklearn() -> Any:
    try:
        import sklearn.cluster
        import sklearn.mixture
    except ImportError as error:
        raise ConfigError(
            "the mixture benchmark compares with scikit-learn: pip install scikit-learn"
        ) from error
    return sklearn


def _daal() -> Any:
    try:
        import daal4py
    except ImportError:
        return None
    return daal4py


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def machine() -> dict[str, str]:
    """What the figures depend on."""
    sklearn = _sklearn()
    daal = _daal()
    return {
        "processor": _processor(),
        "processors": str(threads.available()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "daal4py": metadata.version("daal4py") if daal else "not installed",
    }


def _processor() -> str:
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def data_of(case: Case) -> tuple[Array, Array]:
    """Samples of overlapping components, and means to start from."""
    rng = np.random.default_rng(case.features * 1000 + case.components)
    means = rng.normal(scale=3, size=(case.components, case.features))
    label = rng.integers(case.components, size=case.samples)
    scale = rng.uniform(0.5, 1.5, size=(case.components, case.features))
    x = means[label] + scale[label] * rng.normal(size=(case.samples, case.features))
    return x.astype(np.float32 if case.single else np.float64), means + 0.3


def _start(case: Case, means: Array) -> dict[str, Array]:
    k, d = means.shape
    precisions = {
        "full": np.broadcast_to(np.eye(d), (k, d, d)).copy(),
        "tied": np.eye(d),
        "diag": np.ones((k, d)),
        "spherical": np.ones(k),
    }[case.covariance_type]
    return {
        "weights_init": np.full(k, 1 / k),
        "means_init": means,
        "precisions_init": precisions,
    }


def _estimators(case: Case, means: Array) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Makers of ours and scikit-learn's, given a number of iterations and threads."""
    theirs = _sklearn()
    ours: Any
    shared: dict[str, Any] = {"tol": 0.0, "covariance_type": case.covariance_type}
    if case.estimator == "mixture":
        shared |= _start(case, means)
        ours, other = GaussianMixture, theirs.mixture.GaussianMixture
    else:
        shared |= {"init_params": "random_from_data", "random_state": 0}
        ours, other = BayesianGaussianMixture, theirs.mixture.BayesianGaussianMixture
    k = case.components
    return (
        lambda steps, cores: ours(n_components=k, max_iter=steps, threads=cores, **shared),
        lambda steps, cores: other(n_components=k, max_iter=steps, **shared),
    )


def _spent(fit: Callable[[], Any], clock: Callable[[], float]) -> float:
    began = clock()
    fit()
    return clock() - began


def _per_iteration(
    make: Callable[..., Any], x: Array, steps: int, cores: int, clock: Callable[[], float]
) -> float:
    short, long = make(1, cores), make(1 + steps, cores)
    return (_spent(lambda: long.fit(x), clock) - _spent(lambda: short.fit(x), clock)) / steps


def _peak(fit: Callable[[], Any]) -> float:
    tracemalloc.start()
    try:
        fit()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def run(case: Case, repeats: int = 3, cores: int | None = None) -> Timing:
    """Time one case.

    Parameters
    ----------
    case
        What to time.
    repeats
        Pairs of measurements.
    cores
        Threads of the second measurement of ours, by default all.
    """
    x, means = data_of(case)
    cores = cores or threads.available()
    with _one_thread():
        return (_kmeans if case.estimator == "kmeans" else _em)(case, x, means, repeats, cores)


def _em(case: Case, x: Array, means: Array, repeats: int, cores: int) -> Timing:
    ours, theirs = _estimators(case, means)
    ours(1, 1).fit(x[: 1000 * case.components])  # compiles
    steps, slow = case.iterations, False
    one, wall, many, other, daal = [], [], [], [], []
    for _ in range(repeats):
        one.append(_per_iteration(ours, x, steps, 1, time.process_time))
        wall.append(_per_iteration(ours, x, steps, 1, time.perf_counter))
        many.append(_per_iteration(ours, x, steps, cores, time.perf_counter))
        if not slow:
            short = _spent(lambda: theirs(1, 1).fit(x), time.process_time)
            slow = short > SLOW
            more = steps if case.samples <= 10_000 else 1 if slow else 2
            long = _spent(lambda more=more: theirs(1 + more, 1).fit(x), time.process_time)  # type: ignore[misc]
            other.append((long - short) / more)
        daal.append(_onedal(case, x, means))
    a, b = ours(2, None), theirs(2, None)
    memory = _peak(lambda: a.fit(x)), _peak(lambda: b.fit(x))
    exact = b.lower_bound_
    if case.single:
        exact = ours(2, None).fit(x.astype(np.float64)).lower_bound_
    error = abs(float(np.squeeze(a.lower_bound_ / exact)) - 1)
    return _timing(case, one, wall, many, other, daal, error, memory)


def _kmeans(case: Case, x: Array, means: Array, repeats: int, cores: int) -> Timing:
    theirs = _sklearn().cluster.KMeans
    k = case.components

    def ours(cores: int | None) -> Any:
        return KMeans(k, random_state=0, threads=cores)

    def other() -> Any:
        return theirs(k, n_init=1, random_state=0)

    KMeans(k, random_state=0).fit(x[: 1000 * k])
    one, wall, many, rival = [], [], [], []
    for _ in range(repeats):
        one.append(_spent(lambda: ours(1).fit(x), time.process_time))
        wall.append(_spent(lambda: ours(1).fit(x), time.perf_counter))
        many.append(_spent(lambda: ours(cores).fit(x), time.perf_counter))
        rival.append(_spent(lambda: other().fit(x), time.process_time))
    a, b = ours(None), other()
    memory = _peak(lambda: a.fit(x)), _peak(lambda: b.fit(x))
    error = abs(a.inertia_ / b.inertia_ - 1)
    return _timing(case, one, wall, many, rival, [float("nan")] * repeats, error, memory)


def _timing(
    case: Case,
    one: list[float],
    wall: list[float],
    many: list[float],
    other: list[float],
    daal: list[float],
    error: float,
    memory: tuple[float, float],
) -> Timing:
    def ms(times: list[float]) -> float:
        return float(np.median(times)) * 1e3

    def ratio(above: list[float], below: list[float]) -> float:
        return float(np.median(np.array(above) / np.array(below[: len(above)])))

    return Timing(
        case.name,
        ms(one),
        ms(many),
        ms(wall),
        ms(other),
        ms(daal),
        ratio(other, one),
        ratio(daal, one),
        ratio(wall, many),
        error,
        *memory,
        case.target,
    )


def _onedal(case: Case, x: Array, means: Array) -> float:
    """Seconds an iteration of oneDAL's EM."""
    daal = _daal()
    form = {"full": "full", "diag": "diagonal"}.get(case.covariance_type)
    if daal is None or form is None or case.estimator != "mixture" or case.single:
        return float("nan")
    daal.daalinit(1)
    k, d = means.shape
    spread = np.eye(d) if form == "full" else np.ones((1, d))

    def fit(steps: int) -> Any:
        algorithm = daal.em_gmm(
            nComponents=k,
            maxIterations=steps,
            accuracyThreshold=0.0,
            regularizationFactor=1e-6,
            covarianceStorage=form,
        )
        return algorithm.compute(x, np.full((1, k), 1 / k), means, [spread.copy()] * k)

    times, rounds = [], []
    for steps in (1 + case.iterations, 1):
        began = time.process_time()
        done = fit(steps)
        times.append(time.process_time() - began)
        rounds.append(int(np.ravel(done.nIterations)[0]))  # it may stop early
    more = rounds[0] - rounds[1]
    return (times[0] - times[1]) / more if more > 0 else float("nan")


def kinds(samples: int = 20_000) -> dict[str, tuple[Array, int]]:
    """Six kinds of data, each with the number of components to fit."""
    rng = np.random.default_rng(1)

    def blobs(k: int, d: int, apart: float, stretch: float = 1.0) -> Array:
        means = rng.normal(scale=apart, size=(k, d))
        turn = rng.normal(size=(k, d, d)) * np.linspace(1, stretch, d)
        label = rng.integers(k, size=samples)
        noise = rng.normal(size=(samples, d))
        turned = np.einsum("nd,nde->ne", noise, turn[label]) / np.sqrt(d)
        return np.asarray(means[label] + turned)

    angle = rng.uniform(0, np.pi, samples)
    half = rng.integers(2, size=samples)
    moons = np.stack([np.cos(angle) + half, np.where(half, -1, 1) * np.sin(angle)], 1)
    modes = np.array([[60, 80, 100], [90, 85, 70], [200, 190, 180], [65, 85, 108]])
    pixel = modes[rng.choice(4, samples, p=[0.5, 0.25, 0.05, 0.2])]
    return {
        "separate blobs": (blobs(5, 3, 6), 5),
        "overlapping blobs": (blobs(8, 2, 1.5), 8),
        "stretched blobs": (blobs(4, 4, 4, stretch=8), 4),
        "two moons": (moons + rng.normal(scale=0.1, size=moons.shape), 8),
        "pixel history": (np.rint(pixel + rng.normal(scale=4, size=pixel.shape)), 4),
        "heavy tails": (rng.standard_t(2.5, size=(samples, 3)), 3),
    }


def converge(seeds: int = 5) -> list[Convergence]:
    """Fit with default parameters by both, to convergence; medians over `seeds` starts."""
    rows = []
    other = _sklearn().mixture.GaussianMixture
    with _one_thread():
        for name, (x, k) in kinds().items():
            log.info("to convergence: %s", name)
            GaussianMixture(k, random_state=0, threads=1).fit(x)  # compiles
            ours: list[tuple[float, float, int]] = []
            theirs: list[tuple[float, float, int]] = []
            for seed in range(seeds):
                for found, make in ((ours, GaussianMixture), (theirs, other)):
                    fit = make(k, random_state=seed)
                    spent = _spent(lambda fit=fit, x=x: fit.fit(x), time.process_time)  # type: ignore[misc]
                    found.append((spent, float(fit.score(x)), fit.n_iter_))
            a, b = np.median(ours, 0), np.median(theirs, 0)
            rows.append(Convergence(name, k, a[0], b[0], a[1], b[1], int(a[2]), int(b[2])))
    return rows


def measure(
    only: str | None = None,
    repeats: int = 3,
    cores: int | None = None,
    *,
    converged: bool = True,
    tell: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Run all cases, tell a line of a table as each is done, and give all as plain data.

    Parameters
    ----------
    only
        Cases whose name contains this, by default all.
    repeats
        Pairs of measurements a case.
    cores
        Threads beside one, by default all.
    converged
        Whether the fits to convergence are made too.
    tell
        Takes a line of text.
    """
    cases = [case for case in CASES if only is None or only in case.name]
    if not cases and not converged:
        raise ConfigError(f"no case has {only!r} in its name: " + ", ".join(c.name for c in CASES))
    cores = cores or threads.available()
    host = machine()
    tell(", ".join(f"{key} {value}" for key, value in host.items()))
    timings = []
    if cases:
        tell(
            f"{'case':<38} {'ms':>9} {f'ms x{cores}':>9} {'sklearn':>9} {'oneDAL':>8} {'times':>6} "
            f"{'target':>6} {'/oneDAL':>7} {'scaling':>7} {'error':>8} {'MB':>7} {'sk MB':>7}"
        )
    for number, case in enumerate(cases, 1):
        log.info("%d of %d: %s", number, len(cases), case.name)
        t = run(case, repeats, cores)
        timings.append(t._asdict())
        tell(
            f"{t.case:<38} {t.ours_ms:>9.2f} {t.ours_threads_ms:>9.2f} {t.sklearn_ms:>9.1f} "
            f"{t.onedal_ms:>8.1f} {t.ratio:>6.1f} {t.target:>6.1f} {t.onedal_ratio:>7.1f} "
            f"{t.scaling:>7.2f} {t.likelihood_error:>8.0e} {t.memory_mb:>7.2f} "
            f"{t.sklearn_memory_mb:>7.1f}"
        )
    rows = converge() if converged else []
    if rows:
        tell(
            f"{'to convergence':<20} {'K':>2} {'s':>8} {'sklearn':>8} {'times':>6} {'nats':>10}"
            f" {'sklearn':>10} {'gain':>9} {'steps':>5}"
        )
    for c in rows:
        gain = c.ours_log_likelihood - c.sklearn_log_likelihood
        tell(
            f"{c.data:<20} {c.components:>2} {c.ours_s:>8.4f} {c.sklearn_s:>8.4f} "
            f"{c.sklearn_s / c.ours_s:>6.1f} {c.ours_log_likelihood:>10.5f} "
            f"{c.sklearn_log_likelihood:>10.5f} {gain:>+9.0e} {c.ours_iterations:>5}"
        )
    return {"machine": host, "cases": timings, "converged": [row._asdict() for row in rows]}
