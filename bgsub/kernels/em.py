"""One pass of expectation maximisation over the data: responsibilities, and the sums they weight.

The E step and the sums for the M step are one pass (Dempster, Laird and Rubin, JRSS B 39, 1977;
Bishop, Pattern Recognition and Machine Learning, 2006, sections 9.2.2 and 10.2). A block of points
is turned into a structure of arrays that stays in the nearest cache, so nothing of size
samples x components is ever made. Points are taken relative to a centre, and sums about the means
that the pass starts from: no digits are lost to an offset of the data, which E[x^2] - E[x]^2 would
lose. Sums of a block are of the data's type, sums over blocks float64.

Work is cut into chunks by the size of the data alone, each with sums of its own, so the result has
the same bits for any number of threads. Threads take chunks, and then components whose sums they
add up, in turns.

Logarithms are in octaves, to the base 2, which spares the exponential a multiplication.

Up to NARROW features the loops over features are written out, over vectors of neighbouring points,
and all sums of a component stay in registers. Beyond, sums are made in tiles of four by four, as
matrix products are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import hints, lanes, source, threads, turns
from bgsub.kernels.template import expand

NARROW_FULL, NARROW_DIAGONAL = 4, 8
"""Features up to which loops over them are written out."""

TILE = 4
"""Beyond that, rows of a block are padded to a multiple of it."""

BYTES_NARROW, LANES_TILED = 1024, 64
"""Bytes that a feature takes in a block; beyond NARROW features, points in a block."""

CHUNK, MOST_CHUNKS, SUMS_BYTES = 4096, 32, 6 << 20
"""Samples in the least chunk, chunks at most, and bytes that their sums may take."""

APART = 64
"""Numbers between the sums of one chunk and those of the next: eight cache lines."""

OCTAVES = 1 / math.log(2)
"""In a nat."""

WORK_PER_THREAD = 1 << 17
"""Numbers times components below which waking a thread costs more than it saves."""


class Variant(NamedTuple):
    """What a kernel is compiled for."""

    features: int
    """Number of features written out, 0 for any number in tiles."""
    diagonal: bool
    """Precisions are diagonal (`diag`, `spherical`); else triangular (`full`, `tied`)."""
    single: bool
    """The data are float32; else float64."""
    missing: bool = False
    """NaN in the data is a feature not seen, and is left out (only with diagonal precisions)."""


HEADER = '''
"""Written by bgsub.kernels.em for {variant}, hints {hints}, lanes {lanes}, turns {turns}."""
import math
import numpy as np
from numba import njit, types

from bgsub.kernels.hints import prefetch, wide_vectors
from bgsub.kernels.lanes import add_totals, filled, load_some, power, select, store
from bgsub.kernels.turns import claim, ended

REAL = np.{real}
ZERO, ONE, LOWEST = REAL(0), REAL(1), REAL(np.finfo(REAL).min)
# Stands for a sum of densities that are all too small for the type.
NOTHING = REAL(np.finfo(REAL).tiny)
LANES = {points}
# Numbers in a register; in four, so that one of four chains of an exponential goes on while the
# others wait; and for the sums of a component.
WIDTH, FOUR, SUMS = {width}, 4 * {width}, {sums}
# Of a tile: rows of sums at once, and numbers of each output.
ROWS, SOME = {rows}, {rows} * {width}
LINE = {line}  # numbers in a cache line
D = {features}
MISSING, TILED = {missing}, {tiled}
MAGIC, LEAST = REAL({magic}), REAL({least})
OCTAVE = math.log(2)
COMMON = dict(nogil=True, error_model="numpy")
OPTIONS = dict(**COMMON, fastmath={{"contract", "nsz", "arcp"}})
# "reassoc" lets a sum use all lanes of a vector. It would also fold the rounding trick of the
# exponential away, so that one is compiled without; "nnan" stays off everywhere, so NaN shows.
STEP = dict(**COMMON, forceinline=True, fastmath={{"contract", "nsz", "arcp", "reassoc"}})
EXACT = dict(**COMMON, forceinline=True, fastmath={{"contract"}})
'''

DOUBLE: dict[str, Any] = {"real": "float64", "magic": 1.5 * 2**52 + 1023, "least": -1020}
SINGLE: dict[str, Any] = {"real": "float32", "magic": 1.5 * 2**23 + 127, "least": -115}

# 2 ** x for x <= 0: x = n + r, a Chebyshev interpolant of (2 ** r - 1) / r over |r| <= 1 / 2, and
# n added into the exponent's bits. It is 1 exactly at 0, elsewhere right to 4e-14 (float32: 1e-7),
# which two more terms would make one unit in the last place. Below LEAST it is zero: what float32
# has beyond gives denormal products, a hundred times as slow.
EXPONENTIAL = """
@njit(**EXACT)
def exponential(x):
    shifted = x + MAGIC
    r = x - (shifted - MAGIC)
    y = {polynomial}
    return select(x > LEAST, y * power(shifted), ZERO)
"""

POLYNOMIALS = {
    False: (
        1.0203121063391726e-07,
        1.3255224878668813e-06,
        1.5252686846267716e-05,
        1.5403455852453836e-04,
        1.3333558179043107e-03,
        9.618129159402558e-03,
        5.550410866476042e-02,
        2.4022650695812986e-01,
        6.931471805599453e-01,
        1.0,
    ),
    True: (
        1.5461453540050715e-04,
        1.3400438390573108e-03,
        9.61805665641109e-03,
        5.5503272011386225e-02,
        2.402265092239236e-01,
        6.931472067147995e-01,
        1.0,
    ),
}

# x[i, n]: feature i of point n, relative to the centre; points past the end are at the centre.
# The rows come as one flat array and the count is a constant in full blocks: only then does the
# compiler turn them with vector instructions.
BLOCK = """
%if features
@njit(**STEP)
def scatter(flat, count, center, x):
    wide_vectors()
    %c m#c = center[#c]
    %c x#c = x[#c]
    for n in range(count):
        %c x#c[n] = flat[n * D + #c] - m#c
%else
@njit(**STEP)
def scatter(flat, count, features, center, x, seen):
    wide_vectors()
    for i in range(features):
        m = center[i]
        for n in range(count):
%if missing
            value = flat[n * features + i] - m
            known = value == value
            x[i, n] = value if known else ZERO
            seen[i, n] = ONE if known else ZERO
%else
            x[i, n] = flat[n * features + i] - m
%end
%end


@njit(**STEP)
def turn(flat, size, features, center, x, seen):
    wide_vectors()
    if size < LANES:
        for i in range(x.shape[0]):
            for n in range(LANES):
                x[i, n] = ZERO
%if features
    if size == LANES:
        scatter(flat, LANES, center, x)
    else:
        scatter(flat, size, center, x)
%else
    scatter(flat, size, features, center, x, seen)
%end
"""

# Log density of each point under component k, into q[k]; the largest of all, into top. Precision
# factors are scaled beforehand: log density = const - |factor (x - mean)|^2.
NARROW_DENSITY = """
@njit(**STEP)
def densities(x, const, mean, factor, q, top):
    wide_vectors()
    for n in range(0, LANES, FOUR):
        %c x#c = load_some(x, #c * LANES + n, FOUR)
        high = filled(LOWEST, x0)
        for k in range(const.size):
            %c d#c = x#c - mean[k, #c]
            {whitened}
            t = const[k] - y0 * y0
            {squares}
            store(q, k * LANES + n, t)
            high = select(t > high, t, high)
        store(top, n, high)
"""

DIAGONAL_DENSITY = """
@njit(**STEP)
def density(k, x, seen, const, mean, factor, offset, away, q, top):
    wide_vectors()
    for n in range(0, LANES, FOUR):
        high = load_some(top, n, FOUR)
        t = filled(const[k], high)
        for i in range(0, x.shape[0], 4):
            %c d#c = load_some(x, (i + #c) * LANES + n, FOUR) - mean[k, i + #c]
            %c y#c = d#c * factor[k, i + #c]
%if missing
            %c z#c = offset[k, i + #c] - y#c * y#c
            %c t = t + load_some(seen, (i + #c) * LANES + n, FOUR) * z#c
%else
            %c t = t - y#c * y#c
%end
        store(q, k * LANES + n, t)
        store(top, n, select(t > high, t, high))
"""

# Four outputs of the triangular product at a time, whose sums stay in registers.
TRIANGULAR_DENSITY = """
@njit(**STEP)
def density(k, x, seen, const, mean, factor, offset, away, q, top):
    wide_vectors()
    for i in range(x.shape[0]):
        m = mean[k, i]
        for n in range(LANES):
            away[i, n] = x[i, n] - m
    for n in range(0, LANES, SOME):
        high = load_some(top, n, SOME)
        nothing = filled(ZERO, high)
        t = filled(const[k], high)
        for j in range(0, x.shape[0], 4):
            %c y#c = nothing
            for i in range(j + 4):
                d = load_some(away, i * LANES + n, SOME)
                %c y#c = y#c + factor[k, i, j + #c] * d
            %c t = t - y#c * y#c
        store(q, k * LANES + n, t)
        store(top, n, select(t > high, t, high))
"""

DENSITIES = """
@njit(**STEP)
def densities(x, seen, const, mean, factor, offset, away, q, top):
    wide_vectors()
    for n in range(LANES):
        top[n] = LOWEST
    for k in range(const.size):
        density(k, x, seen, const, mean, factor, offset, away, q, top)
"""

# Responsibilities are q[k] * share: normalised, times the sample's weight, nothing past the end.
POSTERIOR = """
@njit(**STEP)
def posterior(q, top, norm, share, flat, soon, features):
    wide_vectors()
    for n in range(0, LANES, FOUR):
        for at in range(soon + n * features, min(soon + (n + FOUR) * features, flat.size), LINE):
            prefetch(flat, at)
        high = load_some(top, n, FOUR)
        norms = filled(ZERO, high)
        for k in range(q.shape[0]):
            e = exponential(load_some(q, k * LANES + n, FOUR) - high)
            store(q, k * LANES + n, e)
            norms = norms + e
        norms = select(norms == ZERO, NOTHING, norms)
        store(norm, n, norms)
        store(share, n, ONE / norms)


@njit(**STEP)
def weigh(size, weights, share):
    wide_vectors()
    for n in range(weights.size):
        share[n] *= weights[n]
    if size < LANES:
        for n in range(size, LANES):
            share[n] = ZERO


# The logarithm of a product: one logarithm for many points. norm is 1 to the number of components,
# so the product of as many as multiply() is called for stays finite.
@njit(**STEP)
def multiply(size, top, norm, tops, products):
    wide_vectors()
    if size < LANES:
        for n in range(size, LANES):
            top[n] = ZERO
            norm[n] = ONE
    for n in range(LANES):
        tops[n] += np.float64(top[n])
        products[n] *= np.float64(norm[n])


@njit(**STEP)
def evidence(tops, products):
    wide_vectors()
    total = 0.0
    for n in range(LANES // 4):
        total += math.log(
            products[n] * products[n + LANES // 4]
            * products[n + LANES // 2] * products[n + 3 * LANES // 4]
        )
    octaves = 0.0
    for n in range(LANES):
        octaves += tops[n]
        tops[n] = 0.0
        products[n] = 1.0
    return total + octaves * OCTAVE


@njit(**STEP)
def weighted_evidence(weights, top, norm):
    total = 0.0
    for n in range(weights.size):
        total += weights[n] * (top[n] * OCTAVE + math.log(norm[n]))
    return total


@njit(**STEP)
def report(size, q, top, norm, share, logs, shares, labels):
    for n in range(logs.size):
        known = REAL(top[n] * OCTAVE + math.log(norm[n]))
        logs[n] = REAL(-np.inf) if norm[n] == NOTHING else known
    if shares.size:
        for n in range(size):
            for k in range(q.shape[0]):
                shares[n, k] = q[k, n] * share[n] if norm[n] != NOTHING else ONE / q.shape[0]
    for n in range(labels.size):
        best = 0
        for k in range(1, q.shape[0]):
            if q[k, n] > q[best, n]:
                best = k
        labels[n] = best
"""

# The sums of component k begin at sums[k * SUMS]: mass, first and second moments.
NARROW_SUMS = """
@njit(**STEP)
def gather(k, x, about, q, share, sums):
    wide_vectors()
    %c m#c = about[k, #c]
    nothing = filled(ZERO, load_some(share, 0, WIDTH))
    a = nothing
    %c s#c = nothing
    {starts}
    for n in range(0, LANES, WIDTH):
        r = load_some(q, k * LANES + n, WIDTH) * load_some(share, n, WIDTH)
        a = a + r
        %c d#c = load_some(x, #c * LANES + n, WIDTH) - m#c
        %c e#c = r * d#c
        %c s#c = s#c + e#c
        {products}
    add_totals(sums, k * SUMS, (a, {all}))


@njit(**STEP)
def settle(k, sums, mass, first, second):
    at = k * SUMS
    mass[k, 0] = sums[at]
    %c first[k, #c] = sums[at + 1 + #c]
    {stores}
"""

DIAGONAL_SUMS = """
@njit(**STEP)
def gather(k, x, seen, about, away, pulled, q, share, mass, first, second):
    wide_vectors()
    nothing = filled(ZERO, load_some(share, 0, WIDTH))
    a = nothing
    for n in range(0, LANES, WIDTH):
        r = load_some(q, k * LANES + n, WIDTH) * load_some(share, n, WIDTH)
        store(q, k * LANES + n, r)
        a = a + r
    add_totals(mass, k * mass.shape[1], (a,))
    for i in range(0, x.shape[0], 4):
        %c m#c = about[k, i + #c]
        %c a#c = nothing
        %c s#c = nothing
        %c t#c = nothing
        for n in range(0, LANES, WIDTH):
            r = load_some(q, k * LANES + n, WIDTH)
            %c d#c = load_some(x, (i + #c) * LANES + n, WIDTH) - m#c
%if missing
            %c r#c = r * load_some(seen, (i + #c) * LANES + n, WIDTH)
            %c a#c = a#c + r#c
            %c e#c = r#c * d#c
%else
            %c e#c = r * d#c
%end
            %c s#c = s#c + e#c
            %c t#c = t#c + e#c * d#c
%if missing
        add_totals(mass, k * mass.shape[1] + 1 + i, (a0, a1, a2, a3))
%end
        add_totals(first, k * first.shape[1] + i, (s0, s1, s2, s3))
        add_totals(second, k * second.shape[1] + i, (t0, t1, t2, t3))
"""

# Second moments in tiles of four by four, tile after tile of the upper triangle, as many rows of a
# tile at once as registers hold.
TRIANGULAR_SUMS = """
@njit(**STEP)
def gather(k, x, seen, about, away, pulled, q, share, mass, first, second):
    wide_vectors()
    a = ZERO
    for n in range(LANES):
        r = q[k, n] * share[n]
        q[k, n] = r
        a += r
    mass[k, 0] += a
    for i in range(x.shape[0]):
        m = about[k, i]
        s = ZERO
        for n in range(LANES):
            d = x[i, n] - m
            e = q[k, n] * d
            away[i, n] = d
            pulled[i, n] = e
            s += e
        first[k, i] += s
    at = k * second.shape[1] * 16
    nothing = filled(ZERO, load_some(away, 0, WIDTH))
    for top in range(0, x.shape[0], 4):
        for j in range(top, x.shape[0], 4):
            for i in range(top, top + 4, ROWS):
                %kc t#k_#c = nothing
                for n in range(0, LANES, WIDTH):
                    %k e#k = load_some(pulled, (i + #k) * LANES + n, WIDTH)
                    %c d#c = load_some(away, (j + #c) * LANES + n, WIDTH)
                    %kc t#k_#c = t#k_#c + e#k * d#c
                add_totals(second, at, ({tile}))
                at += 4 * ROWS
"""

# The sums of all chunks come to those of the first, in their order.
TOTALS = """
@njit(**STEP)
def add_up(k, masses, firsts, seconds):
    width = firsts.shape[2]
    for part in range(1, masses.shape[0]):
        for i in range(masses.shape[2]):
            masses[0, k, i] += masses[part, k, i]
        for i in range(width):
            firsts[0, k, i] += firsts[part, k, i]
%if diagonal
            seconds[0, k, i] += seconds[part, k, i]
%else
        for i in range(seconds.shape[2]):
            for j in range(seconds.shape[3]):
                seconds[0, k, i, j] += seconds[part, k, i, j]
%end
"""

# Arrays that are empty are not read or written: weights, given, logs, shares, labels, masses.
DRIVER = """
VECTOR, MATRIX = types.Array({type}, 1, "C"), types.Array({type}, 2, "C")
FACTOR, TOTALS = types.Array({type}, {rank}, "C"), types.Array(types.float64, 3, "C")


@njit(
    types.boolean(
        types.Array({type}, 2, "C", readonly=True),
        types.Array({type}, 1, "C", readonly=True),
        types.Array({type}, 2, "C", readonly=True),
        VECTOR, VECTOR, MATRIX, MATRIX, FACTOR, MATRIX,
        types.int64, types.int64, types.Array(types.int64, 1, "C"), types.int64,
        types.Array(types.float64, 1, "C"), TOTALS, TOTALS,
        types.Array(types.float64, {rank} + 1, "C"),
        VECTOR, MATRIX, types.Array(types.int64, 1, "C"),
    ),
    cache=True, **OPTIONS
)
def run(
    rows, weights, given, center, const, mean, about, factor, offset, chunk, parts,
    counters, rest, totals, masses, firsts, seconds, logs, shares, labels,
):
    components, width = mean.shape
    features = rows.shape[1]
    flat = rows.reshape(rows.size)
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((width if MISSING else 0, LANES), REAL)
    away = np.zeros((width if TILED else 0, LANES), REAL)
    pulled = np.zeros((width if TILED else 0, LANES), REAL)
    q = np.zeros((components, LANES), REAL)
    top = np.zeros(LANES, REAL)
    norm = np.ones(LANES, REAL)
    share = np.ones(LANES, REAL)
    tops, products = np.zeros(LANES), np.ones(LANES)
    sums = np.zeros(components * SUMS)
    most = np.int64(250 / math.log2(1.0 + components))
    while True:
        part = claim(counters, 0, 1)
        if part >= parts:
            break
        likelihood, multiplied = 0.0, 0
        stop = min((part + 1) * chunk, rows.shape[0])
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            last = start + size
            # Views begin at 0, so the compiler knows that no index is negative: a negative one
            # would count from the end, and such loops do not become vectors.
            weight = weights[start:last]
            turn(flat[start * features : last * features], size, features, center, x, seen)
            if given.size:
                block = given[start:last]
                for n in range(size):
                    for k in range(components):
                        q[k, n] = block[n, k]
                share[:] = ONE
            else:
%if features
                densities(x, const, mean, factor, q, top)
%else
                densities(x, seen, const, mean, factor, offset, away, q, top)
%end
                posterior(q, top, norm, share, flat, (last + LANES) * features, features)
            weigh(size, weight, share)
            report(
                size, q, top, norm, share, logs[start:last], shares[start:last], labels[start:last]
            )
            if masses.size:
                if weight.size:
                    likelihood += weighted_evidence(weight, top, norm)
                else:
                    multiply(size, top, norm, tops, products)
                    multiplied += 1
                    if multiplied == most:
                        likelihood += evidence(tops, products)
                        multiplied = 0
                for k in range(components):
%if features
                    gather(k, x, about, q, share, sums)
%else
                    gather(
                        k, x, seen, about, away, pulled, q, share,
                        masses[part], firsts[part], seconds[part],
                    )
%end
        if masses.size:
%if features
            for k in range(components):
                settle(k, sums, masses[part], firsts[part], seconds[part])
            sums[:] = 0.0
%end
            totals[part] = likelihood + evidence(tops, products)
        claim(counters, 1, 1)
    done = ended(counters, 1, parts, 0 if masses.size else rest)
    if done and masses.size:
        while True:
            k = claim(counters, 2, 1)
            if k >= components:
                break
            add_up(k, masses, firsts, seconds)
            if k == 0:
                for part in range(1, parts):
                    totals[0] += totals[part]
            claim(counters, 3, 1)
        done = ended(counters, 3, components, rest)
    return done
"""


def _triangle(count: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for j in range(count) for i in range(j + 1))


def _lines(indent: int, lines: Iterator[str]) -> str:
    return ("\n" + " " * indent).join(lines)


def _narrow(variant: Variant) -> tuple[str, str]:
    """Density and sums with the loops over features written out."""
    d = range(variant.features)
    pairs = [(i, i) for i in d] if variant.diagonal else list(_triangle(variant.features))
    at = (lambda i, j: f"{i}") if variant.diagonal else (lambda i, j: f"{i}, {j}")
    column = {j: [i for i, other in pairs if other == j] for j in d}
    density = NARROW_DENSITY.replace(
        "{whitened}",
        _lines(
            12,
            (
                f"y{j} = " + " + ".join(f"d{i} * factor[k, {at(i, j)}]" for i in column[j])
                for j in d
            ),
        ),
    ).replace("{squares}", _lines(12, (f"t = t - y{j} * y{j}" for j in d[1:])))
    sums = (
        NARROW_SUMS.replace("{starts}", _lines(4, (f"s{i}_{j} = nothing" for i, j in pairs)))
        .replace("{products}", _lines(8, (f"s{i}_{j} = s{i}_{j} + e{i} * d{j}" for i, j in pairs)))
        .replace("{all}", ", ".join([*(f"s{i}" for i in d), *(f"s{i}_{j}" for i, j in pairs)]))
        .replace(
            "{stores}",
            _lines(
                4,
                (
                    f"second[k, {at(i, j)}] = sums[at + {n}]"
                    for n, (i, j) in enumerate(pairs, 1 + len(d))
                ),
            ),
        )
    )
    return density, sums


def text(variant: Variant) -> str:
    """Source of the kernel for `variant`."""
    rows = TILE if lanes.register() == 64 else TILE // 2  # there are 32 registers, else 16
    if variant.features:
        density, sums = _narrow(variant)
    elif variant.diagonal:
        density, sums = DIAGONAL_DENSITY + DENSITIES, DIAGONAL_SUMS
    else:
        tile = ", ".join(f"t{i}_{j}" for i in range(rows) for j in range(TILE))
        density = TRIANGULAR_DENSITY + DENSITIES
        sums = TRIANGULAR_SUMS.replace("{tile}", tile)
    first, *rest = POLYNOMIALS[variant.single]
    polynomial = f"REAL({first})"
    for coefficient in rest:
        polynomial = f"({polynomial}) * r + REAL({coefficient})"
    type_, rank = SINGLE if variant.single else DOUBLE, "2" if variant.diagonal else "3"
    d = variant.features
    moments = d if variant.diagonal else d * (d + 1) // 2
    size = np.dtype(type_["real"]).itemsize
    width = lanes.register() // size
    header = HEADER.format(
        variant=variant,
        hints=hints.VERSION,
        lanes=source.version(lanes),
        turns=source.version(turns),
        line=64 // size,
        width=width,
        rows=rows,
        sums=-(-(1 + d + moments) // width) * width,
        points=BYTES_NARROW // size if variant.features else LANES_TILED,
        features=variant.features,
        missing=variant.missing,
        tiled=not variant.features and not variant.diagonal,
        **type_,
    )
    parts = [
        BLOCK,
        EXPONENTIAL.replace("{polynomial}", polynomial),
        density,
        POSTERIOR,
        sums,
        TOTALS,
        DRIVER.replace("{type}", f"types.{type_['real']}").replace("{rank}", rank),
    ]
    written_out = variant.features or TILE
    body = "\n\n".join(expand(part, variant._asdict(), rows, written_out) for part in parts)
    return header.lstrip("\n") + "\n\n" + body


@cache
def load(variant: Variant) -> ModuleType:
    """The compiled kernel for `variant`."""
    return source.load(text(variant))


class Gaussians(NamedTuple):
    """Weighted log densities, log_scale[k] + log N(x; mean[k], precision of factor[k])."""

    log_scale: NDArray[np.float64]
    """(components,): logarithms of what the densities are multiplied with."""
    means: NDArray[np.float64]
    """(components, features), relative to the data's centre."""
    factors: NDArray[np.float64]
    """(components, features, features) upper triangular U with precision U U^T, or
    (components, features): roots of the diagonal precisions."""


class Sums(NamedTuple):
    """What the samples under each component's responsibility add up to."""

    about: NDArray[np.float64]
    """(components, features): where they are taken about."""
    mass: NDArray[np.float64]
    """(components,): of one, the responsibility of each component."""
    seen: NDArray[np.float64]
    """(components, 1): the same; where values are missing (components, features), of those seen."""
    first: NDArray[np.float64]
    """(components, features): of x - about."""
    second: NDArray[np.float64]
    """(components, features, features) or (components, features): of its squares."""
    log_likelihood: float
    """Of all samples, in nats."""


class Rows(NamedTuple):
    """Samples as a kernel reads them."""

    values: NDArray[Any]
    """(samples, features) float32 or float64, C-contiguous."""
    weights: NDArray[Any]
    """(samples,) of the same type; empty when all are one."""
    center: NDArray[Any]
    """(features,) of the same type: what the samples are taken relative to."""
    missing: bool = False
    """NaN means not seen."""


class Reports(NamedTuple):
    """Of each sample; what was not asked for is empty."""

    log_density: NDArray[Any]
    responsibilities: NDArray[Any]
    labels: NDArray[np.int64]


class _Call:
    """One pass: parameters as the kernel wants them, and how the work is cut."""

    def __init__(self, rows: Rows, gaussians: Gaussians, about: NDArray[np.float64]) -> None:
        real = rows.values.dtype
        _samples, features = rows.values.shape
        diagonal = gaussians.factors.ndim == 2
        limit = NARROW_DIAGONAL if diagonal else NARROW_FULL
        narrow = features <= limit and not rows.missing
        self.rows, self.real = rows, real
        self.width = features if narrow else -(-features // TILE) * TILE
        self.tiled = not narrow and not diagonal
        variant = Variant(features * narrow, diagonal, real == np.float32, rows.missing)
        self.kernel = load(variant).run
        # log N has -features / 2 log 2 pi and the log of the factors' diagonal; with missing
        # values they are of each feature.
        roots = gaussians.factors if diagonal else np.diagonal(gaussians.factors, axis1=1, axis2=2)
        with np.errstate(divide="ignore"):
            offset = OCTAVES * (np.log(roots) - 0.5 * np.log(2 * np.pi))
        const = OCTAVES * gaussians.log_scale + (0 if rows.missing else offset.sum(1))
        factor = gaussians.factors * np.sqrt(0.5 * OCTAVES)
        self.center = self._padded(rows.center)
        self.const = const.astype(real)
        self.mean, self.about = self._padded(gaussians.means), self._padded(about)
        self.factor = self._padded(factor, square=not diagonal)
        self.offset = self._padded(offset) if rows.missing else np.empty((0, 0), real)

    def _padded(self, array: NDArray[Any], square: bool = False) -> NDArray[Any]:
        extra = self.width - array.shape[-1]
        pad = [(0, 0)] * (array.ndim - 1 - square) + [(0, extra)] * (1 + square)
        padded = np.pad(array, pad) if extra else array
        return np.ascontiguousarray(padded, self.real)

    def run(self, chunks: int, workers: int, given: Any, sums: Any, reports: Any) -> None:
        rows = self.rows
        chunk = max(1, -(-len(rows.values) // chunks))
        counters = turns.counters(4)

        def work(rest: int) -> bool:
            done = self.kernel(
                rows.values,
                rows.weights,
                given,
                self.center,
                self.const,
                self.mean,
                self.about,
                self.factor,
                self.offset,
                chunk,
                chunks,
                counters,
                rest,
                *sums,
                *reports,
            )
            return bool(done)

        threads.share(lambda: work, min(workers, chunks))


def worth_waking(rows: Rows, components: int, wanted: int | None) -> int:
    """Threads that are worth waking."""
    work = rows.values.size * components
    return max(1, min(wanted or threads.available(), work // WORK_PER_THREAD))


def _no_reports(real: Any) -> Reports:
    return Reports(np.empty(0, real), np.empty((0, 0), real), np.empty(0, np.int64))


def apart(chunks: int, count: int, *row: int) -> NDArray[np.float64]:
    """Zeros (chunks, count or more, *row) for sums.

    What is more keeps the sums of one chunk off the cache lines of the next, and off those that the
    processor fetches ahead: two threads that write to one line at every block take it from each
    other. With one line between them the first round of k-means took a fifth longer.
    """
    return np.zeros((chunks, count + -(-APART // math.prod(row)), *row))


@cache
def _tiles(width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of each tile of an upper triangle."""
    return np.triu_indices(width // TILE)


def _untiled(tiles: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(components, tiles, TILE * TILE) as symmetric matrices (components, width, width)."""
    components, across = len(tiles), width // TILE
    row, column = _tiles(width)
    parts = tiles.reshape(components, -1, TILE, TILE).swapaxes(0, 1)
    out = np.empty((components, across, TILE, across, TILE))
    out[:, column, :, row] = parts.swapaxes(2, 3)
    out[:, row, :, column] = parts
    return out.reshape(components, width, width)


def _mirrored(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric matrices of upper triangles, (components, features, features)."""
    place = np.arange(upper.shape[1])
    return np.where(place[:, None] <= place, upper, upper.swapaxes(1, 2))


def gather(
    rows: Rows,
    gaussians: Gaussians,
    about: NDArray[np.float64] | None = None,
    given: NDArray[Any] | None = None,
    workers: int | None = None,
) -> Sums:
    """E step, and the sums that the M step needs.

    Parameters
    ----------
    rows
        The samples.
    gaussians
        The components.
    about
        (components, features): where sums are taken about, by default the means.
    given
        (samples, components) responsibilities, instead of those that the densities give; of the
        type of the samples.
    workers
        Threads, by default as many as there are processors. The result is the same for any number.
    """
    about = gaussians.means if about is None else about
    call = _Call(rows, gaussians, about)
    components, features = gaussians.means.shape
    diagonal = gaussians.factors.ndim == 2
    if diagonal:
        tail: tuple[int, ...] = (call.width,)
    else:
        tail = (len(_tiles(call.width)[0]), TILE**2) if call.tiled else (call.width, call.width)
    room = SUMS_BYTES // (8 * components * math.prod(tail) + 1)
    chunks = int(max(1, min(MOST_CHUNKS, max(2, room), len(rows.values) // CHUNK)))
    totals = np.zeros(chunks)
    masses = apart(chunks, components, 1 + call.width * rows.missing)
    firsts = apart(chunks, components, call.width)
    seconds = apart(chunks, components, *tail)
    handed = np.empty((0, 0), call.real) if given is None else given
    call.run(
        chunks,
        worth_waking(rows, components, workers),
        handed,
        (totals, masses, firsts, seconds),
        _no_reports(call.real),
    )
    mass = masses[0, :components]
    second = seconds[0, :components]
    if diagonal:
        second = second[:, :features]
    else:
        whole = _untiled(second, call.width) if call.tiled else _mirrored(second)
        second = whole[:, :features, :features]
    return Sums(
        about,
        mass[:, 0],
        mass[:, 1 : 1 + features] if rows.missing else mass,
        firsts[0, :components, :features],
        second,
        float(totals[0]),
    )


def report(
    rows: Rows,
    gaussians: Gaussians,
    *,
    log_density: bool = False,
    responsibilities: bool = False,
    labels: bool = False,
    workers: int | None = None,
) -> Reports:
    """Of each sample its log density, responsibilities, or most responsible component."""
    call = _Call(rows, gaussians, gaussians.means)
    samples, components = len(rows.values), len(gaussians.means)
    out = Reports(
        np.empty(samples * log_density, call.real),
        np.empty((samples * responsibilities, components), call.real),
        np.empty(samples * labels, np.int64),
    )
    chunks = max(1, min(MOST_CHUNKS, samples // CHUNK))
    rank = gaussians.factors.ndim
    none = (np.empty(0), np.empty((0,) * 3), np.empty((0,) * 3), np.empty((0,) * (rank + 1)))
    given = np.empty((0, 0), call.real)
    unweighted = rows._replace(weights=np.empty(0, call.real))
    call.rows = unweighted
    call.run(chunks, worth_waking(rows, components, workers), given, none, out)
    return out
