"""Where EM starts: the first responsibilities, and what they add up to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError
from bgsub.kernels.em import Gaussians, Rows, Sums
from bgsub.mixture import kmeans
from bgsub.mixture.samples import Samples

Array = NDArray[np.float64]

METHODS = ("kmeans", "k-means++", "random", "random_from_data", "whitened")

SKETCH = 200_000
"""Samples that a start looks at when they do not lie in memory."""


def first_sums(
    samples: Samples,
    components: int,
    method: str,
    rng: np.random.RandomState,
    diagonal: bool,
) -> Sums:
    """What the samples add up to under the first responsibilities.

    Parameters
    ----------
    samples
        The data.
    components
        Number of them.
    method
        "kmeans": k-means of the samples. "whitened": k-means of the samples turned and scaled to
        unit covariance, for data that are stretched. "k-means++" and "random_from_data": samples
        as means, drawn far from each other or at random. "random": random responsibilities.
    rng
        Its draws are in scikit-learn's order.
    diagonal
        The sums are for diagonal precisions.
    """
    if method == "random":
        return _random(samples, components, rng, diagonal)
    rows = _in_memory(samples, rng)
    if method == "random_from_data":
        picked = kmeans.scattered(rows, components, rng)
        return _points(rows, picked, diagonal)
    if method == "k-means++":
        found = kmeans.plus_plus(_known(rows), components, rng, samples.threads)
        return _points(rows, found, diagonal)
    if method == "kmeans":
        clusters = kmeans.seeded(_known(rows), components, rng, samples.threads)
    elif method == "whitened":
        clusters = kmeans.seeded(_whitened(_known(rows)), components, rng, samples.threads)
    else:
        raise ConfigError(f"init_params must be one of {', '.join(METHODS)}; got {method!r}")
    return _hard(rows, clusters.labels, components, diagonal, samples.threads)


def _zeros(components: int, features: int, diagonal: bool) -> Gaussians:
    factors = np.ones((components, features))
    if not diagonal:
        factors = np.broadcast_to(np.eye(features), (components, features, features))
    return Gaussians(np.zeros(components), np.zeros((components, features)), factors)


def _about_means(samples: Samples, start: Gaussians, given: object) -> Sums:
    """Sums of handed responsibilities, about the means that follow from them."""
    sums = samples.expect(start, given=given)  # type: ignore[arg-type]
    means = sums.first / np.maximum(sums.seen, np.finfo(float).tiny)
    return samples.expect(start, about=means, given=given)  # type: ignore[arg-type]


def _random(samples: Samples, components: int, rng: np.random.RandomState, diagonal: bool) -> Sums:
    state = rng.get_state()

    def given(first: int, last: int) -> Array:
        if first == 0:  # the second pass draws the same numbers again
            rng.set_state(state)
        share: Array = rng.uniform(size=(last - first, components))
        share /= share.sum(1)[:, None]
        return share

    return _about_means(samples, _zeros(components, samples.features, diagonal), given)


def _hard(
    rows: Rows, labels: NDArray[np.int32], components: int, diagonal: bool, threads: int | None
) -> Sums:
    samples = Samples(lambda: [rows], threads)

    def given(first: int, last: int) -> Array:
        return np.asarray(labels[first:last, None] == np.arange(components), rows.values.dtype)

    return _about_means(samples, _zeros(components, samples.features, diagonal), given)


def _points(rows: Rows, picked: NDArray[np.intp], diagonal: bool) -> Sums:
    """Each component has one sample."""
    means = _known(rows).values[picked].astype(float) - rows.center.astype(float)
    components, features = means.shape
    share = np.ones(components)
    if rows.weights.size:
        share *= rows.weights.mean(dtype=float)
    return Sums(
        about=means,
        mass=share,
        seen=share[:, None],
        first=np.zeros_like(means),
        second=np.zeros((components, features, *((features,) * (not diagonal)))),
        log_likelihood=-np.inf,
    )


def _known(rows: Rows) -> Rows:
    """The rows with missing values at the mean of their feature."""
    if not rows.missing:
        return rows
    values = rows.values
    seen = ~np.isnan(values)
    total = np.where(seen, values, 0).sum(0, dtype=float)
    mean = np.where(seen.any(0), total / np.maximum(seen.sum(0), 1), rows.center)
    filled = np.where(np.isnan(values), mean.astype(values.dtype), values)
    return rows._replace(values=filled, missing=False)


def _whitened(rows: Rows) -> Rows:
    """The rows turned and scaled so that their covariance is the identity."""
    samples = Samples(lambda: [rows])
    mean, covariance = samples.moments(diagonal=False)
    scale, axes = np.linalg.eigh(covariance)
    kept = scale > scale[-1] * np.finfo(rows.values.dtype).eps * len(scale)
    if not kept.any():  # all samples are the same
        return rows
    turn = axes[:, kept] / np.sqrt(scale[kept])
    values = np.empty((len(rows.values), int(kept.sum())), rows.values.dtype)
    for first, part in samples.parts():
        moved = part.values.astype(float) - rows.center - mean
        values[first : first + len(moved)] = moved @ turn
    return Rows(values, rows.weights, np.zeros(values.shape[1], values.dtype))


def _in_memory(samples: Samples, rng: np.random.RandomState) -> Rows:
    """The one block of samples in memory; of several, rows drawn from all of them."""
    blocks = list(samples) if samples.blocks == 1 else []
    if blocks:
        return blocks[0]
    share = min(1.0, SKETCH / samples.count)
    values, weights = [], []
    for block in samples:
        size = max(1, round(share * len(block.values)))
        picked = np.sort(rng.choice(len(block.values), size=size, replace=False))
        values.append(block.values[picked])
        weights.append(block.weights[picked] if block.weights.size else block.weights)
    center = samples.center.astype(samples.real)
    return Rows(np.concatenate(values), np.concatenate(weights), center, samples.missing)
