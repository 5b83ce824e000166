"""Time a mixture for every pixel, beside a loop of scikit-learn's fits from the same starts."""

from __future__ import annotations

import platform
import time
import warnings
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import bgsub
from bgsub import frames
from bgsub.errors import ConfigError
from bgsub.mixture import PixelMixtures, fit_pixels
from bgsub.mixture.pixels import Covariance

ROUNDS = 5
"""Times that our fit is measured, in turn with parts of scikit-learn's loop."""
ITERATIONS = 100


def measure(
    images: NDArray[np.uint8],
    components: int,
    covariance_type: Covariance,
    pixels: int,
    threads: tuple[int, ...],
) -> dict[str, Any]:
    """Seconds for all pixels of `fit_pixels`, and of scikit-learn extrapolated from some.

    Both start from the same k-means++ seeds, with the same tolerance, so that they make the same
    iterations. Each of our fits is timed in turn with a part of scikit-learn's loop. scikit-learn
    runs on float64, on one thread: a series is too small for more.

    Parameters
    ----------
    images
        (T, height, width[, 3]).
    components, covariance_type
        Of each mixture.
    pixels
        That scikit-learn fits, chosen at random.
    threads
        Numbers of threads to measure.

    Returns
    -------
    result
        {"machine", "size", ..., "sklearn_s", "worst_log_likelihood", "iterations_differ", "rows"};
        a row has threads, seconds from the start, with our own start as well, and the ratio.

    Raises
    ------
    ConfigError
        scikit-learn is not there.
    """
    try:
        import sklearn
        from sklearn.mixture import GaussianMixture
    except ImportError:
        raise ConfigError("scikit-learn is not installed: pip install 'bgsub[dev]'") from None
    from threadpoolctl import threadpool_limits

    start = _start(images, components, covariance_type)
    series = images.reshape(*images.shape[:3], -1)
    height, width = images.shape[1:3]
    chosen = np.random.default_rng(0).choice(height * width, min(pixels, height * width), False)
    spent: dict[tuple[int, bool], list[float]] = {
        (n, own): [] for n in threads for own in (False, True)
    }
    one, errors, differ = [], [], 0
    fitted = fit_pixels(images, components, covariance_type, start=start)
    for part in np.array_split(chosen, ROUNDS):
        for n, own in spent:
            began = time.perf_counter()
            fit_pixels(images, components, covariance_type, start=None if own else start, threads=n)
            spent[n, own].append(time.perf_counter() - began)
        for pixel in part:
            place = divmod(int(pixel), width)
            x = series[:, *place].astype(np.float64)
            weights = start.weights[place].astype(np.float64)
            mixture = GaussianMixture(
                components,
                covariance_type=covariance_type,
                reg_covar=1.0,
                max_iter=ITERATIONS,
                weights_init=weights / weights.sum(),
                means_init=start.means[place],
                precisions_init=1 / start.variances[place].astype(np.float64),
            )
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                began = time.perf_counter()
                mixture.fit(x)
                one.append(time.perf_counter() - began)
            score = mixture.score(x)
            errors.append(abs(fitted.log_likelihood[place] - score) / max(abs(score), 1e-9))
            differ += int(mixture.n_iter_ != fitted.n_iter[place])
    loop = float(np.median(one)) * height * width
    return {
        "machine": f"{platform.machine()}, {platform.system()}, python {platform.python_version()},"
        f" bgsub {bgsub.__version__}, scikit-learn {sklearn.__version__}",
        "size": [width, height],
        "frames": len(images),
        "channels": series.shape[3],
        "components": components,
        "covariance_type": covariance_type,
        "mean_iterations": float(fitted.n_iter.mean()),
        "sklearn_pixels": len(chosen),
        "sklearn_ms_a_pixel": float(np.median(one)) * 1000,
        "sklearn_s": loop,
        "worst_log_likelihood": float(np.max(errors)),
        "iterations_differ": differ,
        "rows": [
            {
                "threads": n,
                "seconds": float(np.median(spent[n, False])),
                "ratio": loop / float(np.median(spent[n, False])),
                "seconds_with_start": float(np.median(spent[n, True])),
            }
            for n in threads
        ],
    }


def pictures(source: str | None, size: tuple[int, int], count: int) -> NDArray[np.uint8]:
    """(count, height, width[, 3]) frames spread over `source`, by default a drawn street."""
    if source is None:
        from bgsub.synthetic import scene

        return np.stack([shot.image for shot in scene("street", size=size, frames=count)])
    with frames.open(source) as opened:
        total = sum(1 for _ in opened)
    wanted = np.linspace(0, total - 1, count).astype(int).tolist()
    with frames.open(source) as opened:
        kept = {frame.index: frame.image for frame in opened if frame.index in wanted}
    images = [cv2.resize(kept[n], size, interpolation=cv2.INTER_LINEAR) for n in wanted]
    return np.stack(images).astype(np.uint8)


def as_text(result: dict[str, Any]) -> str:
    """The result as an aligned table."""
    width, height = result["size"]
    lines = [
        f"{width}x{height} pixels, {result['frames']} frames of {result['channels']} channels, "
        f"K = {result['components']} {result['covariance_type']}, "
        f"{result['mean_iterations']:.1f} iterations a pixel; {result['machine']}",
        f"{'':14} {'seconds':>9} {'with start':>11} {'times faster':>13}",
        f"{'scikit-learn':14} {result['sklearn_s']:9.1f} {'':11} {1:13.0f}"
        f"   {result['sklearn_ms_a_pixel']:.2f} ms a pixel, median of {result['sklearn_pixels']}",
    ]
    lines += [
        f"{r['threads']} thread{'s' if r['threads'] > 1 else ' '}      {r['seconds']:9.3f} "
        f"{r['seconds_with_start']:11.3f} {r['ratio']:13.0f}"
        for r in result["rows"]
    ]
    lines.append(
        f"log-likelihood: worst relative difference {result['worst_log_likelihood']:.1e}; "
        f"other numbers of iterations in {result['iterations_differ']} pixels"
    )
    return "\n".join(lines)


def _start(
    images: NDArray[np.uint8], components: int, covariance_type: Covariance
) -> PixelMixtures:
    """The first of EM's iterations from our seeds: a start for both."""
    return fit_pixels(images, components, covariance_type, max_iter=1)
