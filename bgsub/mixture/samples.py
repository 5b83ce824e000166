"""The data of a fit: checked, centred, in memory or in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import DataError
from bgsub.kernels import em as kernel
from bgsub.kernels import threads
from bgsub.kernels.em import Gaussians, Rows, Sums

BLOCK = 1 << 16
"""Rows for which responsibilities are made at a time."""

PIECE = 1 << 17
"""Numbers that a thread adds at a time."""

# Beyond these, squares leave float32.
SINGLE_LEAST, SINGLE_MOST = 1e-15, 1e15


def matrix(
    x: ArrayLike,
    *,
    least: int = 1,
    missing: bool = False,
    name: str = "X",
    workers: int | None = None,
) -> NDArray[Any]:
    """`x` as a C-contiguous float32 or float64 matrix.

    Parameters
    ----------
    x
        (samples, features); what is not float32 becomes float64, and so do float32 numbers whose
        squares are not. What a masked array masks is NaN.
    least
        Samples that are needed.
    missing
        Whether NaN is taken.
    name
        What errors call it.
    workers
        Threads, by default as many as there are processors.

    Raises
    ------
    DataError
        Anything that is not such a matrix of finite numbers.
    """
    if hasattr(x, "toarray") and not isinstance(x, np.ndarray):
        raise DataError(
            f"Sparse data was passed for {name}, but dense data is required: "
            f"use {name}.toarray() to convert to a dense numpy array."
        )
    try:
        array = _unmasked(x) if isinstance(x, np.ma.MaskedArray) else np.asarray(x)
    except ValueError as error:
        raise DataError(f"{name} must hold numbers, in rows of the same length: {error}") from error
    if np.iscomplexobj(array):
        raise DataError(f"Complex data not supported: {name} has dtype {array.dtype}")
    if array.dtype.kind in "SUmM":
        raise DataError(f"{name} must hold numbers, got dtype {array.dtype}")
    if array.dtype != np.float32:
        try:
            array = np.asarray(array, np.float64)
        except ValueError as error:
            raise DataError(f"{name} must hold numbers: {error}") from error
    if array.ndim != 2:
        advice = (
            " Reshape your data either using array.reshape(-1, 1) if it has a single feature "
            "or array.reshape(1, -1) if it contains a single sample."
        )
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array instead (shape={array.shape})."
            + (advice if array.ndim < 2 else " One row a sample, one column a feature.")
        )
    samples, features = array.shape
    if features < 1:
        raise DataError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    if samples < least:
        raise DataError(
            f"Found array with {samples} sample(s) (shape={array.shape}) while a minimum of "
            f"{least} is required."
        )
    array = np.ascontiguousarray(array)
    _refuse_infinity(array, missing, name, workers)
    if array.dtype == np.float32 and array.size:
        top = float(np.fmax.reduce(array, axis=None))
        size = max(top, -float(np.fmin.reduce(array, axis=None)))
        if size > SINGLE_MOST or 0 < size < SINGLE_LEAST:
            array = array.astype(np.float64)
    return array


def _unmasked(x: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    """Masked numbers become NaN."""
    values = np.array(x.data, x.dtype if x.dtype.kind == "f" else float)
    values[np.ma.getmaskarray(x)] = np.nan
    return values


def _sum(array: NDArray[Any], workers: int | None) -> float:
    """Sum of all numbers, which is not finite where one of them is not."""
    flat = array.reshape(-1)
    parts = -(-flat.size // PIECE)
    sums = np.zeros(parts)

    def work(first: int, last: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            for n in range(first, last):
                sums[n] = flat[n * PIECE : (n + 1) * PIECE].sum(dtype=np.float64)

    threads.split(work, parts, workers or threads.available())
    return float(sums.sum())


def _refuse_infinity(array: NDArray[Any], missing: bool, name: str, workers: int | None) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(_sum(array, workers)):
            return
    for first in range(0, len(array), BLOCK):
        block = array[first : first + BLOCK]
        if np.isinf(block).any():
            raise DataError(
                f"Input {name} contains infinity or a value too large for {array.dtype!r}: "
                "remove or clip such samples."
            )
        if not missing and np.isnan(block).any():
            raise DataError(
                f"Input {name} contains NaN: drop or impute such samples. Mixtures with "
                "covariance_type='diag' or 'spherical' leave missing values out."
            )


def sample_weights(weights: ArrayLike | None, samples: int, real: Any) -> NDArray[Any]:
    """Checked weights (samples,), empty for None."""
    if weights is None:
        return np.empty(0, real)
    try:
        array = np.asarray(weights, np.float64)
    except ValueError as error:
        raise DataError(f"sample_weight must hold numbers: {error}") from error
    if array.ndim == 0:
        array = np.full(samples, float(array))
    if array.shape != (samples,):
        raise DataError(f"sample_weight.shape == {array.shape}, expected ({samples},)")
    if not np.isfinite(array).all():
        raise DataError("Input sample_weight contains NaN or infinity.")
    if (array < 0).any() or not array.any():
        raise DataError("sample_weight must not be negative, and not all zero")
    with np.errstate(over="ignore", under="ignore"):
        cast = np.ascontiguousarray(array, real)
    if not np.isfinite(cast).all() or not cast.any():
        raise DataError(
            f"sample_weight ({array.min():g} to {array.max():g}) leaves the range of {real}: "
            "scale it, or the samples to float64"
        )
    return cast


def center_of(values: NDArray[Any]) -> NDArray[Any]:
    """A point in the midst of the samples: the mean of some of them."""
    # Halved, so that the sum of the largest numbers is finite too.
    some = 0.5 * values[:: max(1, len(values) // 1024)].astype(np.float64)
    seen = ~np.isnan(some)
    total = np.where(seen, some, 0.0).sum(0)
    return np.asarray(2 * (total / np.maximum(seen.sum(0), 1)), values.dtype)


def rows_of(
    values: NDArray[Any], weights: NDArray[Any], center: NDArray[Any] | None, missing: bool
) -> Rows:
    """Checked samples as the kernels read them; `missing` tells whether some may be NaN."""
    middle = center_of(values) if center is None else center.astype(values.dtype)
    suspect = missing and np.isnan(values.sum(dtype=np.float64))  # also where infinities cancelled
    return Rows(values, weights, middle, bool(suspect) and bool(np.isnan(values).any()))


def _added(parts: list[Sums]) -> Sums:
    """Sums of all parts, which are about the same points, added in their order."""
    return Sums(
        parts[0].about,
        np.sum([part.mass for part in parts], axis=0),
        np.sum(np.broadcast_arrays(*(part.seen for part in parts)), axis=0),
        np.sum([part.first for part in parts], axis=0),
        np.sum([part.second for part in parts], axis=0),
        sum(part.log_likelihood for part in parts),
    )


def _as_double(rows: Rows) -> Rows:
    values, weights, center = (part.astype(np.float64) for part in rows[:3])
    return rows._replace(values=values, weights=weights, center=center)


class Samples:
    """What a fit looks at, block by block; in memory it is one block.

    Parameters
    ----------
    blocks
        Called for every pass; gives the same blocks each time.
    threads
        Processors to use, by default all.
    """

    def __init__(self, blocks: Callable[[], Iterable[Rows]], threads: int | None = None) -> None:
        self._blocks = blocks
        self.threads = threads
        first = next(iter(blocks()))
        self.center = first.center.astype(np.float64)
        self.real = first.values.dtype
        self.epsilon = float(np.finfo(self.real).eps)
        self.features = first.values.shape[1]
        self.missing = False
        self.count = self.blocks = 0
        self.mass = 0.0
        for block in blocks():
            self.blocks += 1
            self.count += len(block.values)
            size = block.weights.sum(dtype=np.float64) if block.weights.size else len(block.values)
            self.mass += float(size)
            self.missing = self.missing or block.missing

    def __iter__(self) -> Iterator[Rows]:
        return iter(self._blocks())

    def widen(self) -> None:
        """Give float32 samples as float64 from now on. `epsilon` stays what they are known to."""
        narrow = self._blocks
        if self.blocks == 1:
            rows = [_as_double(block) for block in narrow()]
            self._blocks = lambda: rows
        else:
            self._blocks = lambda: map(_as_double, narrow())
        self.real = np.dtype(np.float64)

    @property
    def precision(self) -> float:
        """Squared step over variance beyond which a covariance loses digits that matter."""
        return 1e-2 if self.real == np.float32 else 1e-4

    def expect(
        self,
        gaussians: Gaussians,
        about: NDArray[np.float64] | None = None,
        given: Callable[[int, int], NDArray[Any]] | None = None,
    ) -> Sums:
        """E step over all samples: what they add up to under the responsibilities.

        Parameters
        ----------
        gaussians
            The components.
        about
            (components, features): where sums are taken about, by default the means.
        given
            Responsibilities (last - first, components) of samples first to last, instead of those
            that the densities give.

        Returns
        -------
        sums
            With the mean log-likelihood of a sample.
        """
        parts: list[Sums] = []
        if given is None:
            parts += [
                kernel.gather(block, gaussians, about, workers=self.threads) for block in self
            ]
        else:
            for first, part in self.parts():
                share = given(first, first + len(part.values)).astype(part.values.dtype)
                parts.append(kernel.gather(part, gaussians, about, share, self.threads))
        return self._mean_likelihood(parts[0] if len(parts) == 1 else _added(parts))

    def _mean_likelihood(self, sums: Sums) -> Sums:
        return sums._replace(log_likelihood=sums.log_likelihood / self.mass)

    def parts(self) -> Iterator[tuple[int, Rows]]:
        """Rows in pieces small enough for their responsibilities, with the number before them."""
        before = 0
        for block in self:
            for first in range(0, len(block.values), BLOCK):
                cut = slice(first, first + BLOCK)
                weights = block.weights[cut] if block.weights.size else block.weights
                yield before + first, block._replace(values=block.values[cut], weights=weights)
            before += len(block.values)

    def moments(self, *, diagonal: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean relative to the centre, (features,), and covariance.

        (features, features), or where only the `diagonal` is wanted or values are missing
        (features,).
        """
        flat = diagonal or self.missing
        factors = np.ones((1, self.features)) if flat else np.eye(self.features)[None]
        one = Gaussians(np.zeros(1), np.zeros((1, self.features)), factors)

        def given(first: int, last: int) -> NDArray[np.float64]:
            return np.ones((last - first, 1))

        sums = self.expect(one, given=given)
        seen = np.maximum(sums.seen, np.finfo(float).tiny)
        mean = (sums.first / seen)[0]
        sums = self.expect(one, mean[None], given=given)
        return mean, sums.second[0] / (seen[0] if flat else seen[0, 0])
