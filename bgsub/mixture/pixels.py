"""A mixture for each pixel, fitted to frames by EM: all pixels in one compiled call.

The general `GaussianMixture` fits one data set; a video is as many small data sets as it has
pixels. Here every pixel's series over T frames gets a mixture of its own, with the mathematics and
the conventions of scikit-learn's GaussianMixture, in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.kernels import pixels as kernels
from bgsub.kernels import threads as cores
from bgsub.mixture.memory import available_bytes, in_words

Covariance = Literal["spherical", "diag"]
Floats = NDArray[np.float32]
Flat = tuple[Floats, Floats, Floats]
"""Weights (pixels, K), means (pixels, K, channels), variances (pixels, K, 1 or channels)."""

TYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True, slots=True, eq=False)
class PixelMixtures:
    """A Gaussian mixture for each pixel; components heaviest first.

    Where a pixel has fewer components than the arrays hold, the weights of the rest are 0.
    """

    weights: Floats
    """(height, width, K), rows sum to 1."""
    means: Floats
    """(height, width, K, channels) in the frames' levels; grey has one channel."""
    variances: Floats
    """Squared levels: (height, width, K) spherical, (height, width, K, channels) diagonal."""
    n_components: NDArray[np.uint8]
    """(height, width) components that were fitted."""
    log_likelihood: Floats
    """(height, width) mean log density of the pixel's samples, nats a sample."""
    n_iter: NDArray[np.int32]
    """(height, width) iterations of EM."""
    converged: NDArray[np.bool_]
    """(height, width) whether the log-likelihood changed by less than `tol` in the last one."""

    @property
    def covariance_type(self) -> Covariance:
        """Its form: one variance a component, or one for each channel."""
        return "diag" if self.variances.ndim == 4 else "spherical"

    def score(self, frames: NDArray[Any], threads: int | None = None) -> Floats:
        """Mean log density of each pixel's samples in `frames` under its mixture.

        Parameters
        ----------
        frames
            (T, height, width[, channels]) uint8, uint16 or float32.
        threads
            Processors to use, by default all. The result is the same for any number.

        Returns
        -------
        log_likelihood
            (height, width) float32, nats a sample.

        Raises
        ------
        FrameError
            Frames of another size than the mixtures'.
        """
        likelihood, _, _ = self._iterate(self._series(frames), self._flat(), 0, threads)
        return likelihood.reshape(self.weights.shape[:2])

    def shares(self, frames: NDArray[Any], slices: int = 1, threads: int | None = None) -> Floats:
        """How much of each slice of time each component explains.

        Parameters
        ----------
        frames
            (T, height, width[, channels]) in the order of time.
        slices
            Equal parts of the time, at most T.
        threads
            As in `score`.

        Returns
        -------
        shares
            (height, width, slices, K) float32: the mean responsibility of each component in each
            slice; over K they sum to 1.

        Raises
        ------
        FrameError
            Frames of another size than the mixtures'.
        ConfigError
            More slices than frames.
        """
        series = self._series(frames)
        require(
            1 <= slices <= len(series),
            f"slices must be 1 to the number of frames, {len(series)}, got {slices}",
        )
        out = np.empty((slices, *self.weights.shape), np.float32)
        for n in range(slices):
            part = series[len(series) * n // slices : len(series) * (n + 1) // slices]
            weights, means, variances = self._flat()
            flat = weights.copy(), means.copy(), variances.copy()
            # The weights of the first maximisation are the mean responsibilities (Bishop, 9.26).
            self._iterate(part, flat, 1, threads)
            out[n] = flat[0].reshape(self.weights.shape)
        return np.moveaxis(out, 0, 2)

    def _series(self, frames: NDArray[Any]) -> NDArray[Any]:
        series, size, channels = _checked(frames)
        if (*size, channels) != (*self.means.shape[:2], self.means.shape[3]):
            raise FrameError(
                f"expected frames of {self.means.shape[:2]} with {self.means.shape[3]} channels "
                f"like the mixtures, got {size} with {channels}"
            )
        return series

    def _flat(self) -> Flat:
        """Parameters as the kernels take them."""
        height, width, k = self.weights.shape
        n = height * width
        return (
            np.ascontiguousarray(self.weights, np.float32).reshape(n, k),
            np.ascontiguousarray(self.means, np.float32).reshape(n, k, -1),
            np.ascontiguousarray(self.variances, np.float32).reshape(n, k, -1),
        )

    def _iterate(
        self, series: NDArray[Any], flat: Flat, max_iter: int, threads: int | None
    ) -> tuple[Floats, NDArray[np.int32], NDArray[np.bool_]]:
        return _iterate(series, *flat, 0.0, 1.0, max_iter, threads)


def fit_pixels(
    frames: NDArray[Any],
    n_components: int | Literal["bic"] = 3,
    covariance_type: Covariance = "spherical",
    *,
    max_components: int = 3,
    tol: float = 1e-3,
    reg_covar: float = 1.0,
    max_iter: int = 100,
    start: PixelMixtures | None = None,
    random_state: int = 0,
    first_pixel: int = 0,
    threads: int | None = None,
    memory_limit: int | None = None,
) -> PixelMixtures:
    """Fit a Gaussian mixture to the series of each pixel.

    Every pixel goes through EM (Dempster, Laird and Rubin, JRSS B 39, 1977) on its own, from
    greedy k-means++ seeds (Arthur and Vassilvitskii, SODA 2007) and two rounds of Lloyd's
    algorithm, until it has converged. From the same start it does what scikit-learn's
    GaussianMixture does with that pixel's series, iteration by iteration, in float32.

    Parameters
    ----------
    frames
        (T, height, width) or (T, height, width, 1 to 4), uint8, uint16 or float32; T at least 2
        and at least the number of components. They are read as they are: no copy of another type
        is made.
    n_components
        Components of each pixel, 1 to 8; "bic" chooses for each pixel the number from 1 to
        `max_components` with the lowest Bayesian information criterion (Schwarz, 1978).
    covariance_type
        "spherical": one variance a component; "diag": one for each channel.
    max_components
        Largest number that "bic" tries, 1 to 8.
    tol
        A pixel has converged when its mean log-likelihood changes by less, nats a sample.
    reg_covar
        Added to every variance, squared levels, above 0. The default of 1 (for levels of 0 to 255)
        keeps whole grey levels from becoming components of their own.
    max_iter
        Most iterations for a pixel.
    start
        Mixtures to start from instead of seeds; their K is `n_components`.
    random_state
        Other seeds for another number. What a pixel draws is a hash of it and the pixel's place.
    first_pixel
        Number of the frames' first pixel in the whole picture, where only some rows are fitted: so
        the parts become what the whole would be.
    threads
        Processors to use, by default all. The result has the same bits for any number.
    memory_limit
        Bytes that the result may take beside the frames; by default what the machine has left.

    Returns
    -------
    mixtures
        Components of each pixel, heaviest first.

    Raises
    ------
    FrameError
        Frames of another shape or type, with NaN, or too few.
    ConfigError
        A parameter out of its range; a result that needs more than `memory_limit`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> door = np.where(rng.random((60, 4, 5, 1)) < 0.7, 90, 180)
    >>> frames = (door + rng.normal(0, 2, (60, 4, 5, 3))).astype(np.uint8)
    >>> found = fit_pixels(frames, "bic", "diag")
    >>> found.n_components[0], np.rint(found.means[0, 0, :2, 0])
    (array([2, 2, 2, 2, 2], dtype=uint8), array([ 90., 180.], dtype=float32))
    """
    series, size, channels = _checked(frames)
    _check(n_components, max_components, covariance_type, tol, reg_covar, max_iter)
    most = max_components if n_components == "bic" else n_components
    if len(series) < max(most, 2):
        raise FrameError(
            f"expected at least {max(most, 2)} frames for {most} components, got {len(series)}"
        )
    need = result_bytes(size, channels, most, covariance_type) * (2 if n_components == "bic" else 1)
    limit = available_bytes() if memory_limit is None else memory_limit
    require(
        need <= limit,
        f"mixtures of {size[1]}x{size[0]} pixels with {most} components need {in_words(need)}, "
        f"and {in_words(limit)} may be used: fit fewer rows at once, scale the frames down, or use "
        "fewer components",
    )
    if start is not None:
        require(
            n_components == start.weights.shape[2]
            and start.covariance_type == covariance_type
            and start.means.shape == (*size, n_components, channels),
            f"expected a start of {n_components} {covariance_type} components for {size} pixels "
            f"of {channels} channels, got {start.weights.shape[2]} {start.covariance_type} for "
            f"{start.means.shape[:2]} of {start.means.shape[3]}",
        )

    def fit(k: int) -> PixelMixtures:
        d = channels if covariance_type == "diag" else 1
        if start is None:
            shape = (size[0] * size[1], k, channels, d)
            flat = _seeds(series, shape, first_pixel, reg_covar, random_state, threads)
        else:
            weights, means, variances = start._flat()
            flat = weights.copy(), means.copy(), variances.copy()
        fitted = _iterate(series, *flat, tol, reg_covar, max_iter, threads)
        return _mixtures(flat, fitted, size, covariance_type)

    if n_components != "bic":
        return _heaviest_first(fit(n_components))
    best = _with_room(fit(1), most)
    for k in range(2, most + 1):
        _take_better(best, fit(k), len(series))
    return _heaviest_first(best)


def result_bytes(
    size: tuple[int, int], channels: int, components: int, covariance_type: Covariance
) -> int:
    """Bytes of the mixtures of (height, width) pixels."""
    variances = channels if covariance_type == "diag" else 1
    return size[0] * size[1] * (4 * components * (1 + channels + variances) + 10)


def free_parameters(components: int, channels: int, covariance_type: Covariance) -> int:
    """Numbers that a mixture is free to choose."""
    variances = channels if covariance_type == "diag" else 1
    return components * (channels + variances + 1) - 1


def _check(
    n_components: Any,
    max_components: int,
    covariance_type: str,
    tol: float,
    reg_covar: float,
    max_iter: int,
) -> None:
    for name, value in (("n_components", n_components), ("max_components", max_components)):
        if name == "n_components" and value == "bic":
            continue
        require(
            isinstance(value, int) and 1 <= value <= 8,
            f"{name} must be 1 to 8{' or bic' if name == 'n_components' else ''}, got {value!r}",
        )
    require(
        covariance_type in ("spherical", "diag"),
        f"covariance_type must be spherical or diag, got {covariance_type!r}; the general "
        "GaussianMixture has full and tied ones",
    )
    require(tol >= 0, f"tol must not be negative, got {tol}")
    require(reg_covar > 0, f"reg_covar must be above 0, got {reg_covar}")
    require(max_iter >= 1, f"max_iter must be at least 1, got {max_iter}")


def _checked(frames: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, int], int]:
    """Frames as (T, numbers), their (height, width), and channels."""
    if not isinstance(frames, np.ndarray):
        raise FrameError(
            f"expected frames as a numpy array (T, height, width[, channels]), "
            f"got {type(frames).__name__}; numpy.stack makes one of a list"
        )
    if frames.dtype.name not in TYPES:
        raise FrameError(
            f"expected frames of {', '.join(TYPES)}, got {frames.dtype}; convert them, "
            "for example frames.astype(np.float32)"
        )
    channels = frames.shape[3] if frames.ndim == 4 else 1
    if frames.ndim not in (3, 4) or not 1 <= channels <= 4 or frames.size == 0:
        raise FrameError(
            "expected frames of shape (T, height, width) or (T, height, width, 1 to 4), "
            f"got {frames.shape}"
        )
    if frames.dtype == np.float32 and not np.isfinite([frames.min(), frames.max()]).all():
        raise FrameError("expected finite levels, got NaN or infinity; replace them first")
    height, width = frames.shape[1:3]
    return np.ascontiguousarray(frames).reshape(len(frames), -1), (height, width), channels


def _kernels(variances: Floats, channels: int) -> Any:
    k, d = variances.shape[1:]
    return kernels.load(kernels.Variant(k, channels, d == channels > 1))


def _iterate(
    series: NDArray[Any],
    weights: Floats,
    means: Floats,
    variances: Floats,
    tol: float,
    reg_covar: float,
    max_iter: int,
    threads: int | None,
) -> tuple[Floats, NDArray[np.int32], NDArray[np.bool_]]:
    """EM in place; returns log-likelihood, iterations and convergence of each pixel."""
    n = len(weights)
    likelihood, rounds = np.empty(n, np.float32), np.zeros(n, np.int32)
    converged = np.zeros(n, np.bool_)
    kernel = _kernels(variances, means.shape[2])
    mixtures = weights, means, variances
    limits = np.float32(tol), max_iter, np.float32(reg_covar)

    def work(first: int, last: int) -> None:
        kernel.fit(series, *mixtures, likelihood, rounds, converged, first, last, *limits)

    cores.split(work, n, threads or cores.available())
    return likelihood, rounds, converged


def _seeds(
    series: NDArray[Any],
    shape: tuple[int, int, int, int],
    origin: int,
    reg_covar: float,
    seed: int,
    threads: int | None,
) -> Flat:
    """Starts for (pixels, K, channels, variances)."""
    n, k, channels, d = shape
    weights = np.empty((n, k), np.float32)
    means = np.empty((n, k, channels), np.float32)
    variances = np.empty((n, k, d), np.float32)
    kernel = _kernels(variances, channels)
    number, floor = np.uint32(seed & 0xFFFFFFFF), np.float32(reg_covar)

    def work(first: int, last: int) -> None:
        kernel.start(series, weights, means, variances, first, last, origin, number, floor)

    cores.split(work, n, threads or cores.available())
    return weights, means, variances


def _mixtures(
    flat: Flat,
    fitted: tuple[Floats, NDArray[np.int32], NDArray[np.bool_]],
    size: tuple[int, int],
    covariance_type: Covariance,
) -> PixelMixtures:
    weights, means, variances = flat
    likelihood, rounds, converged = fitted
    k, channels = means.shape[1:]
    form = (*size, k, channels) if covariance_type == "diag" else (*size, k)
    return PixelMixtures(
        weights=weights.reshape(*size, k),
        means=means.reshape(*size, k, channels),
        variances=variances.reshape(form),
        n_components=np.full(size, k, np.uint8),
        log_likelihood=likelihood.reshape(size),
        n_iter=rounds.reshape(size),
        converged=converged.reshape(size),
    )


def _with_room(mixtures: PixelMixtures, k: int) -> PixelMixtures:
    """The same mixtures in arrays for k components."""
    more = [(0, 0), (0, 0), (0, k - mixtures.weights.shape[2])]
    means = np.pad(mixtures.means, [*more, (0, 0)])
    wide = more if mixtures.variances.ndim == 3 else [*more, (0, 0)]
    return replace(
        mixtures,
        weights=np.pad(mixtures.weights, more),
        means=means,
        variances=np.pad(mixtures.variances, wide, constant_values=1),
    )


def _take_better(best: PixelMixtures, other: PixelMixtures, n_frames: int) -> None:
    """Put into `best` the pixels for which `other` has the lower information criterion."""
    better = bic(other, n_frames) < bic(best, n_frames)
    k = other.weights.shape[2]
    best.weights[better, :k] = other.weights[better]
    best.means[better, :k] = other.means[better]
    best.variances[better, :k] = other.variances[better]
    for name in ("n_components", "log_likelihood", "n_iter", "converged"):
        getattr(best, name)[better] = getattr(other, name)[better]


def bic(mixtures: PixelMixtures, n_frames: int) -> NDArray[np.float64]:
    """Bayesian information criterion of each pixel's fit to `n_frames` samples: lower is better."""
    channels = mixtures.means.shape[3]
    free = np.array(
        [
            free_parameters(k, channels, mixtures.covariance_type) if k else 0
            for k in range(mixtures.weights.shape[2] + 1)
        ]
    )
    penalty = free[mixtures.n_components] * np.log(n_frames)
    return np.asarray(penalty - 2.0 * n_frames * mixtures.log_likelihood, np.float64)


def _heaviest_first(mixtures: PixelMixtures) -> PixelMixtures:
    order = np.argsort(-mixtures.weights, axis=2, kind="stable")
    wide = order[:, :, :, None]
    if mixtures.covariance_type == "diag":
        variances = np.take_along_axis(mixtures.variances, wide, axis=2)
    else:
        variances = np.take_along_axis(mixtures.variances, order, axis=2)
    return replace(
        mixtures,
        weights=np.take_along_axis(mixtures.weights, order, axis=2),
        means=np.take_along_axis(mixtures.means, wide, axis=2),
        variances=variances,
    )
