"""Lloyd's rounds and the draws of k-means++, over blocks of samples.

Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28 (1982). Arthur and
Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.

Blocks, centre and chunks are those of `bgsub.kernels.em`. The nearest centre minimises
|c|^2 / 2 - x c, which spares the subtractions; x and c are relative to the data's centre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import hints, source, threads, turns
from bgsub.kernels.em import BLOCK, CHUNK, DOUBLE, MOST_CHUNKS, SINGLE, TILE, Rows, apart
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
"""Written by bgsub.kernels.kmeans for {variant}, hints {hints}, turns {turns}."""
import math
import numpy as np
from numba import njit, types

from bgsub.kernels.hints import wide_vectors
from bgsub.kernels.turns import claim, ended

REAL = np.{real}
ZERO, ONE, TWO, THREE = REAL(0), REAL(1), REAL(2), REAL(3)
LARGEST = REAL(np.finfo(REAL).max)
LANES = 128
# Parts of one array, so that the compiler need not ask whether they overlap.
BEST, SECOND, NEAR = 0, LANES, 2 * LANES
D = {features}
COMMON = dict(nogil=True, error_model="numpy")
OPTIONS = dict(**COMMON, fastmath={{"contract", "nsz", "arcp"}})
STEP = dict(**COMMON, forceinline=True, fastmath={{"contract", "nsz", "arcp", "reassoc"}})
ROWS = types.Array(types.{real}, 2, "C", readonly=True)
WEIGHTS = types.Array(types.{real}, 1, "C", readonly=True)
VECTOR, MATRIX = types.Array(types.{real}, 1, "C"), types.Array(types.{real}, 2, "C")
LABELS, FLOATS = types.Array(types.int32, 1, "C"), types.Array(types.float32, 1, "C")
SUMS = types.Array(types.float64, 1, "C")
TURNS = types.int64, types.int64, types.Array(types.int64, 1, "C"), types.int64
MOST = np.finfo(np.float32).max
ROUNDED = np.float32(1 - 2.0**-22)
'''

STEPS = """
@njit(**STEP)
def nearest_of_four(k, x, centers, half, score, found):
    wide_vectors()
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
        other = min(s0 if c1 else s1, s2 if c3 else s3)
        i, j = ONE if c1 else ZERO, THREE if c3 else TWO
        c = high < low
        other = min(other, low if c else high)
        low, i = high if c else low, j if c else i
        best = found[BEST + n]
        c = low < best
        found[SECOND + n] = min(min(found[SECOND + n], other), best if c else low)
        found[BEST + n] = low if c else best
        found[NEAR + n] = first + i if c else found[NEAR + n]


@njit(**STEP)
def used_up(start, labels, until, reach, pick, size):
    wide_vectors()
    for n in range(labels.size):
        pick[np.uintp(size)] = start + n
        size += not until[n] > reach[np.uint32(labels[n] + 1)]
    return size


@njit(**STEP)
def gather(rows, size, center, pick, x):
    wide_vectors()
%if features
    %c m#c = center[#c]
    %c x#c = x[#c]
    for n in range(size):
        row = pick[n]
        %c x#c[n] = rows[row, #c] - m#c
%else
    for n in range(size):
        row = pick[n]
        for i in range(rows.shape[1]):
            x[i, n] = rows[row, i] - center[i]
%end


@njit(**STEP)
def bound(x, found, square, walked, near, ahead):
    wide_vectors()
    squared(x, square)
    for n in range(LANES):
        close = np.float32(max(TWO * found[BEST + n] + square[n], ZERO))
        far = np.float32(min(TWO * found[SECOND + n] + square[n], REAL(MOST)))
        ahead[n] = math.sqrt(far) - math.sqrt(close)
    for n in range(LANES):
        near[n] = np.int32(found[NEAR + n])
    for n in range(LANES):
        ahead[n] = (ahead[n] + walked[np.uint32(near[n])]) * ROUNDED


# Sums follow the samples that change their cluster, which soon are few.
@njit(**STEP)
def follow(size, pick, near, ahead, x, weights, features, labels, until, mass, first):
    changed = 0
    for n in range(size):
        row = pick[n]
        old = labels[row]
        until[row] = ahead[n]
        if old != near[n]:
            labels[row] = near[n]
            new = np.uint32(near[n])
            changed += 1
            w = np.float64(weights[row]) if weights.size else 1.0
            mass[new] += w
            for i in range(features):
                first[new, i] += w * x[i, n]
            if old >= 0:
                last = np.uint32(old)
                mass[last] -= w
                for i in range(features):
                    first[last, i] -= w * x[i, n]
    return changed


@njit(**STEP)
def squared_distances(k, x, centers, away):
    wide_vectors()
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


@njit(**STEP)
def left_by_four(k, x, candidates, nearest, share, away, left):
    wide_vectors()
%if features
    %kc m#k_#c = candidates[k + #k, #c]
    %k t#k = ZERO
    for n in range(LANES):
        %c v#c = x[#c, n]
        %k t#k += share[n] * min(nearest[n], sum{c: (v#c - m#k_#c) * (v#c - m#k_#c)})
    %k left[k + #k] += t#k
%else
    for j in range(k, k + 4):
        squared_distances(j, x, candidates, away)
        total = ZERO
        for n in range(LANES):
            total += share[n] * min(nearest[n], away[n])
        left[j] += total
%end


@njit(**STEP)
def summed(values, size, weight):
    wide_vectors()
    total = ZERO
    if weight.size:
        for n in range(weight.size):
            total += weight[n] * values[n]
    else:
        for n in range(size):
            total += values[n]
    return total


@njit(**STEP)
def squared(x, square):
    wide_vectors()
    for n in range(LANES):
        square[n] = ZERO
    for i in range(x.shape[0]):
        for n in range(LANES):
            square[n] += x[i, n] * x[i, n]


@njit(
    types.boolean(
        ROWS, WEIGHTS, VECTOR, MATRIX, VECTOR, FLOATS, FLOATS, *TURNS,
        LABELS, FLOATS, types.Array(types.int64, 1, "C"),
        types.Array(types.float64, 2, "C"), types.Array(types.float64, 3, "C"),
    ),
    cache=True, **OPTIONS
)
def assign(
    rows, weights, center, centers, half, walked, reach, chunk, parts, counters, rest,
    labels, until, moved, masses, firsts
):
    wide_vectors()
    count, width = centers.shape
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    score = np.zeros((4, LANES), REAL)
    found = np.zeros(3 * LANES, REAL)
    square, ahead = np.zeros(LANES, REAL), np.zeros(LANES, np.float32)
    near = np.zeros(LANES, np.int32)
    # Unsigned, for a signed index may count from the end, which costs.
    pick, left = np.zeros(2 * LANES, np.uintp), 0
    while True:
        part = claim(counters, 0, 1)
        if part >= parts:
            break
        mass, first = masses[part], firsts[part]
        changed, at, stop = 0, part * chunk, min((part + 1) * chunk, rows.shape[0])
        while True:
            while left < LANES and at < stop:
                end_of_block = min(at + LANES, stop)
                own, limit = labels[at:end_of_block], until[at:end_of_block]
                left = used_up(at, own, limit, reach, pick, left)
                at = end_of_block
            if left == 0:
                break
            size = min(left, LANES)
            start = np.intp(pick[0])
            if np.intp(pick[size - 1]) - start == size - 1:
                block = flat[start * features : (start + size) * features]
                turn(block, size, features, center, x, seen)
            else:
                gather(rows, size, center, pick, x)
            for n in range(LANES):
                found[BEST + n] = LARGEST
                found[SECOND + n] = LARGEST
                found[NEAR + n] = ZERO
            for k in range(0, count, 4):
                nearest_of_four(k, x, centers, half, score, found)
            bound(x, found, square, walked, near, ahead)
            changed += follow(
                size, pick, near, ahead, x, weights, features, labels, until, mass, first
            )
            left -= size
            for n in range(left):
                pick[n] = pick[LANES + n]
        moved[part] = changed
        claim(counters, 1, 1)
    return ended(counters, 1, parts, rest)


@njit(
    types.boolean(
        ROWS, WEIGHTS, VECTOR, MATRIX, types.Array(types.int32, 1, "C", readonly=True),
        *TURNS, SUMS
    ),
    cache=True, **OPTIONS
)
def inertia(rows, weights, center, centers, labels, chunk, parts, counters, rest, out):
    wide_vectors()
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((centers.shape[1], LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    away = np.zeros(LANES, REAL)
    while True:
        part = claim(counters, 0, 1)
        if part >= parts:
            break
        stop = min((part + 1) * chunk, rows.shape[0])
        total = 0.0
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            turn(
                flat[start * features : (start + size) * features], size, features, center, x, seen
            )
            own, weight = labels[start : start + size], weights[start : start + size]
            for n in range(own.size):
                k = np.uint32(own[n])
%if features
                %c d#c = x[#c, n] - centers[k, #c]
                away[n] = sum{c: d#c * d#c}
%else
                away[n] = ZERO
                for i in range(features):
                    d = x[i, n] - centers[k, i]
                    away[n] += d * d
%end
            total += summed(away, size, weight)
        out[part] = total
        claim(counters, 1, 1)
    return ended(counters, 1, parts, rest)


@njit(
    types.boolean(
        ROWS, WEIGHTS, VECTOR, types.int64, *TURNS,
        types.Array(types.float64, 2, "C"), SUMS, SUMS,
    ),
    cache=True, **OPTIONS
)
def spread(rows, weights, center, width, chunk, parts, counters, rest, sums, squares, farthest):
    wide_vectors()
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    square, most = np.zeros(LANES, REAL), np.zeros(LANES, REAL)
    while True:
        part = claim(counters, 0, 1)
        if part >= parts:
            break
        stop = min((part + 1) * chunk, rows.shape[0])
        most[:] = ZERO
        total = 0.0
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            turn(
                flat[start * features : (start + size) * features], size, features, center, x, seen
            )
            squared(x, square)
            weight = weights[start : start + size]
            for i in range(width):
                sums[part, i] += summed(x[i], size, weight)
            total += summed(square, size, weight)
            for n in range(LANES):
                most[n] = max(most[n], square[n])
        squares[part] = total
        farthest[part] = most.max()
        claim(counters, 1, 1)
    return ended(counters, 1, parts, rest)


@njit(
    types.boolean(
        ROWS, WEIGHTS, VECTOR, MATRIX, MATRIX, VECTOR, *TURNS, VECTOR,
        types.Array(types.float64, 2, "C"),
    ),
    cache=True, **OPTIONS
)
def draw(
    rows, weights, center, settled, candidates, known, chunk, parts, counters, rest,
    closest, potentials
):
    wide_vectors()
    width = candidates.shape[1]
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((0, LANES), REAL)
    away = np.zeros(LANES, REAL)
    nearest = np.zeros(LANES, REAL)
    share = np.zeros(LANES, REAL)
    while True:
        part = claim(counters, 0, 1)
        if part >= parts:
            break
        share[:] = ONE
        stop = min((part + 1) * chunk, rows.shape[0])
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            turn(
                flat[start * features : (start + size) * features], size, features, center, x, seen
            )
            weight, before = weights[start : start + size], known[start : start + size]
            nearest[:] = LARGEST
            for n in range(before.size):
                nearest[n] = before[n]
            if weight.size:
                for n in range(weight.size):
                    share[n] = weight[n]
            if size < LANES:
                for n in range(size, LANES):
                    share[n] = ZERO
            for k in range(settled.shape[0]):
                squared_distances(k, x, settled, away)
                for n in range(LANES):
                    nearest[n] = min(nearest[n], away[n])
            now = closest[start : start + size]
            for n in range(now.size):
                now[n] = nearest[n]
            for k in range(0, candidates.shape[0], 4):
                left_by_four(k, x, candidates, nearest, share, away, potentials[part])
        claim(counters, 1, 1)
    return ended(counters, 1, parts, rest)


@njit(
    types.int64(
        ROWS, WEIGHTS, VECTOR, types.Array(types.float64, 1, "C"), VECTOR,
        types.int64, types.int64, types.float64,
    ),
    cache=True, **OPTIONS
)
def search(rows, weights, center, fresh, closest, begin, end, target):
    passed, last = 0.0, begin
%if features
    %c m#c = center[#c] + fresh[#c]
%end
    for n in range(begin, end):
%if features
        %c d#c = rows[n, #c] - m#c
        away = np.float64(sum{c: d#c * d#c})
%else
        away = 0.0
        for i in range(rows.shape[1]):
            d = rows[n, i] - center[i] - fresh[i]
            away += np.float64(d * d)
%end
        away = min(away, np.float64(closest[n])) if closest.size else away
        away *= np.float64(weights[n]) if weights.size else 1.0
        passed += away
        if passed >= target:
            return n
        if away > 0:
            last = n
    return last
"""


def text(variant: Variant) -> str:
    """Source of the kernels for `variant`."""
    real = (SINGLE if variant.single else DOUBLE)["real"]
    header = HEADER.format(
        variant=variant,
        hints=hints.VERSION,
        turns=source.version(turns),
        real=real,
        features=variant.features,
    )
    written_out = variant.features or TILE
    body = "\n\n".join(expand(part, variant._asdict(), 4, written_out) for part in (BLOCK, STEPS))
    return header.lstrip("\n") + "\n\n" + body


@cache
def load(variant: Variant) -> ModuleType:
    """The compiled kernels for `variant`."""
    return source.load(text(variant))


def _rounded(lengths: NDArray[np.float64]) -> NDArray[np.float32]:
    """As float32: infinite, where they are too long for it, and then every sample is looked at."""
    with np.errstate(over="ignore"):
        return lengths.astype(np.float32)


@dataclass(slots=True)
class Assignment:
    """What rounds of Lloyd's leave behind; each round brings it up to date.

    Hamerly, "Making k-means even faster", SDM 2010, with his two bounds in one number: a sample
    keeps its centre while the lead that this centre had when the sample was last looked at, that is
    how much farther the second nearest was, exceeds what this centre and the swiftest of the others
    have walked since. Only the samples whose lead is used up are looked at.
    """

    labels: NDArray[np.int32]
    """(samples,), -1 before the first round."""
    until: NDArray[np.float32]
    """(samples,) what `walked` of its centre must stay below for the sample to keep it."""
    mass: NDArray[np.float64]
    """(chunks, clusters or more) weight of their samples."""
    first: NDArray[np.float64]
    """(chunks, clusters or more, features) sum of them, relative to the data's centre."""
    walked: NDArray[np.float64]
    """(clusters,) sum over the rounds of a centre's step and the largest of the others' steps."""
    radius: float
    """No sample and no centre so far lies farther from the data's centre. When infinite, every
    round looks at every sample."""
    centers: NDArray[np.float64] | None = None
    """(clusters, features) of the last round."""

    def follow(self, centers: NDArray[np.float64]) -> None:
        """Let the centres walk to `centers`."""
        if self.centers is not None:
            steps = np.sqrt(((centers - self.centers) ** 2).sum(1))
            others = np.full(len(steps), steps.max())
            others[steps.argmax()] = np.partition(np.append(steps, 0.0), -2)[-2]
            self.walked += steps + others
        self.centers = centers
        self.radius = max(self.radius, float(np.sqrt((centers**2).sum(1).max())))

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of each cluster's samples, (clusters,), and their sum, (clusters, features)."""
        clusters = len(self.walked)
        return self.mass.sum(0)[:clusters], self.first.sum(0)[:clusters]

    def reach(self, precision: float) -> NDArray[np.float32]:
        """(1 + clusters,) what `until` must exceed, first for samples without a label.

        A lead must also exceed the rounding of both its own and the scores': each score is wrong by
        at most e = 2 (features + 4) u radius^2, where u = precision / 2, and a lead g sets scores
        apart by at least g^2 / 2. So sqrt(4 e) is left for comparing, 2 sqrt(2 e) for squared
        distances when the lead was taken, and the last terms for its roots in float32.
        """
        features = self.first.shape[2]
        rounding = 8 * np.sqrt((features + 4) * precision) + 2.0**-21
        needed = self.walked + rounding * self.radius + 1e-18
        upward = np.nextafter(_rounded(needed), np.float32(np.inf))
        return np.append(np.float32(np.inf), upward)


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
        padded = np.zeros((*array.shape[:-1], self.width), rows.values.dtype)
        padded[..., : array.shape[-1]] = array
        return padded

    def share(
        self, kernel: Callable[..., bool], given: Sequence[Any], out: Sequence[Any], workers: int
    ) -> None:
        """Let up to `workers` threads take the chunks in turns."""
        counters = turns.counters(2)

        def work(rest: int) -> bool:
            return bool(kernel(*given, self.chunk, self.chunks, counters, rest, *out))

        threads.share(lambda: work, min(workers, self.chunks))


def _by_four(points: NDArray[Any]) -> NDArray[Any]:
    """With points at the data's centre behind, to a multiple of four."""
    padded = np.zeros((-(-len(points) // 4) * 4, points.shape[1]), points.dtype)
    padded[: len(points)] = points
    return padded


def unassigned(rows: Rows, clusters: int, radius: float = np.inf) -> Assignment:
    """Before the first round; no sample is farther than `radius` from the data's centre."""
    samples, features = rows.values.shape
    chunks = _Cut.of(rows).chunks
    return Assignment(
        np.full(samples, -1, np.int32),
        np.empty(samples, np.float32),
        apart(chunks, clusters),
        apart(chunks, clusters, features),
        np.zeros(clusters),
        radius,
    )


def assign(rows: Rows, centers: NDArray[np.float64], known: Assignment, workers: int) -> int:
    """Send every sample to its nearest centre, in place in `known`.

    Returns
    -------
    moved
        Samples that changed their cluster.
    """
    cut = _Cut.of(rows)
    padded = cut.padded(rows, centers)
    half = 0.5 * (_by_four(padded).astype(np.float64) ** 2).sum(1)
    half[len(padded) :] = np.finfo(padded.dtype).max
    half, padded = half.astype(padded.dtype), _by_four(padded)
    center = cut.padded(rows, rows.center)
    known.follow(centers)
    reach = known.reach(float(np.finfo(padded.dtype).eps))
    moved = np.zeros(cut.chunks, np.int64)
    cut.share(
        cut.kernels.assign,
        (rows.values, rows.weights, center, padded, half, _rounded(known.walked), reach),
        (known.labels, known.until, moved, known.mass, known.first),
        workers,
    )
    return int(moved.sum())


def inertia(
    rows: Rows, centers: NDArray[np.float64], labels: NDArray[np.int32], workers: int
) -> float:
    """Sum of squared distances to the centres of `labels`, times weights."""
    cut = _Cut.of(rows)
    padded, center = cut.padded(rows, centers), cut.padded(rows, rows.center)
    out = np.zeros(cut.chunks)
    given = rows.values, rows.weights, center, padded, labels
    cut.share(cut.kernels.inertia, given, (out,), workers)
    return float(out.sum())


class Spread(NamedTuple):
    """How far samples lie apart."""

    variance: float
    """Averaged over the features."""
    radius: float
    """Distance of the farthest sample from the data's centre."""


def spread(rows: Rows, workers: int) -> Spread:
    """Variance and radius of the samples."""
    cut = _Cut.of(rows)
    center = cut.padded(rows, rows.center)
    sums, squares = apart(cut.chunks, cut.width), np.zeros(cut.chunks)
    farthest = np.zeros(cut.chunks)
    given = rows.values, rows.weights, center, cut.width
    cut.share(cut.kernels.spread, given, (sums, squares, farthest), workers)
    samples, features = rows.values.shape
    mass = rows.weights.sum(dtype=float) if rows.weights.size else samples
    with np.errstate(over="ignore", invalid="ignore"):  # infinite where squares are
        means = sums.sum(0)[: cut.width] / mass
        variance = (squares.sum() / mass - (means**2).sum()) / features
    return Spread(float(variance), float(np.sqrt(farthest.max())))


def potentials(
    rows: Rows,
    settled: NDArray[np.float64],
    candidates: NDArray[np.float64],
    known: NDArray[Any],
    closest: NDArray[Any],
    workers: int,
) -> NDArray[np.float64]:
    """Squared distances that would be left with each candidate.

    Parameters
    ----------
    rows
        The samples.
    settled
        (any, features) centres that `known` does not know.
    candidates
        (any, features).
    known
        (samples,) squared distance to the nearest of the other centres; empty where there is none.
    closest
        (samples,) squared distance to the nearest of all settled centres, which may be the array
        `known`; empty where nobody asks. Written.
    workers
        Threads.

    Returns
    -------
    potentials
        (chunks, candidates) sums over the samples of each chunk.
    """
    cut = _Cut.of(rows)
    center = cut.padded(rows, rows.center)
    old, new = cut.padded(rows, settled), _by_four(cut.padded(rows, candidates))
    out = apart(cut.chunks, len(new))
    given = rows.values, rows.weights, center, old, new, known
    cut.share(cut.kernels.draw, given, (closest, out), workers)
    return out[:, : len(candidates)]


def drawn(
    rows: Rows,
    fresh: NDArray[np.float64],
    known: NDArray[Any],
    by_chunk: NDArray[np.float64],
    target: float,
) -> int:
    """The sample at which the running sum of squared distances comes to `target`.

    Parameters
    ----------
    rows
        The samples.
    fresh
        (features,) centre that `known` does not know.
    known
        As of potentials().
    by_chunk
        (chunks,) sums of squared distances to the nearest centre, `fresh` among them.
    target
        Of the sum.
    """
    cut = _Cut.of(rows)
    ends = by_chunk.cumsum()
    part = min(int(np.searchsorted(ends, target)), len(ends) - 1)
    begin, end = part * cut.chunk, min((part + 1) * cut.chunk, len(rows.values))
    before = float(ends[part - 1]) if part else 0.0
    return int(
        cut.kernels.search(
            rows.values, rows.weights, rows.center, fresh, known, begin, end, target - before
        )
    )
