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

State is one array (tiles, fields * LANES): a tile holds LANES neighbouring pixels, field after
field, so that the same field of neighbouring pixels lies side by side and one vector instruction
serves eight pixels. Indices are p plus a constant, else the compiler cannot see that two fields
never overlap and gives up. Compact state is uint16 fixed point. A step is often smaller than the
unit (a rate of 1/1500 on a difference of two grey levels), so every step is rounded at random, up
with the probability of its fraction: right on average, and repeatable, because the random number is
a hash of pixel and frame. Weights sum to one exactly: the mode that learns takes what the others
leave.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import source
from bgsub.kernels.template import expand

LANES = 128
"""Pixels a tile."""

VARIANCE_STEPS = 64
"""Units of a compact variance in one squared grey level; so the largest is 1023."""

OUTSIDE, HELD = 1, 2
"""Flags of a pixel: outside the region of interest; known foreground."""


class Variant(NamedTuple):
    """What a kernel is compiled for; what is off costs nothing."""

    modes: int
    channels: int
    compact: bool = True
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
    shadows: bool = False
    flagged: bool = False
    """Some pixels carry flags."""
    learn: bool = True

    @property
    def fields(self) -> int:
        """Numbers kept for each mode: weight, variance, hits, means."""
        return 2 + self.hit_gain + self.channels

    @property
    def planes(self) -> int:
        """Numbers kept for each pixel: its modes' fields; with feedback unrest and last labels."""
        return self.modes * self.fields + 2 * self.feedback


class Rates(NamedTuple):
    """What one step must know. Radii and distances in grey levels of 0 to 255."""

    scale: np.float32  # brings the input to 0..255
    alpha: np.float32  # learning rate of background pixels
    alpha_foreground: np.float32  # the same of foreground pixels
    gain: np.float32  # smallest gain of a mean that has settled
    prune: np.float32  # taken from every weight, each step
    match: np.float32  # squared sigmas within which a pixel belongs to a mode
    back: np.float32  # squared sigmas within which it counts as explained
    share: np.float32  # weight that the heaviest modes must reach together
    bar: np.float32  # weight from which a mode is background
    floor: np.float32  # smallest luma radius
    slope: np.float32  # luma radius a grey level of the mode's luma
    chroma: np.float32  # radius of |dCr| + |dCb|
    var_init: np.float32
    var_min: np.float32
    var_max: np.float32
    dimmest: np.float32  # luma ratio of the darkest shadow
    tint: np.float32  # how far a shadow's |dCr| + |dCb| may leave the dimmed background's
    unrest: np.float32  # learning rate of the share of frames in which a pixel flickers
    widen: np.float32  # growth of the radii with that share
    lower: np.float32  # fall of the weight bar with that share
    seed: np.uint32  # of this frame's rounding


HEADER = '''
"""Written by bgsub.kernels.online for {variant}."""
import numpy as np
from numba import njit

LANES = {lanes}
F = {fields}
C = {channels}
W, V, H, M = 0, 1, 2, {mean}
UNREST, PAST = {unrest}, {unrest} + 1
ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
UNIT_W, PER_W = np.float32({unit_w}), np.float32({per_w})
UNIT_V, PER_V = np.float32({unit_v}), np.float32({per_v})
UNIT_M, PER_M = np.float32({unit_m}), np.float32({per_m})
FULL = np.int32(65535)
NONE, TINY, MOST = np.float32(-1), np.float32(1e-6), np.float32(65535)
OUTSIDE, HELD = {outside}, {held}
STORE = np.{state}
LEVELS = np.float32(2.0**-24)
# A uniform density over the 256 levels of each channel, beside the Gaussian's constant.
DENSITY = np.float32((256 / (2 * np.pi) ** 0.5) ** C)
PRIOR = np.float32(0.1)
I32, U16, U32, F32 = np.int32, np.uint16, np.uint32, np.float32
OPTIONS = dict(nogil=True, cache=True, error_model="numpy", fastmath={{"contract", "nsz", "arcp"}})
'''

PIXEL = """
%if ycrcb
            blue = F32(X[p * 3 + 0]) * r.scale
            green = F32(X[p * 3 + 1]) * r.scale
            red = F32(X[p * 3 + 2]) * r.scale
            x0 = F32(0.299) * red + F32(0.587) * green + F32(0.114) * blue
            x1 = F32(0.713) * (red - x0) + F32(128)
            x2 = F32(0.564) * (blue - x0) + F32(128)
%else
            %c x#c = F32(X[p * C + #c]) * r.scale
%end
"""

BASE = """
%if weight_bar
            %k base#k = w#k >= r.bar
%else
            # The heaviest modes that together reach the share.
            %k above#k = ZERO
            %kj above#k += w#j * (ONE - r.alpha) - r.prune if (w#j > w#k) | ((w#j == w#k) & (#j < #k)) else ZERO
            %k base#k = (w#k > ZERO) & (above#k < r.share)
%end
"""

STEP = """
@njit(**OPTIONS)
def step(image, state, flags, busy, labels, first, last, r):
    n_pixels = image.size // C
    for t in range(first, last):
        start = t * LANES
        count = min(LANES, n_pixels - start)
        S = state[t]
        X = image[start * C : (start + count) * C]
        out = labels[start : start + count]
%if flagged
        flag = flags[start : start + count]
        inside = 0
        for p in range(count):
            inside += flag[p] != OUTSIDE
        if inside == 0:
            for p in range(count):
                out[p] = 0
            continue
%end
%if feedback
        taken = busy[start : start + count]
%end
        for p in range(count):
@PIXEL
            %k w#k = F32(S[(#k * F + W) * LANES + p]) * UNIT_W
            %k v#k = F32(S[(#k * F + V) * LANES + p]) * UNIT_V
            %kc m#k_#c = F32(S[(#k * F + M + #c) * LANES + p]) * UNIT_M
%if feedback
            unrest = F32(S[UNREST * LANES + p]) * UNIT_W
            past = I32(S[PAST * LANES + p])
            wide = ONE + r.widen * unrest
            bar = r.bar * max(ONE - r.lower * unrest, F32(0.1))
%else
            wide = ONE
            bar = r.bar
%end

            # How far is the pixel from each mode, and to which does it belong?
%if ycrcb
            %k d#k = (x0 - m#k_0) * (x0 - m#k_0)
            %k chroma#k = abs(x1 - m#k_1) + abs(x2 - m#k_2)
%else
            %k d#k = sum{c: (x#c - m#k_#c) * (x#c - m#k_#c)}
%end
%if floored
            %k r#k = (r.floor + r.slope * m#k_0) * wide
            %k near#k = (w#k > ZERO) & (d#k < max(r#k * r#k, r.match * v#k))
%else
            %k near#k = (w#k > ZERO) & (d#k < r.match * v#k)
%end
%if ycrcb
            %k near#k = near#k & (chroma#k < r.chroma * wide)
%end
            # The heaviest of those will learn; without one, the lightest of all is replaced.
            heavy = NONE
            best = NONE
            %k hit#k = near#k & (w#k > heavy); heavy = w#k if hit#k else heavy; best = F32(#k) if hit#k else best
            light = F32(2)
            worst = NONE
            %k low#k = w#k < light; light = w#k if low#k else light; worst = F32(#k) if low#k else worst
            found = best >= ZERO

@BASE
%if weight_bar
            back = found & (heavy >= bar)
%else
            # A mode heavier than the one that learns may explain the pixel too, if it lies within
            # the wider radius.
            back = any{k: base#k & (w#k >= heavy) & (d#k < r.back * v#k)}
%end
            # What shows nothing yet cannot be told from its background.
            blank = sum{k: w#k} == ZERO
            label = I32(0) if back | blank else I32(255)
%if shadows
            # Prati et al. (2003): the background dimmed, its colour kept.
%if ycrcb
            %k dim#k = x0 / max(m#k_0, ONE)
            %k tint#k = abs(x1 - F32(128) - dim#k * (m#k_1 - F32(128))) + abs(x2 - F32(128) - dim#k * (m#k_2 - F32(128)))
            %k shade#k = base#k & (dim#k >= r.dimmest) & (dim#k <= ONE) & (tint#k < r.tint)
%else
            %k dim#k = sum{c: x#c * m#k_#c} / max(sum{c: m#k_#c * m#k_#c}, ONE)
            %k off#k = sum{c: (dim#k * m#k_#c - x#c) * (dim#k * m#k_#c - x#c)}
            %k shade#k = base#k & (dim#k >= r.dimmest) & (dim#k <= ONE) & (off#k < r.back * v#k * dim#k * dim#k)
%end
            label = I32(127) if (label == 255) & any{k: shade#k} else label
%end
%if flagged
            label = I32(0) if flag[p] == OUTSIDE else I32(255) if flag[p] == HELD else label
%end
            out[p] = label
%if learn
%if feedback
            # SuBSENSE's blinking pixels: the raw label changed, away from what is known to move.
            blink = F32(1) if ((past ^ (past >> 1)) & 1) == 1 and taken[p] == 0 else ZERO
            calm = unrest + r.unrest * (blink - unrest)
            past = ((past << 1) | (label >> 7)) & 3
%end

%if conservative
            alpha = r.alpha if back else r.alpha_foreground
%else
            alpha = r.alpha
%end
            chosen = best if found else worst
            %k own#k = chosen == F32(#k)
            # Weights decay and pay the prior (Zivkovic 2004, equation 14); below it they end.
            %k n#k = w#k * (ONE - alpha) - r.prune
            %k n#k = n#k if n#k >= r.prune else ZERO
            grown = sum{k: n#k if own#k else ZERO} + alpha
            %k n#k = ZERO if own#k else n#k
            rest = sum{k: n#k}
            # The one that learns takes what the others leave; a new one starts with alpha.
            fair = ONE / (rest + grown) if found else (ONE - alpha) / max(rest, TINY)
            mine = ONE - rest * fair
%if hit_gain
            %k h#k = F32(S[(#k * F + H) * LANES + p])
            hits = sum{k: h#k if own#k else ZERO} if found else ZERO
            %k seen#k = min(hits + ONE, MOST) if own#k else h#k
            gain = max(r.gain, ONE / (hits + ONE))
%else
            gain = min(alpha / grown, ONE) if found else ONE
%end
            %k g#k = gain if own#k else ZERO
            far = sum{k: d#k if own#k else ZERO}
            var = sum{k: v#k if own#k else ZERO}
            var = min(max(var + gain * (far - var), r.var_min), r.var_max) if found else r.var_init
            %k s#k = var if own#k else v#k
%if compact
            hash = U32(U32(start + p) * U32(0x9E3779B1) + r.seed)
            hash = U32((hash ^ (hash >> U32(16))) * U32(0x85EBCA6B))
            hash = U32((hash ^ (hash >> U32(13))) * U32(0xC2B2AE35))
            u = F32(I32(U32(hash ^ (hash >> U32(16))) >> U32(8))) * LEVELS
            %k q#k = max(I32(w#k * PER_W + HALF) + I32(np.floor((n#k * fair - w#k) * PER_W + u)), I32(0))
            left = FULL - sum{k: I32(0) if own#k else q#k}
            %k q#k = max(left, I32(0)) if own#k else q#k
            %k y#k = I32(v#k * PER_V + HALF) + I32(np.floor((s#k - v#k) * PER_V + u))
            %kc z#k_#c = I32(m#k_#c * PER_M + HALF) + I32(np.floor(g#k * (x#c - m#k_#c) * PER_M + u))
%if feedback
            calm = F32(I32(unrest * PER_W + HALF)) + np.floor((calm - unrest) * PER_W + u)
%end
%else
            %k q#k = mine if own#k else n#k * fair
            %k y#k = s#k
            %kc z#k_#c = m#k_#c + g#k * (x#c - m#k_#c)
%end
%if flagged
            free = flag[p] == 0
            %k S[(#k * F + W) * LANES + p] = STORE(q#k) if free else S[(#k * F + W) * LANES + p]
            %k S[(#k * F + V) * LANES + p] = STORE(y#k) if free else S[(#k * F + V) * LANES + p]
            %kc S[(#k * F + M + #c) * LANES + p] = STORE(z#k_#c) if free else S[(#k * F + M + #c) * LANES + p]
%if hit_gain
            %k S[(#k * F + H) * LANES + p] = STORE(seen#k) if free else S[(#k * F + H) * LANES + p]
%end
%if feedback
            S[UNREST * LANES + p] = STORE(calm) if free else S[UNREST * LANES + p]
            S[PAST * LANES + p] = STORE(past) if free else S[PAST * LANES + p]
%end
%else
            %k S[(#k * F + W) * LANES + p] = STORE(q#k)
            %k S[(#k * F + V) * LANES + p] = STORE(y#k)
            %kc S[(#k * F + M + #c) * LANES + p] = STORE(z#k_#c)
%if hit_gain
            %k S[(#k * F + H) * LANES + p] = STORE(seen#k)
%end
%if feedback
            S[UNREST * LANES + p] = STORE(calm)
            S[PAST * LANES + p] = STORE(past)
%end
%end
%end
"""

READING = """
@njit(**OPTIONS)
def background(state, image, first, last, r):
    n_pixels = image.size // C
    for t in range(first, last):
        start = t * LANES
        count = min(LANES, n_pixels - start)
        S = state[t]
        X = image[start * C : (start + count) * C]
        for p in range(count):
            heavy = NONE
            %c y#c = ZERO
            %k w#k = F32(S[(#k * F + W) * LANES + p]); more#k = w#k > heavy; heavy = w#k if more#k else heavy
            %kc y#c = F32(S[(#k * F + M + #c) * LANES + p]) * UNIT_M if more#k else y#c
%if ycrcb
            red = y0 + (y1 - F32(128)) * F32(1 / 0.713)
            blue = y0 + (y2 - F32(128)) * F32(1 / 0.564)
            green = (y0 - F32(0.299) * red - F32(0.114) * blue) * F32(1 / 0.587)
            shown = ONE if heavy > ZERO else ZERO
            X[p * 3] = blue * shown
            X[p * 3 + 1] = green * shown
            X[p * 3 + 2] = red * shown
%else
            %c X[p * C + #c] = y#c
%end


@njit(**OPTIONS)
def background_weight(state, weights, first, last, r):
    n_pixels = weights.size
    for t in range(first, last):
        start = t * LANES
        count = min(LANES, n_pixels - start)
        S = state[t]
        out = weights[start : start + count]
        for p in range(count):
            %k w#k = F32(S[(#k * F + W) * LANES + p]) * UNIT_W
@BASE
            out[p] = min(sum{k: w#k if base#k else ZERO}, ONE)


@njit(**OPTIONS)
def probability(state, image, chances, first, last, r):
    n_pixels = chances.size
    for t in range(first, last):
        start = t * LANES
        count = min(LANES, n_pixels - start)
        S = state[t]
        X = image[start * C : (start + count) * C]
        out = chances[start : start + count]
        for p in range(count):
@PIXEL
            %k w#k = F32(S[(#k * F + W) * LANES + p]) * UNIT_W
            %k v#k = F32(S[(#k * F + V) * LANES + p]) * UNIT_V
            %kc m#k_#c = F32(S[(#k * F + M + #c) * LANES + p]) * UNIT_M
@BASE
            explained = ZERO
%if ycrcb
            tinted = r.chroma * r.chroma * F32(1 / 12.5)
            %k r#k = (r.floor + r.slope * m#k_0) * F32(0.4); s#k = max(v#k, r#k * r#k)
            %k e#k = (x0 - m#k_0) * (x0 - m#k_0) / s#k + ((x1 - m#k_1) * (x1 - m#k_1) + (x2 - m#k_2) * (x2 - m#k_2)) / tinted
            %k p#k = w#k * np.exp(F32(-0.5) * e#k) / (np.sqrt(s#k) * tinted)
%else
            %k r#k = (r.floor + r.slope * m#k_0) * F32(0.4); s#k = max(v#k * F32(1 / C), r#k * r#k)
            %k e#k = sum{c: (x#c - m#k_#c) * (x#c - m#k_#c)} / s#k
            %k p#k = w#k * np.exp(F32(-0.5) * e#k) / np.sqrt(s#k) ** C
%end
            explained = sum{k: p#k if base#k else ZERO} * DENSITY
            out[p] = PRIOR / (PRIOR + (ONE - PRIOR) * explained)
"""


def load(variant: Variant) -> ModuleType:
    """The kernels of a variant as a module; each is compiled when it is first called."""
    color = variant.ycrcb and variant.channels == 3
    options = {**variant._asdict(), "ycrcb": color}
    compact = variant.compact
    header = HEADER.format(
        variant=variant,
        lanes=LANES,
        fields=variant.fields,
        channels=variant.channels,
        mean=variant.fields - variant.channels,
        unrest=variant.modes * variant.fields,
        outside=OUTSIDE,
        held=HELD,
        state="uint16" if compact else "float32",
        unit_w=1 / 65535 if compact else 1,
        per_w=65535 if compact else 1,
        unit_v=1 / VARIANCE_STEPS if compact else 1,
        per_v=VARIANCE_STEPS if compact else 1,
        unit_m=1 / 256 if compact else 1,
        per_m=256 if compact else 1,
    )
    template = (STEP + READING).replace("@PIXEL\n", PIXEL).replace("@BASE\n", BASE)
    return source.load(header + expand(template, options, variant.modes, variant.channels))


def rates(*, frame: int, **numbers: float) -> Rates:
    """Rates of a step as the kernels take them; `frame` gives each frame a rounding of its own."""
    seed = np.uint32((frame + 1) * 0x9E3779B1 & 0xFFFFFFFF)
    return Rates(**{name: np.float32(n) for name, n in numbers.items()}, seed=seed)


def layout(variant: Variant, n_pixels: int) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Shape (tiles, planes * LANES) and dtype of the state of `n_pixels`."""
    tiles = -(-n_pixels // LANES)
    dtype = np.dtype(np.uint16 if variant.compact else np.float32)
    return (tiles, variant.planes * LANES), dtype


def blank(variant: Variant, n_pixels: int) -> NDArray[Any]:
    """State of pixels that have shown nothing yet."""
    return np.zeros(*layout(variant, n_pixels))
