"""Lloyd's rounds and the draws of k-means++, over blocks of samples.

Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28 (1982). Arthur and
Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.

Blocks, centre and chunks are those of `bgsub.kernels.em`. The nearest centre minimises
|c|^2 / 2 - x c, which spares the subtractions; x and c are relative to the data's centre.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import source, threads
from bgsub.kernels.em import BLOCK, CHUNK, DOUBLE, MOST_CHUNKS, SINGLE, TILE, Rows
from bgsub.kernels.template import expand

NARROW = 8
"""Features up to which loops over them are written out."""


class Variant(NamedTuple):
    """What the kernels are compiled for."""

    features: int
    """Number of features written out, 0 for any number in tiles."""
    single: bool
    """The data are float32; else float64."""
    missing: bool = False


HEADER = '''
"""Written by bgsub.kernels.kmeans for {variant}."""
import numpy as np
from numba import njit, types

REAL = np.{real}
ZERO, HALF, TWO, LARGEST = REAL(0), REAL(0.5), REAL(2), REAL(np.finfo(REAL).max)
LANES = 128
D = {features}
COMMON = dict(nogil=True, error_model="numpy")
OPTIONS = dict(**COMMON, fastmath={{"contract", "nsz", "arcp"}})
STEP = dict(**COMMON, forceinline=True, fastmath={{"contract", "nsz", "arcp", "reassoc"}})
ROWS = types.Array(types.{real}, 2, "C", readonly=True)
WEIGHTS = types.Array(types.{real}, 1, "C", readonly=True)
VECTOR, MATRIX = types.Array(types.{real}, 1, "C"), types.Array(types.{real}, 2, "C")
LABELS = types.Array(types.int32, 1, "C")
'''

STEPS = """
@njit(**STEP)
def scores(k, x, centers, half, score):
%if features
    %c m#c = centers[k, #c]
    h = half[k]
    for n in range(LANES):
        score[n] = h - sum{c: x[#c, n] * m#c}
%else
    h = half[k]
    for n in range(LANES):
        score[n] = h
    for i in range(0, x.shape[0], 4):
        %c m#c = centers[k, i + #c]
        for n in range(LANES):
            score[n] -= sum{c: x[i + #c, n] * m#c}
%end


@njit(**STEP)
def squared_distances(k, x, centers, away):
%if features
    %c m#c = centers[k, #c]
    for n in range(LANES):
        %c d#c = x[#c, n] - m#c
        away[n] = sum{c: d#c * d#c}
%else
    for n in range(LANES):
        away[n] = ZERO
    for i in range(0, x.shape[0], 4):
        %c m#c = centers[k, i + #c]
        for n in range(LANES):
            %c d#c = x[i + #c, n] - m#c
            away[n] += sum{c: d#c * d#c}
%end


@njit(
    types.void(
        ROWS, WEIGHTS, VECTOR, MATRIX, VECTOR, types.int64, types.int64, types.int64,
        LABELS, types.Array(types.int64, 1, "C"),
        types.Array(types.float64, 2, "C"), types.Array(types.float64, 3, "C"),
    ),
    cache=True, **OPTIONS
)
def assign(rows, weights, center, centers, half, chunk, begin, end, labels, moved, masses, firsts):
    count, width = centers.shape
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    score = np.zeros(LANES, REAL)
    best = np.zeros(LANES, REAL)
    near = np.zeros(LANES, REAL)
    for part in range(begin, end):
        mass, first = masses[part], firsts[part]
        stop = min((part + 1) * chunk, rows.shape[0])
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            turn(
                flat[start * features : (start + size) * features], size, features, center, x, seen
            )
            for n in range(LANES):
                best[n] = LARGEST
                near[n] = ZERO
            for k in range(count):
                scores(k, x, centers, half, score)
                label = REAL(k)
                for n in range(LANES):
                    closer = score[n] < best[n]
                    best[n] = score[n] if closer else best[n]
                    near[n] = label if closer else near[n]
            changed = 0
            own, weight = labels[start : start + size], weights[start : start + size]
            for n in range(own.size):
                k = np.int32(near[n])
                changed += own[n] != k
                own[n] = k
            moved[part] += changed
            if weight.size:
                for n in range(weight.size):
                    k = own[n]
                    w = np.float64(weight[n])
                    mass[k] += w
                    for i in range(features):
                        first[k, i] += w * x[i, n]
            else:
                for n in range(own.size):
                    k = own[n]
                    mass[k] += 1.0
%if features
                    %c first[k, #c] += x[#c, n]
%else
                    for i in range(features):
                        first[k, i] += x[i, n]
%end


@njit(
    types.void(
        ROWS, WEIGHTS, VECTOR, MATRIX, MATRIX, types.int64, types.int64, types.int64,
        VECTOR, types.Array(types.float64, 2, "C"),
    ),
    cache=True, **OPTIONS
)
def draw(rows, weights, center, settled, candidates, chunk, begin, end, closest, potentials):
    width = candidates.shape[1]
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    away = np.zeros(LANES, REAL)
    nearest = np.zeros(LANES, REAL)
    for part in range(begin, end):
        stop = min((part + 1) * chunk, rows.shape[0])
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            turn(
                flat[start * features : (start + size) * features], size, features, center, x, seen
            )
            own, weight = closest[start : start + size], weights[start : start + size]
            for n in range(own.size):
                nearest[n] = own[n]
            if size < LANES:
                for n in range(size, LANES):
                    nearest[n] = ZERO
            for k in range(settled.shape[0]):
                squared_distances(k, x, settled, away)
                for n in range(LANES):
                    nearest[n] = min(nearest[n], away[n])
            for n in range(own.size):
                own[n] = nearest[n]
            for k in range(candidates.shape[0]):
                squared_distances(k, x, candidates, away)
                total = ZERO
                if weight.size:
                    for n in range(weight.size):
                        total += weight[n] * min(nearest[n], away[n])
                else:
                    for n in range(LANES):
                        total += min(nearest[n], away[n])
                potentials[part, k] += total
"""


def text(variant: Variant) -> str:
    """Source of the kernels for `variant`."""
    real = (SINGLE if variant.single else DOUBLE)["real"]
    header = HEADER.format(variant=variant, real=real, features=variant.features)
    written_out = variant.features or TILE
    body = "\n\n".join(expand(part, variant._asdict(), 1, written_out) for part in (BLOCK, STEPS))
    return header.lstrip("\n") + "\n\n" + body


@cache
def load(variant: Variant) -> ModuleType:
    """The compiled kernels for `variant`."""
    return source.load(text(variant))


class Assignment(NamedTuple):
    """One round of Lloyd's."""

    moved: int
    """Samples that changed their cluster."""
    mass: NDArray[np.float64]
    """(clusters,) weight of its samples."""
    first: NDArray[np.float64]
    """(clusters, features) sum of them, relative to the data's centre."""


class _Cut(NamedTuple):
    """How the samples are cut into chunks, and the parameters as the kernels want them."""

    kernels: ModuleType
    width: int
    chunks: int
    chunk: int

    @classmethod
    def of(cls, rows: Rows) -> _Cut:
        samples, features = rows.values.shape
        narrow = features <= NARROW
        width = features if narrow else -(-features // TILE) * TILE
        kernels = load(Variant(features * narrow, rows.values.dtype == np.float32))
        chunks = max(1, min(MOST_CHUNKS, samples // CHUNK))
        return cls(kernels, width, chunks, -(-samples // chunks))

    def padded(self, rows: Rows, array: NDArray[Any]) -> NDArray[Any]:
        pad = [(0, 0)] * (array.ndim - 1) + [(0, self.width - array.shape[-1])]
        return np.ascontiguousarray(np.pad(array, pad), rows.values.dtype)


def assign(
    rows: Rows, centers: NDArray[np.float64], labels: NDArray[np.int32], workers: int
) -> Assignment:
    """Send every sample to its nearest centre, in place in `labels` (samples,)."""
    cut = _Cut.of(rows)
    count, features = centers.shape
    padded = cut.padded(rows, centers)
    half = (0.5 * (padded.astype(np.float64) ** 2).sum(1)).astype(padded.dtype)
    center = cut.padded(rows, rows.center)
    moved = np.zeros(cut.chunks, np.int64)
    masses, firsts = np.zeros((cut.chunks, count)), np.zeros((cut.chunks, count, features))

    def work(first: int, last: int) -> None:
        cut.kernels.assign(
            rows.values,
            rows.weights,
            center,
            padded,
            half,
            cut.chunk,
            first,
            last,
            labels,
            moved,
            masses,
            firsts,
        )

    threads.split(work, cut.chunks, workers)
    return Assignment(int(moved.sum()), masses.sum(0), firsts.sum(0))


def potentials(
    rows: Rows,
    settled: NDArray[np.float64],
    candidates: NDArray[np.float64],
    closest: NDArray[Any],
    workers: int,
) -> NDArray[np.float64]:
    """Squared distances that would be left with each candidate.

    Parameters
    ----------
    rows
        The samples.
    settled
        (any, features) centres that `closest` does not know yet; it is brought up to date.
    candidates
        (any, features).
    closest
        (samples,) squared distance to the nearest centre.
    workers
        Threads.

    Returns
    -------
    potentials
        (chunks, candidates) sums over the samples of each chunk.
    """
    cut = _Cut.of(rows)
    center = cut.padded(rows, rows.center)
    old, new = cut.padded(rows, settled), cut.padded(rows, candidates)
    out = np.zeros((cut.chunks, len(candidates)))

    def work(first: int, last: int) -> None:
        cut.kernels.draw(
            rows.values, rows.weights, center, old, new, cut.chunk, first, last, closest, out
        )

    threads.split(work, cut.chunks, workers)
    return out


def chunk_of(rows: Rows) -> int:
    """Samples in each chunk of `potentials`."""
    return _Cut.of(rows).chunk
