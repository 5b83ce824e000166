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
from bgsub.kernels.em import BLOCK, CHUNK, DOUBLE, SINGLE, TILE, Rows
from bgsub.kernels.template import expand

NARROW = 8
"""Features up to which loops over them are written out."""

MOST_CHUNKS = 256
"""Chunks at most: more than for EM, because a draw searches one chunk sample by sample."""


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
ZERO, ONE, TWO, THREE = REAL(0), REAL(1), REAL(2), REAL(3)
LARGEST = REAL(np.finfo(REAL).max)
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
def nearest_of_four(k, x, centers, half, score, best, near):
    %k h#k = half[k + #k]
    first = REAL(k)
%if features
    %kc m#k_#c = centers[k + #k, #c]
%else
    %k score[#k] = h#k
    for i in range(x.shape[0]):
        %k m#k = centers[k + #k, i]
        for n in range(LANES):
            v = x[i, n]
            %k score[#k, n] -= v * m#k
%end
    for n in range(LANES):
%if features
        %c v#c = x[#c, n]
        %k s#k = h#k - sum{c: v#c * m#k_#c}
%else
        %k s#k = score[#k, n]
%end
        c1, c3 = s1 < s0, s3 < s2
        low, high = s1 if c1 else s0, s3 if c3 else s2
        i, j = ONE if c1 else ZERO, THREE if c3 else TWO
        c = high < low
        low, i = high if c else low, j if c else i
        c = low < best[n]
        best[n] = low if c else best[n]
        near[n] = first + i if c else near[n]


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
        types.Array(types.float64, 1, "C"),
    ),
    cache=True, **OPTIONS
)
def assign(
    rows, weights, center, centers, half, chunk, begin, end, labels, moved, masses, firsts, inertia
):
    count, width = centers.shape
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    score = np.zeros((4, LANES), REAL)
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
            for k in range(0, count, 4):
                nearest_of_four(k, x, centers, half, score, best, near)
            own, weight = labels[start : start + size], weights[start : start + size]
            changed = 0
            for n in range(own.size):
                changed += own[n] != np.int32(near[n])
            # Sums follow the samples that change their cluster, which soon are few.
            if changed:
                moved[part] += changed
                for n in range(own.size):
                    old, new = own[n], np.int32(near[n])
                    if old != new:
                        own[n] = new
                        w = np.float64(weight[n]) if weight.size else 1.0
                        mass[new] += w
                        for i in range(features):
                            first[new, i] += w * x[i, n]
                        if old >= 0:
                            mass[old] -= w
                            for i in range(features):
                                first[old, i] -= w * x[i, n]
            for n in range(LANES):
                best[n] *= TWO
            for i in range(width):
                for n in range(LANES):
                    best[n] += x[i, n] * x[i, n]
            total = ZERO
            if weight.size:
                for n in range(weight.size):
                    total += weight[n] * best[n]
            else:
                for n in range(size):
                    total += best[n]
            inertia[part] += total


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
    body = "\n\n".join(expand(part, variant._asdict(), 4, written_out) for part in (BLOCK, STEPS))
    return header.lstrip("\n") + "\n\n" + body


@cache
def load(variant: Variant) -> ModuleType:
    """The compiled kernels for `variant`."""
    return source.load(text(variant))


class Assignment(NamedTuple):
    """What rounds of Lloyd's leave behind; each round brings it up to date."""

    labels: NDArray[np.int32]
    """(samples,), -1 before the first round."""
    mass: NDArray[np.float64]
    """(chunks, clusters) weight of their samples."""
    first: NDArray[np.float64]
    """(chunks, clusters, features) sum of them, relative to the data's centre."""


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


def unassigned(rows: Rows, clusters: int) -> Assignment:
    """Before the first round."""
    samples, features = rows.values.shape
    padded, chunks = -(-clusters // 4) * 4, _Cut.of(rows).chunks
    return Assignment(
        np.full(samples, -1, np.int32),
        np.zeros((chunks, padded)),
        np.zeros((chunks, padded, features)),
    )


def assign(
    rows: Rows, centers: NDArray[np.float64], known: Assignment, workers: int
) -> tuple[int, float]:
    """Send every sample to its nearest centre, in place in `known`.

    Returns
    -------
    moved, inertia
        Samples that changed their cluster, and the sum of squared distances times weights.
    """
    cut = _Cut.of(rows)
    padded = cut.padded(rows, centers)
    extra = -len(centers) % 4
    half = 0.5 * (padded.astype(np.float64) ** 2).sum(1)
    half = np.append(half, np.full(extra, np.finfo(padded.dtype).max)).astype(padded.dtype)
    padded = np.concatenate([padded, np.zeros((extra, cut.width), padded.dtype)])
    center = cut.padded(rows, rows.center)
    moved, inertia = np.zeros(cut.chunks, np.int64), np.zeros(cut.chunks)

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
            known.labels,
            moved,
            known.mass,
            known.first,
            inertia,
        )

    threads.split(work, cut.chunks, workers)
    return int(moved.sum()), float(inertia.sum())


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
