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
    LANES, add_most, anywhere, bits, everywhere, exp, filled, high_product, least, load, load_all, load_every,
    load_upper_halves, most, prefetch,
    ramp, select, smallest, sqrt, store, store_all, store_every, sub_least, to_float32, to_int32, to_uint8,
    to_uint16, traced,
)

from bgsub.kernels.turns import claim, ended, pause

TURN = {turn}
C = {channels}
K = {modes}
HEAD = {head}
FIELDS = 1 + C  # of a mode: variance, means
BLOCK = FIELDS * LANES
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
PART = dict(
    nogil=True, error_model="numpy", fastmath={{"contract", "nsz", "arcp"}}, no_cfunc_wrapper=True
)
OPTIONS = dict(**PART, cache=True)
INNER = dict(**PART, no_cpython_wrapper=True, _nrt=False)
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


@traced
def luma(blue, green, red):
    return high_product(red, 19595) + high_product(green, 38470) + high_product(blue, 7471)


@traced
def chroma_red(blue, green, red):
    return high_product(red, 32756) - high_product(green, 27429) - high_product(blue, 5327) + 32768


@traced
def chroma_blue(blue, green, red):
    return high_product(blue, 32749) - high_product(red, 11052) - high_product(green, 21697) + 32768


@traced
def gap(a, b):
    return sub_least(a, b) | sub_least(b, a)


@traced
def product(a, b):
    return high_product(a, b)


@traced
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


@traced
def square(a):
    # In units of a variance; 32 levels and more are the largest.
    b = least(a, 8191) << 3
    return high_product(b, b)


@traced
def coarse_square(a):
    # As square, but for four times the distance at a sixteenth of the resolution.
    return square(a >> 2)


@traced
def times(a, factor):
    return least(high_product(a, factor), 4095) << 4


@traced
def ratio(a, b):
    return to_uint16(to_int32(least(to_float32(a) * F32(65535) / to_float32(b), F32(65535))))
"""

WIDE = """
FULL, UNIT, LEAST, NINE_TENTHS = F32(1), F32(0), F32(1e-6), F32(0.9)


@njit(**STEP)
def level(x, gain, offset):
    return most(least(to_float32(x) * gain + offset, F32(255)), F32(0))


@traced
def luma(blue, green, red):
    return red * F32(0.299) + green * F32(0.587) + blue * F32(0.114)


@traced
def chroma_red(blue, green, red):
    return (red - luma(blue, green, red)) * F32(0.713) + F32(128)


@traced
def chroma_blue(blue, green, red):
    return (blue - luma(blue, green, red)) * F32(0.564) + F32(128)


@traced
def gap(a, b):
    return most(a - b, b - a)


@traced
def product(a, b):
    return a * b


@traced
def add_most(a, b):
    return a + b


@traced
def sub_least(a, b):
    return most(a - b, F32(0))


@traced
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


@traced
def square(a):
    return a * a


@traced
def coarse_square(a):
    return a * a


@traced
def times(a, factor):
    return a * factor


@traced
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
        x = picture(image, at * C)
        if lit:
            x = tuple{c: brightened(x[#c], gain#c, offset#c)}
%else
        x = tuple{c: level(load_every(image, at * C, C, #c), gain#c, offset#c)}
%end
%if ycrcb
        x = to_ycrcb(x)
%end
"""

BASE = """
%if weight_bar
        base = tuple{k: w[#k] >= r.bar}
%else
        base = first_to_reach(w, r.share, r.alpha, r.prune)
%end
"""

WEIGHTS = """
        weights = tiles * K * BLOCK + t * SCALES
        head = tiles * (TILE - HEAD) + t * HEAD
        w = load_all(state, weights, K)
%if lazy
        w = brought_up(w, state[head + 1], u)
%end
"""

STEPS = """
%if byte and compact
@traced
def picture(image, at):
    return tuple(load_upper_halves(image, at, C, c) for c in range(C))
%end


@traced
def to_ycrcb(x):
    return luma(*x), chroma_red(*x), chroma_blue(*x)


@traced
def added_up(vectors):
    total = vectors[0]
    for vector in vectors[1:]:
        total = total + vector
    return total


@traced
def picked(masks, values, picked):
    for mask, value in zip(masks, values):
        picked = select(mask, value, picked)
    return picked


@traced
def replaced(mask, new, old):
    return tuple(select(mask, one, other) for one, other in zip(new, old))


@traced
def toward(mean, x, rate, u):
    step = part(gap(x, mean), rate, u)
    return select(x > mean, mean + step, mean - step)


@traced
def brought_up(w, lost, u):
    # The first mode takes what the others leave.
    others = [a - part(a, lost, u) for a in w[1:]]
    return select(w[0] > 0, FULL - (added_up([w[0], *others]) - w[0]), w[0]), *others


@traced
def first_to_reach(w, share, alpha, prune):
    # The heaviest modes that together reach the share.
    base, above = [], w[0] - w[0]
    for a in w:
        base.append((a > 0) & (above < share))
        above = add_most(above, sub_least(a - product(a, alpha), prune))
    return tuple(base)


@traced
def lowered(bar, unrest, lower):
    # The weight bar of pixels that flicker.
    return bar - product(bar, least(times(unrest, lower), NINE_TENTHS))


@traced
def spread_from(x, mode, reach):
    spread = square(product(gap(x[0], mode[1]), reach))
%if not ycrcb
    for a, m in zip(x[1:], mode[2:]):
        spread = add_most(spread, square(product(gap(a, m), reach)))
%end
    return spread


@traced
def far_from(x, mode):
    far = square(gap(x[0], mode[1]))
%if not ycrcb
    for a, m in zip(x[1:], mode[2:]):
        far = add_most(far, square(gap(a, m)))
%end
    return far


@traced
def is_near(x, mode, match, floor, slope, dark_floor, dark_slope, chroma, unrest, widen):
    variance, m = mode[0], mode[1:]
    near = spread_from(x, mode, match) < variance
%if floored
    dark = add_most(product(m[0], dark_slope), filled(dark_floor, m[0]))
    radius = least(product(m[0], slope) + floor, dark)
%if feedback
    radius = add_most(radius, times(product(radius, unrest), widen))
    chroma = filled(chroma, x[0])
    chroma = add_most(chroma, times(product(chroma, unrest), widen))
%end
%if ycrcb or channels == 1
    near = near | (gap(x[0], m[0]) < radius)
%else
    far = coarse_square(gap(x[0], m[0]))
    for a, b in zip(x[1:], m[1:]):
        far = add_most(far, coarse_square(gap(a, b)))
    near = near | (far < coarse_square(radius))
%end
%end
%if ycrcb
    near = near & (add_most(gap(x[1], m[1]), gap(x[2], m[2])) < chroma)
%end
    return near


@traced
def is_explained(x, modes, w, base, own_w, reach):
    # A mode heavier than the one that learns may explain the pixel too, if it lies within the
    # wider radius.
    back = own_w != own_w
    for mode, a, heavy in zip(modes, w, base):
        back = back | (heavy & (a >= own_w) & (spread_from(x, mode, reach) < mode[0]))
    return back


@traced
def levels(vectors):
    return tuple(to_float32(a) * UNIT_M for a in vectors)


%if shadows
@traced
def dimmed(f, mode, tint, back, dimmest, faintest):
    # Prati et al. (2003): the background dimmed, its colour kept. The pixel is part / whole of the
    # mode; mostly multiplied by `whole`, as division is slow.
    g = levels(mode[1:])
%if ycrcb
    part, whole = f[0], most(g[0], ONE)
    a = (f[1] - F32(128)) * whole - part * (g[1] - F32(128))
    b = (f[2] - F32(128)) * whole - part * (g[2] - F32(128))
    same = most(a, ZERO - a) + most(b, ZERO - b) < whole * tint
%else
    part = added_up([a * b for a, b in zip(f, g)])
    whole = most(added_up([b * b for b in g]), ONE)
    dim = part / whole
    off = added_up([(dim * b - a) * (dim * b - a) for a, b in zip(f, g)])
    wide = dim / back
    same = off < to_float32(mode[0]) * UNIT_V * wide * wide
%end
    return same & (part >= whole * dimmest) & (part <= whole * faintest), part, whole


@traced
def to_ratio(part, whole):
    return to_uint8(most(least(part / whole, F32(1.99)) * F32(128), ONE))
%end


@traced
def learning_rate(back, moved, alpha, alpha_foreground, alpha_noise, like):
%if conservative
    rate = filled(alpha_foreground, like)
%if feedback
    rate = select(moved == 0, filled(alpha_noise, like), rate)
%end
    return select(back, filled(alpha, like), rate)
%else
    return filled(alpha, like)
%end


@traced
def owners(own, new, blank):
    # Where no mode is near, the lightest is replaced.
    own = list(own)
    own[-1] = own[-1] | new
    own[0] = own[0] | blank
    return tuple(own)


@traced
def decayed(w, own, alpha, prune, u):
    # Weights decay and pay the prior (Zivkovic 2004, equation 14); below it they end.
    w = [a - part(a, alpha, u) for a in w]
    nil = filled(0, alpha)
%if pruned
    w = [sub_least(a, prune) for a in w]
    w = [select(a < prune, nil, a) for a in w]
%end
    grown = alpha
    for mine, a in zip(own, w):
        grown = select(mine, grown + a, grown)
    others = [select(mine, nil, a) for mine, a in zip(own, w)]
    return tuple(others), added_up(others), grown


%if pruned
@traced
def scaled(w, rest, grown, whole, u):
    # Zivkovic's weights are divided by their sum, which the prior has lowered.
    total = select(whole, FULL, rest + grown)
    scale = ratio(FULL - total, most(total, LEAST))
    w = [a + part(a, scale, u) for a in w]
    return tuple(w), added_up(w)
%end


@traced
def begun(w, rest, new, alpha, u):
    # A new mode starts with alpha, and the others share what is left.
    left = FULL - most(alpha, filled(UNIT, alpha))
    off = ratio(gap(left, rest), most(rest, LEAST))
    less = rest < left
    w = [select(new, select(less, a + part(a, off, u), a - part(a, off, u)), a) for a in w]
    w[0] = select(new, left - (added_up(w) - w[0]), w[0])
    return tuple(w), added_up(w)


%if hit_gain
@traced
def one_hit_more(hits, own, fresh, missed, least_gain):
%if lazy
    hits = add_most(hits[0], filled(missed, hits[0])), *hits[1:]
%end
    nil = filled(0, hits[0])
    count = select(fresh, nil, picked(own, hits, nil))
    count = select(count < 65535, count + 1, count)
    return hits, count, most(ratio(filled(1, count), count), filled(least_gain, count))
%end


@traced
def drawn(mode, x, far, rate, u, var_min, var_max):
    variance = least(most(toward(mode[0], far, rate, u), var_min), var_max)
    return variance, *[toward(m, a, rate, u) for m, a in zip(mode[1:], x)]


@traced
def learnt(x, modes, fars, own, fresh, gain, u, var_init, var_min, var_max):
    nil = filled(0, gain)
    mode = [picked(own, fields, nil) for fields in zip(*modes)]
    variance, *means = drawn(mode, x, picked(own, fars, nil), gain, u, var_min, var_max)
    means = [select(fresh, a, m) for a, m in zip(x, means)]
    return select(fresh, filled(var_init, variance), variance), *means


@traced
def rising(w):
    found = w[0] != w[0]
    for a, b in zip(w, w[1:]):
        found = found | (b > a)
    return found


%if feedback
@traced
def blinked(past, moved):
    # SuBSENSE's blinking pixels: the raw label changed, away from what is known to move.
    return ((past >= 2) != ((past == 1) | (past == 3))) & (moved == 0)


@traced
def unrest_after(unrest, blink, rate, u):
    return select(blink, unrest + part(FULL - unrest, rate, u), unrest - part(unrest, rate, u))


@traced
def past_labels(past, label):
    # The last one in the lower bit, the one before in the upper.
    nil = past - past
    before = select((past == 1) | (past == 3), nil + 2, nil)
    return before + select(label > 127, nil + 1, nil)
%end
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
        mode = load_all(state, block, FIELDS)
%if flagged
        plain = everywhere(flag == 0)
%else
        plain = True
%end
        if plain and settled(state[head], r.gain) and everywhere(is_near(x, mode, r.match, r.floor, r.slope, r.dark_floor, r.dark_slope, r.chroma, filled(0, mode[0]), r.widen)):
            dark = to_uint8(u ^ u)
            store(labels, at, dark)
%if shadows
            if spots[t] != 0:
                spots[t] = 0
                store(ratios, t * LANES, dark)
%end
%if learn
            store_all(state, block, drawn(mode, x, far_from(x, mode), r.gain, u, r.var_min, r.var_max))
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
        unrest = load(state, planes)
        past = load(state, planes + LANES)
%if lazy
        unrest = unrest - part(unrest, state[head + 2], u)
%end
        moved = load(busy, at) & MOVED
%else
        unrest, moved = w[0], dark
%end
        # Which is the heaviest mode that the pixel belongs to? Lighter ones are looked at only
        # if some pixel of the tile has found none.
        none = w[0] != w[0]
        nil = filled(0, w[0])
        found = none
%each k
        at#k = (#k * tiles + t) * BLOCK
%if k > 0
        mode#k = mode0
        far#k = nil
        own#k = none
        if not everywhere(found):
            mode#k = load_all(state, at#k, FIELDS)
            far#k = far_from(x, mode#k)
            near = is_near(x, mode#k, r.match, r.floor, r.slope, r.dark_floor, r.dark_slope, r.chroma, unrest, r.widen)
            own#k = ~found & (w[#k] > 0) & near
            found = found | own#k
%else
        mode#k = load_all(state, at#k, FIELDS)
        far#k = far_from(x, mode#k)
        near = is_near(x, mode#k, r.match, r.floor, r.slope, r.dark_floor, r.dark_slope, r.chroma, unrest, r.widen)
        own#k = (w[#k] > 0) & near
        found = own#k
%end
%end
        own = tuple{k: own#k}
        modes = tuple{k: mode#k}
        own_w = picked(own, w, nil)
        blank = w[0] == 0

@BASE
%if weight_bar
%if feedback
        back = found & (own_w >= lowered(filled(r.bar, own_w), unrest, r.lower))
%else
        back = found & (own_w >= r.bar)
%end
%else
        back = is_explained(x, modes, w, base, own_w, r.back)
%end
        # What shows nothing yet cannot be told from its background.
        label = select(back | blank, dark, dark + 255)
%if shadows
        unlike = label == 255
%if flagged
        unlike = unlike & (flag == 0)
%end
        spotted = U32(0)
        if anywhere(unlike):
            shade = none
            f = levels(x)
%each k
            if #k == 0 or anywhere(base[#k] & unlike):
                dim, part#k, whole#k = dimmed(f, mode#k, r.tint * UNIT_M, r.back * UNIT_W, r.dimmest * UNIT_W, r.faintest * UNIT_F)
                shade = shade | (base[#k] & dim)
%end
            shade = shade & unlike
            spotted = bits(shade)
            if spotted != 0:
                label = select(shade, 127, label)
                # Of the heaviest mode; its texture is judged afterwards, among neighbours.
                store(ratios, t * LANES, select(shade, to_ratio(part0, whole0), dark))
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
        alpha = learning_rate(back, moved, r.alpha, r.alpha_foreground, r.alpha_noise, own_w)
        new = ~(found | blank)
        fresh = new | blank
        own = owners(own, new, blank)
        others, rest, grown = decayed(w, own, alpha, r.prune, u)
%if pruned
        others, rest = scaled(others, rest, grown, fresh, u)
%end
%if modes > 1
        if anywhere(new):
            others, rest = begun(others, rest, new, alpha, u)
%end
%if hit_gain
        hits = load_all(state, weights + K * LANES, K)
        hits, count, gain = one_hit_more(hits, own, fresh, state[head + 3], r.gain)
%else
        gain = ratio(least(alpha, grown), most(grown, LEAST))
%end
        now = learnt(x, modes, tuple{k: far#k}, own, fresh, gain, u, r.var_init, r.var_min, r.var_max)
%if feedback
        calm = unrest_after(unrest, blinked(past, moved), r.unrest, u)
        labels_now = past_labels(past, label)
%end
        weight = filled(FULL, rest) - rest
        others = tuple{k: select(own[#k], weight, others[#k])}
%if flagged
        others = tuple{k: select(free, others[#k], w[#k])}
        own = tuple{k: own[#k] & free}
%end
%each k
        if anywhere(own[#k]):
            store_all(state, at#k, replaced(own[#k], now, mode#k))
%end
        store_all(state, weights, others)
%if hit_gain
        hits = tuple{k: select(own[#k], count, hits[#k])}
        store_all(state, weights + K * LANES, hits)
%end
%if feedback
%if flagged
        calm = select(free, calm, unrest)
        labels_now = select(free, labels_now, past)
%end
        store(state, planes, calm)
        store(state, planes + LANES, labels_now)
%end
        risen = rising(others)
        if anywhere(risen):
            raise_heavier(state, tiles, t)
%if lazy
        steady = not anywhere(risen) and everywhere(others[0] >= r.bar)
%if feedback
        state[head] = marked(smallest(hits[0]), everywhere(labels_now == 0)) if steady else FULL - FULL
%else
        state[head] = smallest(hits[0]) if steady else FULL - FULL
%end
        state[head + 1] = 0
        state[head + 2] = 0
        state[head + 3] = 0
%end
%end


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
    done = ended(counters, 1, last, 0)
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
        done = ended(counters, 3, kept.size, 0)
%end
    for _ in range(rest):
        pause()
    return done
"""

READING = """
%if ycrcb
@traced
def to_bgr(x):
    luma, red, blue = x[0], x[1] - F32(128), x[2] - F32(128)
    red = luma + red * F32(1 / 0.713)
    blue = luma + blue * F32(1 / 0.564)
    green = (luma - F32(0.299) * red - F32(0.114) * blue) * F32(1 / 0.587)
    # What has shown nothing is black: no colour has a chroma of 0.
    seen = x[1] > F32(0)
    return select(seen, blue, x[0]), select(seen, green, x[1]), select(seen, red, x[2])
%end


@traced
def rounded(x):
    return tuple(to_uint8(least(most(a, F32(0)), F32(255)) + F32(0.5)) for a in x)


@traced
def far_in_radii(f, mode, reach, floor, slope, dark_floor, dark_slope, chroma, more):
    # The squared distance from a mode, in units of its radius.
    m = levels(mode[1:])
    gaps = [a - b for a, b in zip(f, m)]
    square = to_float32(mode[0]) * UNIT_V / reach
%if floored and weight_bar
    radius = least(m[0] * slope + floor, m[0] * dark_slope + dark_floor) * more
    square = most(square, radius * radius)
%end
%if ycrcb
    tint = most(gaps[1], ZERO - gaps[1]) + most(gaps[2], ZERO - gaps[2])
    tint = tint / (chroma * more)
    return most(gaps[0] * gaps[0] / square, tint * tint)
%else
    return added_up([a * a for a in gaps]) / square
%end


@njit(**OPTIONS)
def background(state, image, first, last, r):
    tiles = state.size // TILE
    for t in range(first, last):
        at = t * LANES
        # The first mode is the heaviest.
        x = levels(load_all(state, t * BLOCK + LANES, C))
%if ycrcb
        x = to_bgr(x)
%end
        x = tuple{c: x[#c] / r.tone[0, #c]}
%if byte
        x = rounded(x)
%end
%if channels == 1
        store(image, at, x[0])
%else
        %c store_every(image, at * C, C, #c, x[#c])
%end


@njit(**OPTIONS)
def brightness(state, wanted, out, first, last, r):
    tiles = state.size // TILE
    for t in range(first, last):
        if wanted[t] == 0:
            continue
        x = levels(load_all(state, t * BLOCK + LANES, C))
%if ycrcb or channels < 3
        y = x[0]
%else
        y = x[2] * F32(0.299) + x[1] * F32(0.587) + x[0] * F32(0.114)
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
        nil = w[0] - w[0]
        total = added_up(tuple{k: select(base[#k], w[#k], nil)})
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
        bar = lowered(filled(r.bar, w[0]), unrest, r.lower)
        base = tuple{k: w[#k] >= bar}
%end
        f = levels(x)
%if feedback
        more = ONE + to_float32(unrest) * UNIT_W * (r.widen * UNIT_F)
%else
        more = f[0] - f[0] + ONE
%end
%if weight_bar
        reach = r.match * UNIT_W * (r.match * UNIT_W)
%else
        reach = r.back * UNIT_W * (r.back * UNIT_W)
%end
        farthest = f[0] - f[0] + FARTHEST * FARTHEST
        nearest = farthest
%each k
        if #k == 0 or anywhere(base[#k]):
            mode = load_all(state, (#k * tiles + t) * BLOCK, FIELDS)
            e = far_in_radii(f, mode, reach, r.floor * UNIT_M, r.slope * UNIT_W, r.dark_floor * UNIT_M, r.dark_slope * UNIT_W, r.chroma * UNIT_M, more)
            nearest = least(nearest, select(base[#k], e, farthest))
%end
        nearest = select(w[0] == 0, nearest - nearest, nearest)
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
    }
    template = (COMPACT if compact else WIDE) + STEPS + STEP + READING
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
