"""A slow twin of the online mixture: one pixel at a time, in float64, written from the papers.

Shares nothing with bgsub. A pixel is a list of `slots` modes; an unused one has weight 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Mode:
    """One Gaussian."""

    weight: float = 0.0
    variance: float = 0.0
    hits: float = 0.0
    mean: list[float] = field(default_factory=list)


@dataclass
class Rule:
    """What the model does, in the words of its settings; radii in grey levels."""

    alpha: float
    alpha_foreground: float | None = None  # None: everything is learnt alike
    alpha_noise: float | None = None  # of foreground where nothing is known to move
    settled_gain: float | None = None  # smallest gain of a mean; None: rate / weight
    prune: float = 0.0
    match: float = 3.0  # sigmas
    back: float = 4.0  # sigmas
    share: float = 0.9
    bar: float | None = None  # weight bar; None: the cumulative share
    floor: float = 0.0
    slope: float = 0.0
    dark_floor: float = 255.0
    dark_slope: float = 0.0
    chroma: float | None = None  # None: one distance over all channels
    var_init: float = 15.0
    var_min: float = 4.0
    var_max: float = 75.0
    dimmest: float | None = None  # None: no shadows
    faintest: float = 1.0
    tint: float = 8.0
    widen: float = 0.0
    lower: float = 0.0
    unrest_rate: float = 0.0


class Pixel:
    """All that one pixel remembers."""

    def __init__(self, slots: int) -> None:
        self.modes = [Mode() for _ in range(slots)]
        self.unrest = 0.0
        self.past = [0, 0]  # raw labels before the last, and last

    def step(self, pixel, rule: Rule, moving: bool = False) -> int:
        """Label one colour (BGR where chroma is compared), then learn it."""
        x = ycrcb(pixel) if rule.chroma is not None else [float(v) for v in pixel]
        wide = 1 + rule.widen * self.unrest
        used = [m for m in self.modes if m.weight > 0]
        matching = [m for m in used if belongs(x, m, rule, wide)]
        fit = max(matching, key=lambda m: m.weight, default=None)
        base = self.background_modes(rule, wide)
        if rule.bar is not None:
            bar = rule.bar * max(1 - rule.lower * self.unrest, 0.1)
            known = fit is not None and fit.weight >= bar
        else:
            at_least = fit.weight if fit else -1
            known = any(
                m.weight >= at_least and distance(x, m, rule) < rule.back**2 * m.variance
                for m in base
            )
        label = 0 if known or not used else 255
        if label == 255 and rule.dimmest is not None:
            label = 127 if any(shadow(x, m, rule) for m in base) else 255
        self.note(label, moving, rule)
        self.learn(x, fit, known, moving, rule)
        return label

    def background_modes(self, rule, wide):
        if rule.bar is not None:
            return [m for m in self.modes if m.weight >= rule.bar]
        base, reached = [], 0.0
        for m in sorted(self.modes, key=lambda m: -m.weight):
            if m.weight > 0 and reached < rule.share:
                base.append(m)
            reached += m.weight * (1 - rule.alpha) - rule.prune
        return base

    def note(self, label, moving, rule):
        blink = self.past[0] != self.past[1] and not moving
        self.unrest += rule.unrest_rate * (blink - self.unrest)
        self.past = [self.past[1], int(label > 127)]

    def learn(self, x, fit, known, moving, rule):
        alpha = rule.alpha
        if rule.alpha_foreground is not None and not known:
            alpha = rule.alpha_foreground
            if rule.alpha_noise is not None and not moving:
                alpha = rule.alpha_noise
        target = fit or min(self.modes, key=lambda m: m.weight)
        spread = distance(x, target, rule) if fit else 0.0
        for m in self.modes:
            m.weight = m.weight * (1 - alpha) - rule.prune
            if m.weight < rule.prune:
                m.weight = 0.0
        if fit:
            target.weight += alpha
            total = sum(m.weight for m in self.modes)
            if rule.settled_gain is None:
                gain = min(alpha / target.weight, 1.0)
            else:
                gain = max(rule.settled_gain, 1 / (target.hits + 1))
            for m in self.modes:
                m.weight /= total
            target.hits += 1
            target.mean = [m + gain * (v - m) for m, v in zip(target.mean, x, strict=True)]
            target.variance += gain * (spread - target.variance)
            target.variance = min(max(target.variance, rule.var_min), rule.var_max)
        else:
            rest = sum(m.weight for m in self.modes if m is not target)
            for m in self.modes:
                m.weight = m.weight * (1 - alpha) / rest if rest else 0.0
            target.weight = alpha if rest else 1.0
            target.mean, target.variance, target.hits = list(x), rule.var_init, 1.0


def ycrcb(pixel):
    blue, green, red = (float(v) for v in pixel)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return [luma, 0.713 * (red - luma) + 128, 0.564 * (blue - luma) + 128]


def distance(x, mode, rule):
    """Squared: of luma where chroma is told apart, else over all channels."""
    if rule.chroma is not None:
        return (x[0] - mode.mean[0]) ** 2
    return sum((v - m) ** 2 for v, m in zip(x, mode.mean, strict=True))


def belongs(x, mode, rule, wide):
    luma = mode.mean[0]
    bright = rule.floor + rule.slope * luma
    floor = min(bright, rule.dark_floor + rule.dark_slope * luma) * wide
    radius = max(floor**2, rule.match**2 * mode.variance)
    if distance(x, mode, rule) >= radius:
        return False
    if rule.chroma is None:
        return True
    return abs(x[1] - mode.mean[1]) + abs(x[2] - mode.mean[2]) < rule.chroma * wide


def shadow(x, mode, rule):
    if rule.chroma is not None:
        dim = x[0] / max(mode.mean[0], 1.0)
        off = sum(abs(x[c] - 128 - dim * (mode.mean[c] - 128)) for c in (1, 2))
        return rule.dimmest <= dim <= rule.faintest and off < rule.tint
    dot = sum(v * m for v, m in zip(x, mode.mean, strict=True))
    dim = dot / max(sum(m * m for m in mode.mean), 1.0)
    off = sum((dim * m - v) ** 2 for v, m in zip(x, mode.mean, strict=True))
    return rule.dimmest <= dim <= rule.faintest and off < rule.back**2 * mode.variance * dim**2
