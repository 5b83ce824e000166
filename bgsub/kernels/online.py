"""The adaptive mixture of one pixel, for all pixels: decide, and learn.

Sources
-------
Stauffer and Grimson, "Adaptive background mixture models for real-time tracking", CVPR 1999: the
match, equations 5 to 7 for the running weight, mean and variance, the least probable mode replaced.
Zivkovic, "Improved adaptive Gaussian mixture model for background subtraction", ICPR 2004: equation
14, the Dirichlet prior that takes `prune` from every weight and so drops modes without support.
Zivkovic and van der Heijden, Pattern Recognition Letters 27 (2006): the mean moves by rate / weight.
Lee, "Effective Gaussian mixture learning for video background subtraction", PAMI 27 (2005): a gain
of 1 / hits until a mode has settled.
Prati et al., "Detecting moving shadows", PAMI 25 (2003): shadow as the background, dimmed.

The work is bound by memory as soon as the arithmetic is vectorised, so everything serves to move
few bytes. A tile is LANES neighbouring pixels, and each field of a tile fills one cache line of
compact state. Modes lie heaviest first. A field is read only when its tile needs it: the second
mode where the first does not explain all pixels, and so on; it is written only where it changed.
Where the first mode is settled, is background and explains all pixels of a tile, which is so for
most of a picture, only its mean and variance are touched; what the other weights lose meanwhile is
added up in the tile's head, and taken from them when they are next needed.

Compact state is uint16 fixed point: weights and rates in 1/65536 (weights of 65535 are one), levels
in 1/256, variances in 1/64. A step is often smaller than the unit (a rate of 1/1500 on a difference
of two levels), so every step is rounded at random, up with the probability of its fraction: right
on average, and repeatable, because the random number is a hash of tile and frame, spread over the
tile's pixels by the golden ratio. Weights sum to one exactly: the mode that learns takes what the
others leave.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import lanes, relay, shade, source, threads
from bgsub.kernels.lanes import LANES
from bgsub.kernels.movers import BEFORE, NOW
from bgsub.kernels.shade import Shadows
from bgsub.kernels.template import expand
from bgsub.kernels.turns import APART

HEAD = 4
"""Numbers a tile: the fewest hits of its first modes if they are background in all pixels, else 0,
with a mark that tells whether the last labels of all pixels were 0; and of the frames since the
other fields were touched: the share that the weights have lost, the share that the unrest has lost,
and how many they were."""

CHANNELS = 4
"""Most channels of a picture."""

AS_IT_IS = np.stack([np.ones(CHANNELS, np.float32), np.zeros(CHANNELS, np.float32)])
"""Tone of a picture that has levels of 0 to 255 already."""

TURN = 256
"""Tiles that a thread takes at once."""

COUNTERS = 4 * APART
"""Numbers that count the tiles taken and labelled, taken again and confirmed."""

STRIDE = 64
"""Steps in which a radius is counted by `distance`; the farthest is four of them, less a step."""

OUTSIDE, HELD = 1, 2
"""Flags of a pixel: outside the region of interest; known foreground."""


class Variant(NamedTuple):
    """What a kernel is compiled for; what is off costs nothing."""

    modes: int
    channels: int
    compact: bool = True
    byte: bool = True
    """The input is uint8 from 0 to 255; else any type, which a tone brings there."""
    ycrcb: bool = False
    """Luma and chroma are matched apart, in YCrCb."""
    floored: bool = False
    """The luma radius has a floor that grows with the mode's luma."""
    weight_bar: bool = False
    """A mode is background by its own weight; else by the cumulative share."""
    hit_gain: bool = False
    """The mean's gain is 1 / hits until it has settled; else rate / weight."""
    conservative: bool = False
    """Foreground feeds its mode at a rate of its own."""
    feedback: bool = False
    """Pixels that flicker grow more tolerant."""
    pruned: bool = False
    """Modes without support end."""
    shadows: bool = False
    flagged: bool = False
    """Some pixels carry flags."""
    learn: bool = True

    @property
    def lazy(self) -> bool:
        """Whether tiles that their first modes explain are spared the rest."""
        return self.weight_bar and self.hit_gain and not self.pruned

    @property
    def planes(self) -> int:
        """Numbers kept for each pixel: its modes' fields; with feedback unrest and last labels."""
        return self.modes * (2 + self.hit_gain + self.channels) + 2 * self.feedback


class Rates(NamedTuple):
    """What one step must know, in the units of the state."""

    values: NDArray[Any]
    tone: NDArray[np.float32]  # gain and offset that bring each channel of the input to levels
    seed: np.uint32  # of this frame's rounding


class Steps(NamedTuple):
    """The shares that differ from frame to frame.

    Most are so small that a unit of compact state matters: they are rounded up and down in turn.
    """

    alpha: float  # learning rate of background pixels
    alpha_foreground: float  # the same of foreground pixels
    alpha_noise: float  # the same of foreground far from what is known to move
    gain: float  # smallest gain of a mean that has settled
    prune: float  # taken from every weight, each step
    unrest: float  # learning rate of the share of frames in which a pixel flickers
    bar: float  # weight from which a mode is background


# Kinds of numbers in Rates.values, the steps first, with the unit that compact state counts them in.
SHARE, LEVEL, VARIANCE, FACTOR = 65536, 256, 64, 4096
UNITS = {
    **dict.fromkeys(Steps._fields, SHARE),
    "share": SHARE,  # weight that the heaviest modes must reach together
    "match": SHARE,  # 1 / sigmas within which a pixel belongs to a mode
    "back": SHARE,  # 1 / sigmas within which it counts as explained
    "slope": SHARE,  # luma radius a grey level of the mode's luma
    "floor": LEVEL,  # smallest luma radius
    "dark_slope": SHARE,  # the same of the radius that is not exceeded in the dark
    "dark_floor": LEVEL,
    "chroma": LEVEL,  # radius of |dCr| + |dCb|
    "var_init": VARIANCE,
    "var_min": VARIANCE,
    "var_max": VARIANCE,
    "widen": FACTOR,  # growth of the radii with the share of flicker
    "lower": FACTOR,  # fall of the weight bar with that share
    "dimmest": SHARE,  # luma ratio of the darkest shadow
    "faintest": FACTOR,  # luma ratio of the faintest; above 1 that of light
    "tint": LEVEL,  # how far a shadow's |dCr| + |dCb| may leave the dimmed background's
}

NUMBA = "from numba import njit"
PLAIN = "from bgsub.kernels.lanes import uncompiled as njit"
INVERTED = ("match", "back")
LINE = 64  # bytes of a cache line

HEADER = '''
"""Written by bgsub.kernels.online for {variant}, lanes {lanes_version}."""
import numpy as np
from numba import njit
from bgsub.kernels.lanes import (
    LANES, add_most, anywhere, bits, everywhere, exp, filled, high_product, least, load, load_every,
    load_upper_halves, most, prefetch,
    ramp, select, smallest, sqrt, store, store_every, sub_least, to_float32, to_int32, to_uint8,
    to_uint16,
)

from bgsub.kernels.turns import PATIENCE, claim, count, pause

TURN = {turn}
C = {channels}
K = {modes}
HEAD = {head}
BLOCK = (1 + C) * LANES  # of a mode: variance, means
SCALES = {scales} * LANES  # of all modes: weights, hits
PIXEL = {pixel} * LANES  # unrest, last labels
TILE = K * BLOCK + SCALES + PIXEL + HEAD
GOLDEN = 40503  # 65536 / golden ratio
OUTSIDE, HELD, MOVED = {outside}, {held}, {moved}
UNIT_W, UNIT_V, UNIT_M = np.float32({unit_w}), np.float32({unit_v}), np.float32({unit_m})
UNIT_F = np.float32({unit_f})
STRIDE, FARTHEST = np.float32({stride}), np.float32(255 / {stride})
ZERO, ONE = np.float32(0), np.float32(1)
U16, U32, F32 = np.uint16, np.uint32, np.float32
OPTIONS = dict(nogil=True, cache=True, error_model="numpy", fastmath={{"contract", "nsz", "arcp"}})
INNER = dict(**OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)
STEP = dict(**INNER, forceinline=True)
AHEAD = 12  # tiles; memory is asked for them before they are needed
AT_ONCE = 32  # tiles, so few that the long way finds in the nearest cache what the short way read
'''

COMPACT = """
FULL, UNIT, LEAST, NINE_TENTHS = U16(65535), U16(1), U16(1), U16(58982)


@njit(**STEP)
def level(x, gain, offset):
    lit = to_float32(x) * (gain * F32(256)) + (offset * F32(256) + F32(0.5))
    return to_uint16(to_int32(most(least(lit, F32(65535)), F32(0))))


@njit(**STEP)
def brightened(x, gain, offset):
    # What is taken is taken first, so that only the result is bounded by 0 and 255.
    x = sub_least(x, U16(min(max(-offset / gain, ZERO) * F32(256), F32(65535))))
    quarter = high_product(x, U16(min(gain * F32(16384) + F32(0.5), F32(65535))))
    half = add_most(quarter, quarter)
    return add_most(add_most(half, half), U16(min(max(offset, ZERO) * F32(256), F32(65535))))


@njit(**STEP)
def luma(blue, green, red):
    return high_product(red, 19595) + high_product(green, 38470) + high_product(blue, 7471)


@njit(**STEP)
def chroma_red(blue, green, red):
    return high_product(red, 32756) - high_product(green, 27429) - high_product(blue, 5327) + 32768


@njit(**STEP)
def chroma_blue(blue, green, red):
    return high_product(blue, 32749) - high_product(red, 11052) - high_product(green, 21697) + 32768


@njit(**STEP)
def gap(a, b):
    return sub_least(a, b) | sub_least(b, a)


@njit(**STEP)
def product(a, b):
    return high_product(a, b)


@njit(**STEP)
def part(a, rate, u):
    # The product's lower half decides with u whether the upper half is rounded up.
    whole = high_product(a, rate)
    return select(a * rate > u, whole + 1, whole)


@njit(**STEP)
def part_of_one(a, rate, u):
    return U16((U32(a) * U32(rate) + U32(65535 - u)) >> U32(16))


@njit(**STEP)
def settled(hits, gain):
    return U32(hits) * U32(gain) >= 65535


@njit(**STEP)
def marked(hits, calm):
    # In the lowest bit.
    return U16(hits | 1) if calm else U16(hits & 65534)


@njit(**STEP)
def is_calm(hits):
    return hits & 1 == 1


@njit(**STEP)
def square(a):
    # In units of a variance; 32 levels and more are the largest.
    b = least(a, 8191) << 3
    return high_product(b, b)


@njit(**STEP)
def coarse_square(a):
    # As square, but for four times the distance at a sixteenth of the resolution.
    return square(a >> 2)


@njit(**STEP)
def times(a, factor):
    return least(high_product(a, factor), 4095) << 4


@njit(**STEP)
def ratio(a, b):
    return to_uint16(to_int32(least(to_float32(a) * F32(65535) / to_float32(b), F32(65535))))
"""

WIDE = """
FULL, UNIT, LEAST, NINE_TENTHS = F32(1), F32(0), F32(1e-6), F32(0.9)


@njit(**STEP)
def level(x, gain, offset):
    return most(least(to_float32(x) * gain + offset, F32(255)), F32(0))


@njit(**STEP)
def luma(blue, green, red):
    return red * F32(0.299) + green * F32(0.587) + blue * F32(0.114)


@njit(**STEP)
def chroma_red(blue, green, red):
    return (red - luma(blue, green, red)) * F32(0.713) + F32(128)


@njit(**STEP)
def chroma_blue(blue, green, red):
    return (blue - luma(blue, green, red)) * F32(0.564) + F32(128)


@njit(**STEP)
def gap(a, b):
    return most(a - b, b - a)


@njit(**STEP)
def product(a, b):
    return a * b


@njit(**STEP)
def add_most(a, b):
    return a + b


@njit(**STEP)
def sub_least(a, b):
    return most(a - b, F32(0))


@njit(**STEP)
def part(a, rate, u):
    return a * rate


@njit(**STEP)
def part_of_one(a, rate, u):
    return a * rate


@njit(**STEP)
def settled(hits, gain):
    return abs(hits) * gain >= 1


@njit(**STEP)
def marked(hits, calm):
    return abs(hits) if calm else -abs(hits)


@njit(**STEP)
def is_calm(hits):
    return hits > 0


@njit(**STEP)
def square(a):
    return a * a


@njit(**STEP)
def coarse_square(a):
    return a * a


@njit(**STEP)
def times(a, factor):
    return a * factor


@njit(**STEP)
def ratio(a, b):
    return a / b
"""

CHANCE = """
        mixed = U32(U32(t) * U32(0x9E3779B1) + r.seed)
        mixed = U32((mixed ^ (mixed >> U32(16))) * U32(0x85EBCA6B))
        chance = U16(mixed >> U32(16))
        u = ramp(GOLDEN) + chance
"""

TONE = """
    %c gain#c, offset#c = r.tone[0, #c], r.tone[1, #c]
    lit = any{c: (gain#c != ONE) | (offset#c != ZERO)}
"""

PIXELS = """
%if byte and compact
        %c x#c = load_upper_halves(image, at * C, C, #c)
        if lit:
            %c x#c = brightened(x#c, gain#c, offset#c)
%else
        %c x#c = level(load_every(image, at * C, C, #c), gain#c, offset#c)
%end
%if ycrcb
        x0, x1, x2 = luma(x0, x1, x2), chroma_red(x0, x1, x2), chroma_blue(x0, x1, x2)
%end
"""

BASE = """
%if weight_bar
        %k base#k = w#k >= r.bar
%else
        # The heaviest modes that together reach the share.
        above = w0 - w0
%each k
        base#k = (w#k > 0) & (above < r.share)
        above = add_most(above, sub_least(w#k - product(w#k, r.alpha), r.prune))
%end
%end
"""

WEIGHTS = """
        weights = tiles * K * BLOCK + t * SCALES
        head = tiles * (TILE - HEAD) + t * HEAD
        %k block#k = (#k * tiles + t) * BLOCK
        %k w#k = load(state, weights + #k * LANES)
%if lazy
        %k w#k = w#k - part(w#k, state[head + 1], u) if #k > 0 else w#k
        w0 = select(w0 > 0, FULL - (sum{k: w#k} - w0), w0)
%end
"""

NEAR = """
@njit(**STEP)
def toward(mean, x, rate, u):
    step = part(gap(x, mean), rate, u)
    return select(x > mean, mean + step, mean - step)


@njit(**STEP)
def spread_from(@X, @M, reach):
%if ycrcb
    return square(product(gap(x0, m0), reach))
%else
    spread = square(product(gap(x0, m0), reach))
    %c spread = spread if #c == 0 else add_most(spread, square(product(gap(x#c, m#c), reach)))
    return spread
%end


@njit(**STEP)
def is_near(@X, @M, variance, match, floor, slope, dark_floor, dark_slope, chroma, unrest, widen):
    near = spread_from(@X, @M, match) < variance
%if floored
    radius = least(product(m0, slope) + floor, add_most(product(m0, dark_slope), filled(dark_floor, m0)))
%if feedback
    radius = add_most(radius, times(product(radius, unrest), widen))
    chroma = add_most(filled(chroma, x0), times(product(filled(chroma, x0), unrest), widen))
%end
%if ycrcb or channels == 1
    near = near | (gap(x0, m0) < radius)
%else
    far = coarse_square(gap(x0, m0))
    %c far = far if #c == 0 else add_most(far, coarse_square(gap(x#c, m#c)))
    near = near | (far < coarse_square(radius))
%end
%end
%if ycrcb
    near = near & (add_most(gap(x1, m1), gap(x2, m2)) < chroma)
%end
    return near
"""

STEP = """
@njit(**INNER)
def exchange(state, a, b, swap):
    one, two = load(state, a), load(state, b)
    store(state, a, select(swap, two, one))
    store(state, b, select(swap, one, two))


@njit(**INNER)
def raise_heavier(state, tiles, t):
    for n in range(1, K):
        k = K - 1 - n
        a = tiles * K * BLOCK + t * SCALES + k * LANES
        swap = load(state, a + LANES) > load(state, a)
        if anywhere(swap):
            for f in range(0, SCALES, K * LANES):
                exchange(state, a + f, a + f + LANES, swap)
            for f in range(0, BLOCK, LANES):
                b = (k * tiles + t) * BLOCK + f
                exchange(state, b, b + tiles * BLOCK, swap)

%if feedback
@njit(**STEP)
def blinked(past, moved):
    # SuBSENSE's blinking pixels: the raw label changed, away from what is known to move.
    return ((past >= 2) != ((past == 1) | (past == 3))) & (moved == 0)


@njit(**STEP)
def unrest_after(unrest, blink, rate, u):
    return select(blink, unrest + part(FULL - unrest, rate, u), unrest - part(unrest, rate, u))


@njit(**INNER)
def calm_down(state, busy, planes, at, rate, u):
    # What becomes of unrest and last labels where the new ones are 0; whether all are 0 now.
    unrest, past = load(state, planes), load(state, planes + LANES)
    blink = blinked(past, load(busy, at) & MOVED)
    store(state, planes, unrest_after(unrest, blink, rate, u))
    past = select((past == 1) | (past == 3), past - past + 2, past - past)
    store(state, planes + LANES, past)
    return everywhere(past == 0)
%end


@njit(**INNER)
def short_way(image, state, flags, busy, labels, ratios, spots, first, last, begin, todo, r):
    R = r.values
    @RATES
@TONE
    tiles = state.size // TILE
    n = 0
    for t in range(first, last):
        at = (t - begin) * LANES
%if flagged
        flag = load(flags, at)
        if everywhere(flag == OUTSIDE):
            store(labels, at, flag ^ flag)
%if shadows
            if spots[t] != 0:
                spots[t] = 0
                store(ratios, t * LANES, flag ^ flag)
%end
            continue
%end
%if lazy
@CHANCE
@PIXELS
        block = t * BLOCK
        head = tiles * (TILE - HEAD) + t * HEAD
        prefetch(state, block + AHEAD * BLOCK)
        %c prefetch(state, block + AHEAD * BLOCK + (1 + #c) * LANES)
        prefetch(image, (at + AHEAD * LANES) * C)
        prefetch(image, (at + AHEAD * LANES) * C + 64)
        %c m0_#c = load(state, block + (1 + #c) * LANES)
        v0 = load(state, block)
%if flagged
        plain = everywhere(flag == 0)
%else
        plain = True
%end
        if plain and settled(state[head], r.gain) and everywhere(is_near(@X, @M0, v0, r.match, r.floor, r.slope, r.dark_floor, r.dark_slope, r.chroma, filled(0, v0), r.widen)):
            dark = to_uint8(u ^ u)
            store(labels, at, dark)
%if shadows
            if spots[t] != 0:
                spots[t] = 0
                store(ratios, t * LANES, dark)
%end
%if learn
            far = square(gap(x0, m0_0))
%if not ycrcb
            %c far = far if #c == 0 else add_most(far, square(gap(x#c, m0_#c)))
%end
            %c store(state, block + (1 + #c) * LANES, toward(m0_#c, x#c, r.gain, u))
            store(state, block, least(most(toward(v0, far, r.gain, u), r.var_min), r.var_max))
            state[head + 1] += part_of_one(FULL - state[head + 1], r.alpha, chance)
%if feedback
            if is_calm(state[head]):
                state[head + 2] += part_of_one(FULL - state[head + 2], r.unrest, chance)
            else:
                planes = tiles * (K * BLOCK + SCALES) + t * PIXEL
                state[head] = marked(state[head], calm_down(state, busy, planes, at, r.unrest, u))
%end
            state[head + 3] = min(state[head + 3], 60000) + 1
%end
            continue
%end
        # What the long way will ask for.
        for f in range(0, SCALES, LANES):
            prefetch(state, tiles * K * BLOCK + t * SCALES + f)
        for f in range(0, PIXEL, LANES):
            prefetch(state, tiles * (K * BLOCK + SCALES) + t * PIXEL + f)
%if modes > 1
        for f in range(0, BLOCK, LANES):
            prefetch(state, (tiles + t) * BLOCK + f)
%end
        todo[n] = t
        n += 1
    return n


@njit(**INNER)
def long_way(image, state, flags, busy, labels, ratios, spots, todo, n, begin, r):
    R = r.values
    @RATES
@TONE
    tiles = state.size // TILE
    for i in range(n):
        t = todo[i]
        at = (t - begin) * LANES
%if flagged
        flag = load(flags, at)
%end
@CHANCE
        dark = to_uint8(u ^ u)
@PIXELS
@WEIGHTS
%if feedback
        planes = tiles * (K * BLOCK + SCALES) + t * PIXEL
        stored_unrest = load(state, planes)
        past = load(state, planes + LANES)
        unrest = stored_unrest
%if lazy
        unrest = unrest - part(unrest, state[head + 2], u)
%end
%else
        unrest = w0
%end
        # Which is the heaviest mode that the pixel belongs to? Lighter ones are looked at only
        # if some pixel of the tile has found none.
        none = w0 != w0
        nil = filled(0, w0)
        found = none
%each k
        v#k = nil
        far#k = nil
        %c m#k_#c = nil
        own#k = none
        if #k == 0 or not everywhere(found):
            v#k = load(state, block#k)
            %c m#k_#c = load(state, block#k + (1 + #c) * LANES)
            far#k = square(gap(x0, m#k_0))
%if not ycrcb
            %c far#k = far#k if #c == 0 else add_most(far#k, square(gap(x#c, m#k_#c)))
%end
            own#k = ~found & (w#k > 0) & is_near(@X, @Mk, v#k, r.match, r.floor, r.slope, r.dark_floor, r.dark_slope, r.chroma, unrest, r.widen)
            found = found | own#k
%end
        own_w = nil
        %k own_w = select(own#k, w#k, own_w)
        blank = w0 == 0

@BASE
%if weight_bar
%if feedback
        bar = filled(r.bar, w0)
        bar = bar - product(bar, least(times(unrest, r.lower), NINE_TENTHS))
        back = found & (own_w >= bar)
%else
        back = found & (own_w >= r.bar)
%end
%else
        # A mode heavier than the one that learns may explain the pixel too, if it lies within
        # the wider radius.
        back = none
        %k back = back | (base#k & (w#k >= own_w) & (spread_from(@X, @Mk, r.back) < v#k))
%end
        # What shows nothing yet cannot be told from its background.
        label = select(back | blank, dark, dark + 255)
%if shadows
        # Prati et al. (2003): the background dimmed, its colour kept.
        unlike = label == 255
%if flagged
        unlike = unlike & (flag == 0)
%end
        spotted = U32(0)
        if anywhere(unlike):
            shade = none
            %c f#c = to_float32(x#c) * UNIT_M
%each k
            if #k == 0 or anywhere(base#k & unlike):
                %c g#c = to_float32(m#k_#c) * UNIT_M
%if ycrcb
                # The pixel is part / whole of the mode; multiplied by `whole`, as division is slow.
                part#k, whole#k = f0, most(g0, ONE)
                a = (f1 - F32(128)) * whole#k - part#k * (g1 - F32(128))
                b = (f2 - F32(128)) * whole#k - part#k * (g2 - F32(128))
                same = most(a, ZERO - a) + most(b, ZERO - b) < whole#k * (r.tint * UNIT_M)
%else
                part#k, whole#k = sum{c: f#c * g#c}, most(sum{c: g#c * g#c}, ONE)
                dim = part#k / whole#k
                off = sum{c: (dim * g#c - f#c) * (dim * g#c - f#c)}
                wide = dim / (r.back * UNIT_W)
                same = off < to_float32(v#k) * UNIT_V * wide * wide
%end
                shade = shade | (base#k & same & (part#k >= whole#k * (r.dimmest * UNIT_W)) & (part#k <= whole#k * (r.faintest * UNIT_F)))
%end
            shade = shade & unlike
            spotted = bits(shade)
            if spotted != 0:
                label = select(shade, 127, label)
                # Of the heaviest mode; its texture is judged afterwards, among neighbours.
                bright = to_uint8(most(least(part0 / whole0, F32(1.99)) * F32(128), ONE))
                store(ratios, t * LANES, select(shade, bright, dark))
        if spotted == 0 and spots[t] != 0:
            store(ratios, t * LANES, dark)
        spots[t] = spotted
%end
%if flagged
        label = select(flag == OUTSIDE, dark, select(flag == HELD, dark + 255, label))
        free = flag == 0
%end
        store(labels, at, label)
%if learn
%if conservative
        alpha = filled(r.alpha_foreground, w0)
%if feedback
        alpha = select((load(busy, at) & MOVED) == 0, filled(r.alpha_noise, w0), alpha)
%end
        alpha = select(back, filled(r.alpha, w0), alpha)
%else
        alpha = filled(r.alpha, w0)
%end
        # Where no mode is near, the lightest is replaced.
        new = ~(found | blank)
        own@LAST = own@LAST | new
        own0 = own0 | blank
        # Weights decay and pay the prior (Zivkovic 2004, equation 14); below it they end.
        %k n#k = w#k - part(w#k, alpha, u)
%if pruned
        %k n#k = sub_least(n#k, r.prune)
        %k n#k = select(n#k < r.prune, nil, n#k)
%end
%if pruned or not hit_gain
        grown = alpha
        %k grown = select(own#k, grown + n#k, grown)
%end
        %k n#k = select(own#k, nil, n#k)
        rest = sum{k: n#k}
%if pruned
        # Zivkovic's weights are divided by their sum, which the prior has lowered.
        total = select(new | blank, FULL, rest + grown)
        scale = ratio(FULL - total, most(total, LEAST))
        %k n#k = n#k + part(n#k, scale, u)
        rest = sum{k: n#k}
%end
%if modes > 1
        if anywhere(new):
            # A new mode starts with alpha, and the others share what is left.
            start = most(alpha, filled(UNIT, w0))
            left = FULL - start
            off = ratio(gap(left, rest), most(rest, LEAST))
            %k n#k = select(new, select(rest < left, n#k + part(n#k, off, u), n#k - part(n#k, off, u)), n#k)
            n0 = select(new, left - (sum{k: n#k} - n0), n0)
            rest = sum{k: n#k}
%end
        %k q#k = select(own#k, FULL - rest, n#k)

        own_v = nil
        own_far = nil
        %c own_m#c = nil
        %k own_v = select(own#k, v#k, own_v)
        %k own_far = select(own#k, far#k, own_far)
        %kc own_m#c = select(own#k, m#k_#c, own_m#c)
        fresh = new | blank
%if hit_gain
        %k h#k = load(state, weights + (K + #k) * LANES)
%if lazy
        h0 = add_most(h0, filled(state[head + 3], h0))
%end
        own_h = nil
        %k own_h = select(own#k, h#k, own_h)
        own_h = select(fresh, nil, own_h)
        own_h = select(own_h < 65535, own_h + 1, own_h)
        gain = most(ratio(filled(1, own_h), own_h), filled(r.gain, own_h))
%else
        gain = ratio(least(alpha, grown), most(grown, LEAST))
%end
        y = least(most(toward(own_v, own_far, gain, u), r.var_min), r.var_max)
        y = select(fresh, filled(r.var_init, y), y)
        %c z#c = select(fresh, x#c, toward(own_m#c, x#c, gain, u))
%if feedback
        calm = unrest_after(unrest, blinked(past, load(busy, at) & MOVED), r.unrest, u)
        past = select((past == 1) | (past == 3), nil + 2, nil) + select(label > 127, nil + 1, nil)
%end
%if flagged
        %k q#k = select(free, q#k, w#k)
        %k own#k = own#k & free
%end
%if hit_gain
        %k h#k = select(own#k, own_h, h#k)
%end
%each k
        if anywhere(own#k):
            store(state, block#k, select(own#k, y, v#k))
            %c store(state, block#k + (1 + #c) * LANES, select(own#k, z#c, m#k_#c))
%end
        %k store(state, weights + #k * LANES, q#k)
%if hit_gain
        %k store(state, weights + (K + #k) * LANES, h#k)
%end
%if feedback
%if flagged
        calm = select(free, calm, unrest)
        past = select(free, past, load(state, planes + LANES))
%end
        store(state, planes, calm)
        store(state, planes + LANES, past)
%end
        risen = none
        before = q0
%each k
        risen = risen | (q#k > before)
        before = q#k
%end
        if anywhere(risen):
            raise_heavier(state, tiles, t)
%if lazy
        steady = not anywhere(risen) and everywhere(q0 >= r.bar)
%if feedback
        state[head] = marked(smallest(h0), everywhere(past == 0)) if steady else FULL - FULL
%else
        state[head] = smallest(h0) if steady else FULL - FULL
%end
        state[head + 1] = 0
        state[head + 2] = 0
        state[head + 3] = 0
%end
%end


@njit(**INNER)
def reached(counters, which, total):
    for _ in range(PATIENCE):
        if count(counters, which) >= total:
            return True
        pause()
    return False


@njit(**OPTIONS)
def step(image, state, flags, busy, labels, ratios, spots, kept, size, last, begin, limits, counters, rest, r):
    # The two ways are apart because together they need more registers than there are.
    todo = np.empty(AT_ONCE, np.int64)
    while True:
        first = claim(counters, 0, TURN)
        if first >= last:
            break
        end = min(first + TURN, last)
        for here in range(first, end, AT_ONCE):
            n = short_way(image, state, flags, busy, labels, ratios, spots, here, min(here + AT_ONCE, end), begin, todo, r)
            long_way(image, state, flags, busy, labels, ratios, spots, todo, n, begin, r)
        claim(counters, 1, end - first)
    done = reached(counters, 1, last)
%if shadows
    # A shadow is judged among its neighbours, so all must be labelled before.
    if done and limits[0] < 1:
        while True:
            first = claim(counters, 2, TURN)
            if first >= kept.size:
                break
            end = min(first + TURN, kept.size)
            confirm(ratios, spots, kept, labels, size[0], size[1], limits[0], limits[1], first, end)
            claim(counters, 3, end - first)
        done = reached(counters, 3, kept.size)
%end
    for _ in range(rest):
        pause()
    return done
"""

READING = """
@njit(**OPTIONS)
def background(state, image, first, last, r):
    tiles = state.size // TILE
    for t in range(first, last):
        at = t * LANES
        # The first mode is the heaviest.
        %c x#c = to_float32(load(state, t * BLOCK + (1 + #c) * LANES)) * UNIT_M
%if ycrcb
        red = x0 + (x1 - F32(128)) * F32(1 / 0.713)
        blue = x0 + (x2 - F32(128)) * F32(1 / 0.564)
        green = (x0 - F32(0.299) * red - F32(0.114) * blue) * F32(1 / 0.587)
        # What has shown nothing is black: no colour has a chroma of 0.
        seen = x1 > F32(0)
        x0, x1, x2 = select(seen, blue, x0), select(seen, green, x0), select(seen, red, x0)
%end
        %c x#c = x#c / r.tone[0, #c]
%if byte
        %c x#c = to_uint8(least(most(x#c, F32(0)), F32(255)) + F32(0.5))
%end
%if channels == 1
        store(image, at, x0)
%else
        %c store_every(image, at * C, C, #c, x#c)
%end


@njit(**OPTIONS)
def brightness(state, wanted, out, first, last, r):
    tiles = state.size // TILE
    for t in range(first, last):
        if wanted[t] == 0:
            continue
        %c x#c = to_float32(load(state, t * BLOCK + (1 + #c) * LANES)) * UNIT_M
%if ycrcb or channels < 3
        y = x0
%else
        y = x2 * F32(0.299) + x1 * F32(0.587) + x0 * F32(0.114)
%end
        store(out, t * LANES, to_uint8(least(most(y, F32(0)), F32(255)) + F32(0.5)))


@njit(**OPTIONS)
def background_weight(state, out, first, last, r):
    R = r.values
    @RATES
    tiles = state.size // TILE
    for t in range(first, last):
        u = ramp(GOLDEN)
@WEIGHTS
@BASE
        total = w0 - w0
        %k total = total + select(base#k, w#k, total - total)
        store(out, t * LANES, to_float32(total) * UNIT_W)


@njit(**OPTIONS)
def distance(state, image, out, first, last, r):
    # To the nearest background mode, in 1/STRIDE of its radius: as in step, but not only whether
    # it is below one.
    R = r.values
    @RATES
@TONE
    tiles = state.size // TILE
    for t in range(first, last):
        at = t * LANES
        u = ramp(GOLDEN)
@WEIGHTS
@PIXELS
%if feedback
        unrest = load(state, tiles * (K * BLOCK + SCALES) + t * PIXEL)
%if lazy
        unrest = unrest - part(unrest, state[head + 2], u)
%end
%end
@BASE
%if weight_bar and feedback
        bar = filled(r.bar, w0)
        bar = bar - product(bar, least(times(unrest, r.lower), NINE_TENTHS))
        %k base#k = w#k >= bar
%end
        %c f#c = to_float32(x#c) * UNIT_M
%if feedback
        more = ONE + to_float32(unrest) * UNIT_W * (r.widen * UNIT_F)
%else
        more = f0 - f0 + ONE
%end
        farthest = f0 - f0 + FARTHEST * FARTHEST
        nearest = farthest
%each k
        if #k == 0 or anywhere(base#k):
            %c m#k_#c = load(state, block#k + (1 + #c) * LANES)
            %c g#c = f#c - to_float32(m#k_#c) * UNIT_M
            v = to_float32(load(state, block#k)) * UNIT_V
%if weight_bar
            v = v / (r.match * UNIT_W * (r.match * UNIT_W))
%else
            v = v / (r.back * UNIT_W * (r.back * UNIT_W))
%end
%if floored and weight_bar
            luma#k = to_float32(m#k_0) * UNIT_M
            bright = luma#k * (r.slope * UNIT_W) + r.floor * UNIT_M
            dark = luma#k * (r.dark_slope * UNIT_W) + r.dark_floor * UNIT_M
            radius = least(bright, dark) * more
            v = most(v, radius * radius)
%end
%if ycrcb
            tint = (most(g1, ZERO - g1) + most(g2, ZERO - g2)) / (r.chroma * UNIT_M * more)
            e = most(g0 * g0 / v, tint * tint)
%else
            e = sum{c: g#c * g#c} / v
%end
            nearest = least(nearest, select(base#k, e, farthest))
%end
        nearest = select(w0 == 0, nearest - nearest, nearest)
        store(out, at, to_uint8(sqrt(nearest) * STRIDE))
"""


@cache
def load(variant: Variant, compiled: bool = True) -> ModuleType:
    """The kernels of a variant as a module; each is compiled when it is first called.

    With compiled=False they are plain Python, a thousand times slower, for tests.
    """
    options = {
        **variant._asdict(),
        "ycrcb": variant.ycrcb and variant.channels == 3,
        "lazy": variant.lazy,
    }
    compact, modes, channels = variant.compact, variant.modes, variant.channels
    header = HEADER.format(
        variant=variant,
        turn=TURN,
        lanes_version=source.version(lanes),
        channels=channels,
        modes=modes,
        head=HEAD,
        scales=modes * (1 + variant.hit_gain),
        pixel=2 * variant.feedback,
        outside=OUTSIDE,
        held=HELD,
        moved=NOW | BEFORE,
        unit_w=1 / 65535 if compact else 1,
        unit_v=1 / VARIANCE if compact else 1,
        unit_m=1 / LEVEL if compact else 1,
        unit_f=1 / FACTOR if compact else 1,
        stride=STRIDE,
    )
    parts = {
        "@CHANCE\n": CHANCE,
        "@TONE\n": TONE,
        "@PIXELS\n": PIXELS,
        "@BASE\n": BASE,
        "@WEIGHTS\n": WEIGHTS,
        "@X": ", ".join(f"x{c}" for c in range(channels)),
        "@M0": ", ".join(f"m0_{c}" for c in range(channels)),
        "@Mk": ", ".join(f"m#k_{c}" for c in range(channels)),
        "@M": ", ".join(f"m{c}" for c in range(channels)),
        "@LAST": f"{modes - 1}",
    }
    template = (COMPACT if compact else WIDE) + NEAR + STEP + READING
    for mark, text in parts.items():
        template = template.replace(mark, text)
    if variant.shadows:
        header += f"from {shade.kernel().__name__} import confirm\n"
    text = header + _with_rates(expand(template, options, modes, channels))
    return source.load(text if compiled else text.replace(NUMBA, PLAIN))


def _with_rates(text: str) -> str:
    """Kernels with `r.alpha` and its like as variables, read before the loop."""
    functions = text.split("@njit")
    for n, function in enumerate(functions):
        used = [name for name in UNITS if re.search(rf"\br\.{name}\b", function)]
        reads = "; ".join(f"r_{name} = R[{list(UNITS).index(name)}]" for name in used)
        function = function.replace("@RATES", reads or "pass")
        functions[n] = re.sub(rf"\br\.({'|'.join(UNITS)})\b", r"r_\1", function)
    return "@njit".join(functions)


def constants(variant: Variant, **numbers: float) -> NDArray[Any]:
    """What of Rates.values stays from frame to frame; the steps are 0.

    Parameters
    ----------
    variant
        Of the kernel.
    **numbers
        Those named in UNITS but not in Steps: shares of 1, grey levels, squared grey levels;
        `match` and `back` in standard deviations.
    """
    numbers = {**dict.fromkeys(Steps._fields, 0.0), **numbers}
    values = np.array([1 / numbers[n] if n in INVERTED else numbers[n] for n in UNITS])
    if not variant.compact:
        return values.astype(np.float32)
    return np.minimum(values * list(UNITS.values()) + 0.5, 65535).astype(np.uint16)


def rates(
    fixed: NDArray[Any],
    *,
    frame: int,
    steps: Steps,
    tone: NDArray[np.float32] = AS_IT_IS,
) -> Rates:
    """Rates of a frame as the kernels take them.

    Parameters
    ----------
    fixed
        What constants() gave.
    frame
        Number of the frame, which gives it a rounding of its own.
    steps
        Of this frame.
    tone
        (2, CHANNELS) float32: gain and offset that bring each channel to levels of 0 to 255; the
        gain is below 4 where the kernel takes bytes. What is brighter or darker afterwards is 255
        or 0.
    """
    values = fixed.copy()
    if fixed.dtype == np.uint16:
        dither = frame * 0.6180339887 % 1
        values[: len(steps)] = [min(int(step * SHARE + dither), 65535) for step in steps]
    else:
        values[: len(steps)] = steps
    return Rates(values, tone, np.uint32((frame + 1) * 0x9E3779B1 & 0xFFFFFFFF))


def _step_at_end(
    kernel: Callable[..., bool],
    channels: int,
    image: NDArray[Any],
    state: NDArray[Any],
    flags: NDArray[np.uint8],
    busy: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    ratios: NDArray[np.uint8],
    spots: NDArray[np.uint32],
    kept: NDArray[np.uint32],
    now: Rates,
) -> None:
    """Label and learn the last pixels, which do not fill a tile: they are given room."""
    whole = labels.size // LANES
    at = whole * LANES
    left = labels.size - at
    padded = [np.zeros(LANES * channels, image.dtype), *np.zeros((2, LANES), np.uint8)]
    padded[0][: left * channels] = image[at * channels :]
    padded[1][:] = OUTSIDE
    padded[1][: flags.size - at] = flags[at:]
    padded[2][:left] = busy[at:]
    out = np.zeros(LANES, np.uint8)
    arrays = padded[0], state, padded[1], padded[2], out, ratios, spots, kept
    counters = np.zeros(COUNTERS, np.int64)
    counters[0] = counters[APART] = whole
    kernel(*arrays, (0, 0), whole + 1, whole, (1.0, 0.0), counters, 0, now)
    labels[at:] = out[:left]


def turns(
    variant: Variant,
    image: NDArray[Any],
    state: NDArray[Any],
    flags: NDArray[np.uint8],
    busy: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    shadows: Shadows,
    uneven: float,
    few: float,
    now: Rates,
    compiled: bool = True,
) -> threads.Turns:
    """Work for threads.share(): label and learn a picture, then confirm its shadows.

    Parameters
    ----------
    variant
        What kernel.
    image
        All pixels' channels in one row.
    state
        All modes; changed where variant.learn.
    flags
        OUTSIDE, HELD or 0 for each pixel, with variant.flagged.
    busy
        For each pixel, with variant.feedback, the bits of `movers`: NOW or BEFORE near a mover.
    labels
        (height, width): 0, 127 or 255. Written.
    shadows
        With variant.shadows what is labelled 127, and how bright it is. Written.
    uneven, few
        As shade.confirm() takes them; an `uneven` of 1 confirms all.
    now
        The rates of this frame.
    compiled
        False for the interpreted kernel.

    Returns
    -------
    work
        Takes tiles until none is left; True when all are done, False if others are still at work.
    """
    row, kernel = labels.reshape(-1), load(variant, compiled).step
    whole, counters = row.size // LANES, np.zeros(COUNTERS, np.int64)
    arrays = image, state, flags, busy, row, *shadows
    if row.size % LANES:
        _step_at_end(kernel, variant.channels, *arrays, now)

    def work(rest: int) -> bool:
        return bool(kernel(*arrays, labels.shape, whole, 0, (uneven, few), counters, rest, now))

    return work


def tiles(n_pixels: int) -> int:
    """Tiles of `n_pixels`."""
    return -(-n_pixels // LANES)


def layout(variant: Variant, n_pixels: int) -> tuple[tuple[int], np.dtype[Any]]:
    """Shape and dtype of the state of `n_pixels`.

    One row of numbers: for each mode, for each tile its variances and means, a field after the
    other; then for each tile its weights and hits; for each tile its unrest and last labels; for
    each tile its head.
    """
    dtype = np.dtype(np.uint16 if variant.compact else np.float32)
    return (tiles(n_pixels) * (variant.planes * LANES + HEAD),), dtype


def blank(variant: Variant, n_pixels: int) -> NDArray[Any]:
    """State of pixels that have shown nothing yet."""
    return aligned(np.zeros(*layout(variant, n_pixels)))


def aligned(state: NDArray[Any]) -> NDArray[Any]:
    """`state`, or a copy of it, that begins with a cache line: half as fast else."""
    if state.ctypes.data % LINE == 0:
        return state
    room = np.empty(state.nbytes + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    moved = room[begin : begin + state.nbytes].view(state.dtype)
    moved[:] = state
    return moved


def units(variant: Variant) -> tuple[np.float32, np.float32, np.float32]:
    """What the state holds for a weight of one, one level, and one squared level."""
    sizes = (65535, LEVEL, VARIANCE) if variant.compact else (1, 1, 1)
    weight, level, variance = (np.float32(size) for size in sizes)
    return weight, level, variance


def modes(variant: Variant, state: NDArray[Any], n_pixels: int) -> NDArray[np.float64]:
    """All modes, (modes, fields, n_pixels), in the state's units.

    Fields are weight, variance, means, and with `hit_gain` hits at last. What the tiles' heads have
    put off is done.
    """
    blocks, scales, _, heads = _regions(variant, state, n_pixels)
    count, full = len(heads), 65535 if variant.compact else 1
    blocks = blocks.reshape(variant.modes, count, 1 + variant.channels, LANES).swapaxes(1, 2)
    scales = scales.reshape(count, 1 + variant.hit_gain, variant.modes, LANES)
    scales = np.moveaxis(scales, 0, 2)
    _, lost, _, missed = heads.T[..., None]
    scales[0, 1:] *= 1 - lost / full
    scales[0, 1:] = np.rint(scales[0, 1:]) if variant.compact else scales[0, 1:]
    first = full - scales[0, 1:].sum(0)
    scales[0, 0] = np.where((lost > 0) & (scales[0, 0] > 0), first, scales[0, 0])
    scales[1:, 0] += missed
    fields = [scales[0][:, None], blocks, *scales[1:, :, None]]
    return np.concatenate(fields, 1).reshape(variant.modes, -1, count * LANES)[..., :n_pixels]


def unrest(variant: Variant, state: NDArray[Any], n_pixels: int) -> NDArray[np.float64]:
    """Share of the frames in which each pixel flickers, in the state's units."""
    _, _, planes, heads = _regions(variant, state, n_pixels)
    planes = planes.reshape(len(heads), 2, LANES)[:, 0]
    left = 1 - heads[:, 2] / (65535 if variant.compact else 1)
    return (planes * left[:, None]).reshape(-1)[:n_pixels]


def relaid(
    variant: Variant,
    state: NDArray[Any],
    source: NDArray[np.intp],
    most_hits: int | None = None,
    workers: int = 1,
) -> NDArray[Any]:
    """State of a view whose pixels lie elsewhere on the scene.

    Parameters
    ----------
    variant
        What kernel.
    state
        All modes; left as it is.
    source
        (n_pixels,) number of the pixel of `state` that each takes over; below 0 it stays blank.
    most_hits
        Hits that no mode has more than, so that its mean soon fits what is there.
    workers
        Threads.
    """
    moved = blank(variant, source.size)
    sizes = variant.modes, 1 + variant.channels, int(variant.hit_gain), 2 * variant.feedback
    full = np.float32(65535 if variant.compact else 1)
    most = state.dtype.type(65535 if most_hits is None else most_hits)

    def work(first: int, last: int) -> None:
        relay.take(state, source, moved, sizes, HEAD, variant.lazy, full, most, first, last)

    threads.split(work, tiles(source.size), workers)
    return moved


def forget(variant: Variant, state: NDArray[Any], where: NDArray[np.bool_]) -> None:
    """Make pixels blank: what they show next is their background.

    Parameters
    ----------
    variant
        What kernel.
    state
        All modes. Changed in place.
    where
        (n_pixels,) True for each pixel to forget.
    """
    pixels = np.flatnonzero(where)
    held, lanes_held = pixels // LANES, pixels % LANES
    *_, weights, hits, planes = _fields(variant, state, where.size)
    for field in (weights, hits, planes):
        field[:, held, lanes_held] = 0
    heads = state[-tiles(where.size) * HEAD :].reshape(-1, HEAD)
    heads[held, 0] = 0  # such a tile is not settled


def _fields(variant: Variant, state: NDArray[Any], n_pixels: int) -> list[NDArray[Any]]:
    """Views (fields, tiles, LANES): the modes' variances and means; weights; hits; pixels'."""
    count, modes = tiles(n_pixels), variant.modes
    sizes = np.array([modes * (1 + variant.channels), modes * (1 + variant.hit_gain)])
    blocks, scales, rest = np.split(state, np.cumsum(sizes) * count * LANES)
    planes = rest[: 2 * variant.feedback * count * LANES]
    blocks = blocks.reshape(modes, count, 1 + variant.channels, LANES)
    scales = scales.reshape(count, -1, LANES).swapaxes(0, 1)
    return [
        *blocks.swapaxes(1, 2),
        scales[:modes],
        scales[modes:],
        planes.reshape(count, -1, LANES).swapaxes(0, 1),
    ]


def _regions(
    variant: Variant, state: NDArray[Any], n_pixels: int
) -> tuple[NDArray[np.float64], ...]:
    """Variances and means; weights and hits; unrest and labels; heads (tiles, HEAD)."""
    count = tiles(n_pixels)
    sizes = (
        variant.modes * (1 + variant.channels),
        variant.modes * (1 + variant.hit_gain),
        2 * variant.feedback,
    )
    *regions, heads = np.split(state.astype(float), np.cumsum(sizes) * count * LANES)
    return *regions, heads.reshape(count, HEAD)


def pack(
    variant: Variant,
    weights: NDArray[Any],
    means: NDArray[Any],
    variances: NDArray[Any],
    hits: NDArray[Any],
) -> NDArray[Any]:
    """State of pixels that know these modes.

    Parameters
    ----------
    variant
        What kernel.
    weights, variances, hits
        (n_pixels, K), K at most the variant's modes; a weight of 0 is no mode.
    means
        (n_pixels, K, channels), levels of 0 to 255.
    """
    n_pixels, k = weights.shape
    count, channels, compact = tiles(n_pixels), variant.channels, variant.compact
    state = blank(variant, n_pixels)
    _, level, square = units(variant)
    size = variant.modes * count * (1 + channels) * LANES
    blocks = state[:size].reshape(variant.modes, count, 1 + channels, LANES)
    scales = state[size : size + count * variant.modes * (1 + variant.hit_gain) * LANES]
    scales = scales.reshape(count, 1 + variant.hit_gain, variant.modes, LANES)

    def put(place: NDArray[Any], values: NDArray[Any], unit: np.float32) -> None:
        field = np.zeros(count * LANES, state.dtype)
        field[:n_pixels] = np.clip(np.rint(values * unit), 0, 65535) if compact else values
        place[:] = field.reshape(count, LANES)

    order = np.argsort(-weights, axis=1, kind="stable")
    shares = np.take_along_axis(weights, order, axis=1)
    shares = shares / shares.sum(axis=1, keepdims=True)
    if compact:
        shares = np.rint(shares * 65535)
    shares[:, 0] = (65535 if compact else 1) - shares[:, 1:].sum(axis=1)
    everyone = np.arange(n_pixels)
    for n in range(k):
        mode = order[:, n]
        put(scales[:, 0, n], shares[:, n], np.float32(1))
        if variant.hit_gain:
            put(scales[:, 1, n], np.minimum(hits[everyone, mode], 65535), np.float32(1))
        put(blocks[n, :, 0], variances[everyone, mode], square)
        for c in range(channels):
            put(blocks[n, :, 1 + c], means[everyone, mode, c], level)
    return state
