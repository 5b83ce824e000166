"""One batch mixture for each pixel: k-means++ starts, EM, likelihoods.

Sources
-------
Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39
(1977); Bishop, "Pattern Recognition and Machine Learning" (2006), equations 9.23 to 9.28.
Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.

A tile holds the series of LANES pixels, frame after frame, as they came; neighbouring lanes share a
vector instruction, and numbers become float32 in registers. Pixels need different numbers of
iterations, so a lane whose pixel has converged is given the next pixel of the queue. What a pixel
gets depends on its series alone, not on its lane: so the number of threads changes nothing. Sums
are taken about the means that the pass starts from, so that float32 loses no digits to the offset
of grey levels.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import NamedTuple

from bgsub.kernels import source
from bgsub.kernels.template import expand

LANES = 64
"""Pixels a tile; with 16 or fewer the compiler unrolls the loop and makes no vectors of it."""

TOGETHER = 4
"""Frames that a pass takes at once, so that its sums are loaded and stored once for all of them."""

LLOYD = 2
"""Rounds of Lloyd's algorithm after seeding."""


class Variant(NamedTuple):
    """What a kernel is compiled for."""

    components: int
    channels: int
    diagonal: bool
    """A variance for each channel; else one for all (spherical)."""


HEADER = '''
"""Written by bgsub.kernels.pixels for {variant}."""
import numpy as np
from numba import njit

LANES = {lanes}
K, C, D = {components}, {channels}, {variances}
# Fields of a component: weight, log of weight and normaliser, -0.5 / variances, means; then the
# sums of its responsibilities, of the weighted differences from the mean, and of their squares.
W, L, Q, M = 0, 1, 2, 2 + D
N, F, S = M + C, M + C + 1, M + 2 * C + 1
FIELDS = S + D
# Fields of a lane: sum of the largest log densities, product of the sums of densities relative to
# them as mantissa and exponent, mean log-likelihood.
TOPS, MANTISSA, EXPONENT, MEAN = K * FIELDS, K * FIELDS + 1, K * FIELDS + 2, K * FIELDS + 3
SIZE = (K * FIELDS + 4) * LANES
I32, U32, F32 = np.int32, np.uint32, np.float32
ZERO, ONE, HALF = F32(0), F32(1), F32(0.5)
TINY, FAR, ABSENT = F32(1e-37), F32(3e38), F32(-1e30)
PER_OCTAVE, LEAST = F32(1.4426950408889634), F32(-60)
OCTAVE_HIGH, OCTAVE_LOW = F32(0.693359375), F32(-2.12194440e-4)
OCTAVE = F32(0.6931471805599453)
ROOT_HALF = F32(0.70710678118654752)
NORMALISER = F32(0.5 * {per_variance} * np.log(2 * np.pi))
LEVELS = F32(2.0**-24)
TRIALS, LLOYD = 2 + int(np.log(K)), {lloyd}
OPTIONS = dict(nogil=True, cache=True, error_model="numpy", fastmath={{"contract", "nsz", "arcp"}})
# Without "reassoc", which would fold the steps of the range reduction into one.
STEP = dict(nogil=True, error_model="numpy", fastmath={{"contract"}}, forceinline=True)


@njit(**STEP)
def exp(x):
    """Of x <= 0, to 1e-7; 0 below -60, so that products with it never become denormal, which would
    be a hundred times slower. Coefficients of Cephes' expf."""
    z = max(x, LEAST)
    n = np.floor(z * PER_OCTAVE + HALF)
    f = (z - n * OCTAVE_HIGH) - n * OCTAVE_LOW
    y = F32(1.9875691500e-4)
    y = y * f + F32(1.3981999507e-3)
    y = y * f + F32(8.3334519073e-3)
    y = y * f + F32(4.1665795894e-2)
    y = y * f + F32(1.6666665459e-1)
    y = y * f + F32(5.0000001201e-1)
    y = y * f * f + f + ONE
    y = y * I32((I32(n) + I32(127)) << I32(23)).view(np.float32)
    return y if x > LEAST else ZERO


@njit(**STEP)
def log(x):
    """Of a normal number above 0, to 1e-7. Coefficients of Cephes' logf."""
    bits = F32(x).view(np.int32)
    n = F32(I32(I32(bits >> I32(23)) - I32(126)))
    m = I32(I32(bits & I32(0x7FFFFF)) | I32(0x3F000000)).view(np.float32)
    small = m < ROOT_HALF
    n = n - ONE if small else n
    f = m + m - ONE if small else m - ONE
    y = F32(7.0376836292e-2)
    y = y * f + F32(-1.1514610310e-1)
    y = y * f + F32(1.1676998740e-1)
    y = y * f + F32(-1.2420140846e-1)
    y = y * f + F32(1.4249322787e-1)
    y = y * f + F32(-1.6668057665e-1)
    y = y * f + F32(2.0000714765e-1)
    y = y * f + F32(-2.4999993993e-1)
    y = y * f + F32(3.3333331174e-1)
    z = f * f
    return (n * OCTAVE_LOW + (y * f * z - HALF * z) + f) + n * OCTAVE_HIGH
'''

# The sums that one more frame adds to, for its responsibilities r.
ADD = """
            %k n#k += r#k_@u
            %kc f#k_#c += r#k_@u * d#k_#c_@u
%if diagonal
            %kc s#k_#c += r#k_@u * (d#k_#c_@u * d#k_#c_@u)
%else
            %k s#k += r#k_@u * z#k_@u
%end
"""

DIFFERENCE = """
            %c x#c_@u = F32(R[(@u * C + #c) * LANES + p])
            %kc d#k_#c_@u = x#c_@u - m#k_#c
"""

EXPECTED = """
%if diagonal
            %k l#k_@u = c#k + sum{c: d#k_#c_@u * d#k_#c_@u * q#k_#c}
%else
            %k z#k_@u = sum{c: d#k_#c_@u * d#k_#c_@u}
            %k l#k_@u = c#k + q#k * z#k_@u
%end
            top_@u = l0_@u
            %k top_@u = max(top_@u, l#k_@u)
            %k e#k_@u = exp(l#k_@u - top_@u)
            all_@u = sum{k: e#k_@u}
            share_@u = ONE / all_@u
            %k r#k_@u = e#k_@u * share_@u
            tops += top_@u
            product *= all_@u
"""

NEAREST = """
            %k z#k_@u = sum{c: d#k_#c_@u * d#k_#c_@u}
            least_@u = z0_@u
            %k least_@u = min(least_@u, z#k_@u)
            free_@u = ONE
            %k r#k_@u = free_@u if z#k_@u == least_@u else ZERO; free_@u = free_@u - r#k_@u
"""

LOOP = """
        R = X[t * C * LANES :]
        for p in range(LANES):
            %kc m#k_#c = A[(#k * FIELDS + M + #c) * LANES + p]
%if soft
            %k c#k = A[(#k * FIELDS + L) * LANES + p]
%if diagonal
            %kc q#k_#c = A[(#k * FIELDS + Q + #c) * LANES + p]
%else
            %k q#k = A[(#k * FIELDS + Q) * LANES + p]
%end
            tops = A[TOPS * LANES + p]
            product = A[MANTISSA * LANES + p]
%end
            %k n#k = A[(#k * FIELDS + N) * LANES + p]
            %kc f#k_#c = A[(#k * FIELDS + F + #c) * LANES + p]
%if diagonal
            %kc s#k_#c = A[(#k * FIELDS + S + #c) * LANES + p]
%else
            %k s#k = A[(#k * FIELDS + S) * LANES + p]
%end
@FRAMES
%if soft
            A[TOPS * LANES + p] = tops
            # The product of densities as mantissa and exponent: one logarithm a pass will do.
            bits = F32(product).view(np.int32)
            A[EXPONENT * LANES + p] += F32(I32(I32(bits >> I32(23)) - I32(127)))
            A[MANTISSA * LANES + p] = I32(I32(bits & I32(0x7FFFFF)) | I32(0x3F800000)).view(np.float32)
%end
            %k A[(#k * FIELDS + N) * LANES + p] = n#k
            %kc A[(#k * FIELDS + F + #c) * LANES + p] = f#k_#c
%if diagonal
            %kc A[(#k * FIELDS + S + #c) * LANES + p] = s#k_#c
%else
            %k A[(#k * FIELDS + S) * LANES + p] = s#k
%end
"""

PASS = """
@njit(**OPTIONS)
def @NAME(A, X, first, last):
    '''Add frames first to last to the sums of all lanes.'''
%if soft
    whole = first + (last - first) // @TOGETHER * @TOGETHER
    for t in range(first, whole, @TOGETHER):
@MANY
%else
    whole = first
%end
    for t in range(whole, last):
@ONE
"""

FIT = """
@njit(**OPTIONS)
def gather(X, frames, p, pixel):
    '''Put the series of a pixel into lane p.'''
    for t in range(frames.shape[0]):
        for c in range(C):
            X[t * C * LANES + c * LANES + p] = frames[t, pixel * C + c]


@njit(**OPTIONS)
def clear(A):
    '''Set all sums to zero.'''
    for p in range(LANES):
        %k A[(#k * FIELDS + N) * LANES + p] = ZERO
        %kc A[(#k * FIELDS + F + #c) * LANES + p] = ZERO
%if diagonal
        %kc A[(#k * FIELDS + S + #c) * LANES + p] = ZERO
%else
        %k A[(#k * FIELDS + S) * LANES + p] = ZERO
%end
        A[TOPS * LANES + p] = ZERO
        A[MANTISSA * LANES + p] = ONE
        A[EXPONENT * LANES + p] = ZERO


@njit(**OPTIONS)
def maximise(A, frames, floor):
    '''New parameters from the sums over `frames` frames (Bishop, equations 9.24 to 9.26), and the mean
    log-likelihood of those that the pass began with (9.28).'''
    part = ONE / F32(frames)
    for p in range(LANES):
        %k n#k = A[(#k * FIELDS + N) * LANES + p]
        %k per#k = ONE / max(n#k, TINY)
        %kc f#k_#c = A[(#k * FIELDS + F + #c) * LANES + p] * per#k
        %kc A[(#k * FIELDS + M + #c) * LANES + p] += f#k_#c
        %k w#k = n#k * part
        %k A[(#k * FIELDS + W) * LANES + p] = w#k
%if diagonal
        %kc v#k_#c = max(A[(#k * FIELDS + S + #c) * LANES + p] * per#k - f#k_#c * f#k_#c, ZERO) + floor
        %kc A[(#k * FIELDS + Q + #c) * LANES + p] = -HALF / v#k_#c
        %k A[(#k * FIELDS + L) * LANES + p] = log(max(w#k, TINY)) - NORMALISER - HALF * sum{c: log(v#k_#c)}
%else
        %k v#k = max((A[(#k * FIELDS + S) * LANES + p] * per#k - sum{c: f#k_#c * f#k_#c}) * F32(1 / C), ZERO) + floor
        %k A[(#k * FIELDS + Q) * LANES + p] = -HALF / v#k
        %k A[(#k * FIELDS + L) * LANES + p] = log(max(w#k, TINY)) - NORMALISER - HALF * F32(C) * log(v#k)
%end
        rest = A[EXPONENT * LANES + p] * OCTAVE + log(A[MANTISSA * LANES + p])
        A[MEAN * LANES + p] = (A[TOPS * LANES + p] + rest) * part


@njit(**OPTIONS)
def take(A, p, weights, means, variances, pixel):
    '''Start lane p from the parameters of a pixel.'''
    for k in range(K):
        w = weights[pixel, k]
        scale = ZERO
        for d in range(D):
            v = variances[pixel, k, d]
            A[(k * FIELDS + Q + d) * LANES + p] = -HALF / v
            scale += log(v)
        A[(k * FIELDS + W) * LANES + p] = w
        rest = log(w) if w > TINY else ABSENT
        A[(k * FIELDS + L) * LANES + p] = rest - NORMALISER - HALF * F32(C // D) * scale
        for c in range(C):
            A[(k * FIELDS + M + c) * LANES + p] = means[pixel, k, c]


@njit(**OPTIONS)
def give(A, p, weights, means, variances, pixel):
    '''Write the parameters of lane p to a pixel.'''
    for k in range(K):
        weights[pixel, k] = A[(k * FIELDS + W) * LANES + p]
        for d in range(D):
            variances[pixel, k, d] = -HALF / A[(k * FIELDS + Q + d) * LANES + p]
        for c in range(C):
            means[pixel, k, c] = A[(k * FIELDS + M + c) * LANES + p]


@njit(**OPTIONS)
def fit(frames, weights, means, variances, likelihoods, iterations, converged, first, last, tol, most, floor):
    '''EM of pixels first to last, from the parameters in `weights`, `means`, `variances`.

    With `most` 0 they stay, and only their log-likelihood is computed.
    '''
    count = frames.shape[0]
    X = np.zeros(count * C * LANES, frames.dtype)
    A = np.zeros(SIZE, np.float32)
    owner = np.full(LANES, -1)
    rounds = np.zeros(LANES, np.int32)
    before = np.zeros(LANES, np.float32)
    closing = np.zeros(LANES, np.bool_)
    following = first
    active = 0
    for p in range(LANES):
        if following < last:
            owner[p] = following
            gather(X, frames, p, following)
            take(A, p, weights, means, variances, following)
            before[p] = -FAR
            closing[p] = most == 0
            following += 1
            active += 1
    while active > 0:
        clear(A)
        expect(A, X, 0, count)
        maximise(A, count, floor)
        for p in range(LANES):
            pixel = owner[p]
            if pixel < 0:
                continue
            likelihood = A[MEAN * LANES + p]
            if closing[p]:
                # That pass was one more for the likelihood of the parameters written before it.
                likelihoods[pixel] = likelihood
                closing[p] = most == 0
                if following < last:
                    owner[p] = following
                    gather(X, frames, p, following)
                    take(A, p, weights, means, variances, following)
                    rounds[p] = 0
                    before[p] = -FAR
                    following += 1
                else:
                    owner[p] = -1
                    active -= 1
                continue
            rounds[p] += 1
            settled = abs(likelihood - before[p]) < tol
            before[p] = likelihood
            if settled or rounds[p] == most:
                give(A, p, weights, means, variances, pixel)
                iterations[pixel] = rounds[p]
                converged[pixel] = settled
                closing[p] = True


@njit(**STEP)
def chance(pixel, draw, seed):
    '''A number in [0, 1) that depends on its arguments alone (the finaliser of MurmurHash3).'''
    bits = U32(U32(pixel) * U32(0x9E3779B1) + U32(draw) * U32(0x85EBCA77) + seed)
    bits = U32((bits ^ (bits >> U32(16))) * U32(0x85EBCA6B))
    bits = U32((bits ^ (bits >> U32(13))) * U32(0xC2B2AE35))
    return F32(I32(U32(bits ^ (bits >> U32(16))) >> U32(8))) * LEVELS


@njit(**OPTIONS)
def spread(X, G, D2, total, count):
    '''Each frame's squared distance from the nearest seed, with G one more; their sum by lane.'''
    for p in range(LANES):
        total[p] = ZERO
    for t in range(count):
        for p in range(LANES):
            %c x#c = F32(X[t * C * LANES + #c * LANES + p]) - G[#c * LANES + p]
            near = min(D2[t * LANES + p], sum{c: x#c * x#c})
            D2[t * LANES + p] = near
            total[p] += near


@njit(**OPTIONS)
def potential(X, G, D2, total, count):
    '''What `spread` would make the sum for each lane.'''
    for p in range(LANES):
        total[p] = ZERO
    for t in range(count):
        for p in range(LANES):
            %c x#c = F32(X[t * C * LANES + #c * LANES + p]) - G[#c * LANES + p]
            total[p] += min(D2[t * LANES + p], sum{c: x#c * x#c})


@njit(**OPTIONS)
def draw(X, G, D2, goal, run, count):
    '''Set G to the frame at which the running sum of squared distances passes the lane's goal.'''
    for p in range(LANES):
        run[p] = ZERO
    for t in range(count):
        for p in range(LANES):
            sofar = run[p]
            here = sofar <= goal[p]
            run[p] = sofar + D2[t * LANES + p]
            %c old#c = G[#c * LANES + p]
            %c new#c = F32(X[t * C * LANES + #c * LANES + p])
            %c G[#c * LANES + p] = new#c if here else old#c


@njit(**OPTIONS)
def start(frames, weights, means, variances, first, last, origin, seed, floor):
    '''Starts of pixels first to last: greedy k-means++ seeds, then Lloyd's algorithm.

    `origin` is the number of pixel 0 in the whole picture.
    '''
    count = frames.shape[0]
    X = np.zeros(count * C * LANES, frames.dtype)
    A = np.zeros(SIZE, np.float32)
    G = np.zeros(C * LANES, np.float32)
    D2 = np.zeros(count * LANES, np.float32)
    run, goal = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    total, least = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    for begin in range(first, last, LANES):
        inside = min(LANES, last - begin)
        for n in range(D2.size):
            D2[n] = FAR
        for p in range(inside):
            gather(X, frames, p, begin + p)
            t = min(I32(chance(origin + begin + p, 0, seed) * F32(count)), count - 1)
            for c in range(C):
                G[c * LANES + p] = F32(X[t * C * LANES + c * LANES + p])
                A[(M + c) * LANES + p] = G[c * LANES + p]
        for k in range(1, K):
            spread(X, G, D2, total, count)
            for p in range(LANES):
                least[p] = FAR
                run[p] = total[p]
            for n in range(TRIALS):
                for p in range(LANES):
                    goal[p] = chance(origin + begin + p, k * TRIALS + n, seed) * run[p]
                draw(X, G, D2, goal, total, count)
                potential(X, G, D2, total, count)
                for p in range(LANES):
                    if total[p] < least[p]:
                        least[p] = total[p]
                        for c in range(C):
                            A[(k * FIELDS + M + c) * LANES + p] = G[c * LANES + p]
            for c in range(C):
                for p in range(LANES):
                    G[c * LANES + p] = A[(k * FIELDS + M + c) * LANES + p]
        for n in range(LLOYD):
            clear(A)
            assign(A, X, 0, count)
            maximise(A, count, floor)
        for p in range(inside):
            give(A, p, weights, means, variances, begin + p)
"""


@cache
def load(variant: Variant) -> ModuleType:
    """The kernels of a variant as a module; each is compiled when it is first called."""
    variances = variant.channels if variant.diagonal else 1
    text = HEADER.format(
        variant=variant,
        lanes=LANES,
        components=variant.components,
        channels=variant.channels,
        variances=variances,
        per_variance=variant.channels,
        lloyd=LLOYD,
    )
    for name, soft in (("expect", True), ("assign", False)):
        options = {"diagonal": variant.diagonal, "soft": soft}
        text += "\n" + expand(_pass(name, soft), options, variant.components, variant.channels)
    options = {"diagonal": variant.diagonal}
    return source.load(text + "\n" + expand(FIT, options, variant.components, variant.channels))


def _pass(name: str, soft: bool) -> str:
    """The template of a pass over the frames."""
    frame = DIFFERENCE + (EXPECTED if soft else NEAREST) + ADD
    many = "".join(frame.replace("@u", str(n)) for n in range(TOGETHER))
    text = PASS.replace("@NAME", name).replace("@TOGETHER", str(TOGETHER))
    text = text.replace("@MANY\n", LOOP.replace("@FRAMES\n", many))
    return text.replace("@ONE\n", LOOP.replace("@FRAMES\n", frame.replace("@u", "0")))
