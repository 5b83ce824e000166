"""One pass of expectation maximisation over the data: responsibilities, and the sums they weight.

The E step and the sums for the M step are one pass (Dempster, Laird and Rubin, JRSS B 39, 1977;
Bishop, Pattern Recognition and Machine Learning, 2006, sections 9.2.2 and 10.2). A block of points
is turned into a structure of arrays that stays in the nearest cache, so nothing of size
samples x components is ever made. Points are taken relative to a centre, and sums about the means
that the pass starts from: no digits are lost to an offset of the data, which E[x^2] - E[x]^2 would
lose. Sums of a block are of the data's type, sums over blocks float64.

Work is cut into chunks by the size of the data alone, each with sums of its own, so the result has
the same bits for any number of threads.

Up to NARROW features the loops over features are written out, so that the compiler puts
neighbouring points into one vector and keeps all sums of a component in registers. Beyond, sums are
made in tiles of four by two, as matrix products are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import source, threads
from bgsub.kernels.template import expand

NARROW_FULL, NARROW_DIAGONAL = 4, 8
"""Features up to which loops over them are written out."""

TILE = 4
"""Beyond that, rows of a block are padded to a multiple of it."""


class Variant(NamedTuple):
    """What a kernel is compiled for."""

    features: int
    """Number of features written out, 0 for any number in tiles."""
    diagonal: bool
    """Precisions are diagonal (`diag`, `spherical`); else triangular (`full`, `tied`)."""
    single: bool
    """The data are float32; else float64."""
    given: bool = False
    """Responsibilities are handed in; else they follow from densities."""
    weighted: bool = False
    """Samples have weights."""
    missing: bool = False
    """NaN in the data is a feature not seen, and is left out (only with diagonal precisions)."""
    entropy: bool = False
    """The entropy of the responsibilities is summed too."""
    report: bool = False
    """Responsibilities, labels or densities of each sample are written; nothing is summed."""


HEADER = '''
"""Written by bgsub.kernels.em for {variant}."""
import math
import numpy as np
from numba import njit, types

REAL, BITS = np.{real}, np.{bits}
ZERO, ONE, LOWEST = REAL(0), REAL(1), REAL(np.finfo(REAL).min)
LANES = {lanes}
PRODUCT = 64
D = {features}
MAGIC, MANTISSA = REAL({magic}), BITS({mantissa})
PER_OCTAVE, OCTAVE_HIGH, OCTAVE_LOW, LEAST = {octave}
COMMON = dict(nogil=True, error_model="numpy")
OPTIONS = dict(**COMMON, fastmath={{"contract", "nsz", "arcp"}})
# "reassoc" lets a sum use all lanes of a vector. It would also fold the rounding trick of the
# exponential away, so that one is compiled without; "nnan" stays off everywhere, so NaN shows.
STEP = dict(**COMMON, forceinline=True, fastmath={{"contract", "nsz", "arcp", "reassoc"}})
EXACT = dict(**COMMON, forceinline=True, fastmath={{"contract"}})
'''

# exp(x) for x <= 0, to one unit in the last place: x = n log 2 + r, a Chebyshev interpolant of
# exp(r) on |r| <= log(2) / 2, and n added into the exponent's bits.
EXPONENTIAL = """
@njit(**EXACT)
def exponential(x):
    shifted = REAL(x * PER_OCTAVE + MAGIC)
    n = shifted - MAGIC
    r = (x - n * OCTAVE_HIGH) - n * OCTAVE_LOW
    power = BITS(shifted.view(BITS) << MANTISSA).view(REAL)
    y = {polynomial}
    return y * power if x > LEAST else ZERO
"""

POLYNOMIALS = {
    False: (
        2.5111537968210607e-08,
        2.763270457439268e-07,
        2.7557235810456987e-06,
        2.480148529679892e-05,
        1.984126989639126e-04,
        1.3888888952496806e-03,
        8.333333333316137e-03,
        4.16666666664874e-02,
        1.6666666666666688e-01,
        5.000000000000019e-01,
        1.0,
        1.0,
    ),
    True: (
        1.3941116406064283e-03,
        8.375132781144008e-03,
        4.166635280102045e-02,
        1.6666415437987242e-01,
        5.000000047139321e-01,
        1.0000000377334783,
        1.0,
    ),
}

# x[i, n]: feature i of point n, relative to the centre; points past the end are at the centre.
BLOCK = """
@njit(**STEP)
def turn(rows, start, size, center, x, seen):
%if features
    %c m#c = center[#c]
    for n in range(size):
        %c x[#c, n] = rows[start + n, #c] - m#c
%else
    for n in range(size):
        for i in range(rows.shape[1]):
%if missing
            value = rows[start + n, i] - center[i]
            known = value == value
            x[i, n] = value if known else ZERO
            seen[i, n] = ONE if known else ZERO
%else
            x[i, n] = rows[start + n, i] - center[i]
%end
%end
    for i in range(x.shape[0]):
        for n in range(size, LANES):
            x[i, n] = ZERO
"""

# Log density of each point under component k, into q[k]; the largest so far, into top. Precision
# factors are divided by the root of two beforehand: log density = const - |factor (x - mean)|^2.
NARROW_DENSITY = """
@njit(**STEP)
def density(k, x, seen, const, mean, factor, offset, away, y, q, top):
    c = const[k]
    %c m#c = mean[k, #c]
    {factors}
    for n in range(LANES):
        %c d#c = x[#c, n] - m#c
        {whitened}
        t = c - sum{c: y#c * y#c}
        q[k, n] = t
        top[n] = max(top[n], t)
"""

DIAGONAL_DENSITY = """
@njit(**STEP)
def density(k, x, seen, const, mean, factor, offset, away, y, q, top):
    c = const[k]
    for n in range(LANES):
        q[k, n] = c
    for i in range(0, x.shape[0], 4):
        %c m#c, p#c = mean[k, i + #c], factor[k, i + #c]
%if missing
        %c o#c = offset[k, i + #c]
        for n in range(LANES):
            %c y#c = (x[i + #c, n] - m#c) * p#c
            q[k, n] += sum{c: seen[i + #c, n] * (o#c - y#c * y#c)}
%else
        for n in range(LANES):
            %c y#c = (x[i + #c, n] - m#c) * p#c
            q[k, n] -= sum{c: y#c * y#c}
%end
    for n in range(LANES):
        top[n] = max(top[n], q[k, n])
"""

# Two outputs of the triangular product at a time, from four inputs at a time: their eight factors
# stay in registers.
TRIANGULAR_DENSITY = """
@njit(**STEP)
def density(k, x, seen, const, mean, factor, offset, away, y, q, top):
    c = const[k]
    for i in range(x.shape[0]):
        m = mean[k, i]
        for n in range(LANES):
            away[i, n] = x[i, n] - m
    for n in range(LANES):
        q[k, n] = c
    for j in range(0, x.shape[0], 2):
        for n in range(LANES):
            y[0, n] = ZERO
            y[1, n] = ZERO
        for i in range(0, j + 2, 4):
            %c a#c, b#c = factor[k, i + #c, j], factor[k, i + #c, j + 1]
            for n in range(LANES):
                y[0, n] += sum{c: a#c * away[i + #c, n]}
                y[1, n] += sum{c: b#c * away[i + #c, n]}
        for n in range(LANES):
            q[k, n] -= y[0, n] * y[0, n] + y[1, n] * y[1, n]
    for n in range(LANES):
        top[n] = max(top[n], q[k, n])
"""

# Responsibilities are q[k] * share: normalised, times the sample's weight, nothing past the end.
POSTERIOR = """
@njit(**STEP)
def posterior(start, size, weights, q, top, norm, spread, share):
    for n in range(LANES):
        norm[n] = ZERO
        spread[n] = ZERO
    for k in range(q.shape[0]):
        for n in range(LANES):
            t = q[k, n] - top[n]
            e = exponential(t)
            q[k, n] = e
            norm[n] += e
%if entropy
            spread[n] += e * max(t, LEAST)
%end
    for n in range(LANES):
        share[n] = ONE / norm[n]
%if weighted
    for n in range(size):
        share[n] *= weights[start + n]
%end
    for n in range(size, LANES):
        share[n] = ZERO


@njit(**STEP)
def evidence(start, size, weights, top, norm, spread, share, total):
    for n in range(size, LANES):
        top[n] = ZERO
        norm[n] = ONE
        spread[n] = ZERO
    high = 0.0
%if weighted
    for n in range(size):
        high += weights[start + n] * (top[n] + math.log(norm[n]))
    total[0] += high
%if entropy
    for n in range(size):
        total[1] += weights[start + n] * (math.log(norm[n]) - spread[n] / norm[n])
%end
%else
    # The logarithm of a product: one logarithm for many points. norm is 1 to the number of
    # components, so the product of PRODUCT of them stays finite.
    logs = 0.0
    for first in range(0, LANES, PRODUCT):
        product = 1.0
        for n in range(first, first + PRODUCT):
            product *= np.float64(norm[n])
        logs += math.log(product)
    for n in range(LANES):
        high += np.float64(top[n])
    total[0] += high + logs
%if entropy
    uncertain = 0.0
    for n in range(LANES):
        uncertain += np.float64(spread[n] * share[n])
    total[1] += logs - uncertain
%end
%end
"""

NARROW_SUMS = """
@njit(**STEP)
def gather(k, x, seen, mean, away, pulled, q, share, mass, first, second):
    %c m#c = mean[k, #c]
    a = ZERO
    %c s#c = ZERO
    {starts}
    for n in range(LANES):
        r = q[k, n] * share[n]
        a += r
        %c d#c = x[#c, n] - m#c
        %c e#c = r * d#c
        %c s#c += e#c
        {products}
    mass[k, 0] += a
    %c first[k, #c] += s#c
    {stores}
"""

DIAGONAL_SUMS = """
@njit(**STEP)
def gather(k, x, seen, mean, away, pulled, q, share, mass, first, second):
    a = ZERO
    for n in range(LANES):
        r = q[k, n] * share[n]
        q[k, n] = r
        a += r
%if not missing
    mass[k, 0] += a
%end
    for i in range(0, x.shape[0], 4):
        %c m#c = mean[k, i + #c]
        %c a#c = ZERO
        %c s#c = ZERO
        %c t#c = ZERO
        for n in range(LANES):
            r = q[k, n]
            %c d#c = x[i + #c, n] - m#c
%if missing
            %c r#c = r * seen[i + #c, n]
            %c a#c += r#c
            %c e#c = r#c * d#c
%else
            %c e#c = r * d#c
%end
            %c s#c += e#c
            %c t#c += e#c * d#c
%if missing
        %c mass[k, i + #c] += a#c
%end
        %c first[k, i + #c] += s#c
        %c second[k, i + #c] += t#c
"""

TRIANGULAR_SUMS = """
@njit(**STEP)
def gather(k, x, seen, mean, away, pulled, q, share, mass, first, second):
    a = ZERO
    for n in range(LANES):
        r = q[k, n] * share[n]
        q[k, n] = r
        a += r
    mass[k, 0] += a
    for i in range(x.shape[0]):
        m = mean[k, i]
        s = ZERO
        for n in range(LANES):
            d = x[i, n] - m
            e = q[k, n] * d
            away[i, n] = d
            pulled[i, n] = e
            s += e
        first[k, i] += s
    for i in range(0, x.shape[0], 4):
        for j in range(i, x.shape[0], 2):
            %c u#c = ZERO
            %c v#c = ZERO
            for n in range(LANES):
                f, g = away[j, n], away[j + 1, n]
                %c h#c = pulled[i + #c, n]
                %c u#c += h#c * f
                %c v#c += h#c * g
            %c second[k, i + #c, j] += u#c
            %c second[k, i + #c, j + 1] += v#c
"""

DRIVER = """
VECTOR, MATRIX = types.Array({type}, 1, "C"), types.Array({type}, 2, "C")
SUMS = types.Array(types.float64, 3, "C")


@njit(
    types.void(
        types.Array({type}, 2, "C", readonly=True),
        types.Array({type}, 1, "C", readonly=True),
        types.Array({type}, 2, "C", readonly=True),
        VECTOR, VECTOR, MATRIX, types.Array({type}, {rank}, "C"), MATRIX,
        types.int64, types.int64, types.int64,
%if report
        VECTOR, MATRIX, types.Array(types.int64, 1, "C"),
%else
        types.Array(types.float64, 2, "C"), SUMS, SUMS,
        types.Array(types.float64, {rank} + 1, "C"),
%end
    ),
    cache=True, **OPTIONS
)
def run(
    rows, weights, given, center, const, mean, factor, offset, chunk, begin, end,
%if report
    logs, shares, labels
%else
    totals, masses, firsts, seconds
%end
):
    components, width = mean.shape
    x = np.zeros((width, LANES), REAL)
    seen = np.zeros((width if MISSING else 0, LANES), REAL)
    away = np.zeros((width if TILED else 0, LANES), REAL)
    pulled = np.zeros((width if TILED else 0, LANES), REAL)
    y = np.zeros((2, LANES), REAL)
    q = np.zeros((components, LANES), REAL)
    top = np.zeros(LANES, REAL)
    norm = np.ones(LANES, REAL)
    spread = np.zeros(LANES, REAL)
    share = np.zeros(LANES, REAL)
    for part in range(begin, end):
        stop = min((part + 1) * chunk, rows.shape[0])
        for start in range(part * chunk, stop, LANES):
            size = min(LANES, stop - start)
            turn(rows, start, size, center, x, seen)
%if given
            for n in range(LANES):
                share[n] = ONE if n < size else ZERO
%if weighted
            for n in range(size):
                share[n] = weights[start + n]
%end
            for n in range(size):
                for k in range(components):
                    q[k, n] = given[start + n, k]
%else
            for n in range(LANES):
                top[n] = LOWEST
            for k in range(components):
                density(k, x, seen, const, mean, factor, offset, away, y, q, top)
            posterior(start, size, weights, q, top, norm, spread, share)
%end
%if report
            for n in range(logs.size and size):
                logs[start + n] = top[n] + REAL(math.log(norm[n]))
            for n in range(size if shares.size else 0):
                for k in range(components):
                    shares[start + n, k] = q[k, n] * share[n]
            for n in range(labels.size and size):
                best = 0
                for k in range(1, components):
                    if q[k, n] > q[best, n]:
                        best = k
                labels[start + n] = best
%else
%if not given
            evidence(start, size, weights, top, norm, spread, share, totals[part])
%end
            for k in range(components):
                gather(
                    k, x, seen, mean, away, pulled, q, share,
                    masses[part], firsts[part], seconds[part],
                )
%end
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
        "{factors}", _lines(4, (f"p{i}_{j} = factor[k, {at(i, j)}]" for i, j in pairs))
    ).replace(
        "{whitened}",
        _lines(8, (f"y{j} = " + " + ".join(f"d{i} * p{i}_{j}" for i in column[j]) for j in d)),
    )
    sums = (
        NARROW_SUMS.replace("{starts}", _lines(4, (f"s{i}_{j} = ZERO" for i, j in pairs)))
        .replace("{products}", _lines(8, (f"s{i}_{j} += e{i} * d{j}" for i, j in pairs)))
        .replace("{stores}", _lines(4, (f"second[k, {at(i, j)}] += s{i}_{j}" for i, j in pairs)))
    )
    return density, sums


def _lanes(variant: Variant) -> int:
    return 256 if variant.features else 128


def text(variant: Variant) -> str:
    """Source of the kernel for `variant`."""
    if variant.features:
        density, sums = _narrow(variant)
    elif variant.diagonal:
        density, sums = DIAGONAL_DENSITY, DIAGONAL_SUMS
    else:
        density, sums = TRIANGULAR_DENSITY, TRIANGULAR_SUMS
    kind = "float32" if variant.single else "float64"
    first, *rest = POLYNOMIALS[variant.single]
    polynomial = f"REAL({first})"
    for coefficient in rest:
        polynomial = f"({polynomial}) * r + REAL({coefficient})"
    header = HEADER.format(
        variant=variant,
        real=kind,
        bits="int32" if variant.single else "int64",
        lanes=_lanes(variant),
        features=variant.features,
        magic=1.5 * 2**23 + 127 if variant.single else 1.5 * 2**52 + 1023,
        mantissa=23 if variant.single else 52,
        octave="REAL(1.44269504088896340736), "
        + (
            "REAL(0.693145751953125), REAL(1.42860682030941723212e-6), REAL(-87)"
            if variant.single
            else "REAL(6.93147180369123816490e-01), REAL(1.90821492927058770002e-10), REAL(-708)"
        ),
    )
    parts = [BLOCK]
    if not variant.given:
        parts += [EXPONENTIAL.replace("{polynomial}", polynomial), density, POSTERIOR]
    if not variant.report:
        parts.append(sums)
    rank = "2" if variant.diagonal else "3"
    parts.append(DRIVER.replace("{type}", f"types.{kind}").replace("{rank}", rank))
    options = variant._asdict()
    body = "\n\n".join(expand(part, options, 1, variant.features or 4) for part in parts)
    flags = (
        f"MISSING, TILED = {variant.missing}, {not variant.features and not variant.diagonal}\n\n"
    )
    return header.lstrip("\n") + flags + "\n" + body


@cache
def load(variant: Variant) -> ModuleType:
    """The compiled kernel for `variant`."""
    return source.load(text(variant))
