"""How an AdaptiveMixture learns and decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from bgsub.errors import require
from bgsub.kernels.online import Variant

Color = Literal["ycrcb", "bgr"]
Seconds = Annotated[float, "seconds"]
"""A time; configuration files may write it with a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureParams:
    """How an AdaptiveMixture learns and decides.

    Grey levels are those of an 8-bit picture, whatever the input's type is.

    Raises
    ------
    ConfigError
        A value out of its range; the message names it.
    """

    modes: int = 4
    """Gaussians a pixel may hold, 1 to 5."""
    history: Seconds = 12.0
    """Seconds in which the memory of the past falls to 1/e; the learning rate of a frame that comes
    dt seconds after the last is 1 - exp(-dt / history). It counts for at most a 24th of the
    history, so that few frames far apart do not replace the memory."""
    warmup: Seconds = 0.4
    """Seconds from the first frame in which everything is learnt, with a rate of at least 1/n in
    frame n."""
    even_start: bool = True
    """Learn background at a rate of at least 1/n in frame n even after the warm-up, until the
    memory has filled (Lee, PAMI 27, 2005), so that the first frames weigh no more than later ones:
    what was there only then is not background for long."""
    relearn_share: float = 0.5
    """Share of the picture's cells that hold foreground, averaged over a second, from which the
    view as a whole is changing: the camera zooms, or the light was switched. Until it rests,
    everything is learnt alike, with `relearn_history`. A crowd holds less; 1 never does."""
    relearn_history: Seconds = 0.8
    """The history while the view changes; afterwards it grows second by second to `history`."""
    follow_cuts: bool = True
    """Begin anew at once when a camera is switched to another view: when more than `relearn_share`
    of the picture's cells become half foreground from one frame to the next."""
    views_kept: int = 2
    """Earlier views that are remembered after a cut, and known again when they come back. Each
    takes as much memory as the model itself."""
    nominal_fps: float = 25.0
    """Frames a second that are assumed where frames come without time."""

    color: Color = "ycrcb"
    """Space in which three-channel pixels are compared: "ycrcb" with luma and chroma apart, "bgr"
    with one distance over the channels."""
    match_sigmas: float = 2.5
    """Standard deviations within which a pixel belongs to a mode and feeds it, at least 1."""
    background_sigmas: float = 4.0
    """Standard deviations within which a background mode explains a pixel (with
    `background_share`), and the width of its shadow."""
    luma_floor: float = 10.0
    """Smallest luma radius of a mode in grey levels, however certain the mode is; 0 leaves the
    radius to the variance alone."""
    luma_slope: float = 0.05
    """Growth of that radius for each grey level of the mode's luma; 0.7 of it where the picture has
    no colour, and luma alone must tell."""
    dark_floor: float = 2.0
    """With dark_slope: no such radius is larger than dark_floor + dark_slope * luma, because what
    moves in the dark differs by few levels; 255 never bounds it."""
    dark_slope: float = 0.15
    """Growth of that bound for each grey level of the mode's luma."""
    chroma_radius: float = 16.0
    """Largest |dCr| + |dCb| between a pixel and its mode in grey levels, with color = "ycrcb"."""

    weight_bar: float = 0.1
    """Weight from which a mode is background; 0 switches to the rule of `background_share`."""
    settling: Seconds = 1.0
    """Time in which the weight that makes a mode background falls from 0.5 by a factor e, down to
    `weight_bar`: who is there in the first frames has as yet been there for long. 0 starts with
    `weight_bar`."""
    background_share: float = 0.9
    """The heaviest modes that reach this weight together are background, with weight_bar = 0."""
    foreground_rate: float = 0.01
    """Share of the learning rate with which a foreground pixel feeds the model. A stopped object
    stays foreground for history / foreground_rate * ln(1 / (1 - weight_bar)) seconds, 126 with the
    defaults. 1 learns everything alike."""
    ghost_edges: float = 2.0
    """Foreground that stays as it is, and along whose outline the background has this many times
    the edges of the picture, is what a thing left that went away: found so a second time, its
    background is forgotten, and what is there now is the background. 0 is off. Needs the cleaned
    masks, and unrest_widen or unrest_lower above 0."""
    noise_rate: float = 1.0
    """The same share for foreground that is far from any in the last cleaned mask, if it is
    more."""
    settled_gain: float = 4.0
    """A mode's mean moves by 1 / (frames it has explained), and no slower than this many learning
    rates; 0 moves it by learning rate / weight."""

    initial_variance: float = 225.0
    """Variance of a mode seen once, squared grey levels."""
    minimum_variance: float = 4.0
    """No mode becomes more certain than this, squared grey levels."""
    maximum_variance: float = 400.0
    """No mode becomes wider than this, squared grey levels, at most 1023."""
    prune: float = 0.0
    """Share of the history that must support a mode (Zivkovic's complexity prior)."""

    unrest_memory: Seconds = 4.0
    """Seconds over which the share of frames in which a pixel flickers is averaged."""
    unrest_widen: float = 2.0
    """Growth of a pixel's radii with that share: 1 + unrest_widen * share."""
    unrest_lower: float = 3.0
    """Fall of its weight bar with that share: 1 - unrest_lower * share, at least 0.1."""

    stabilise: bool = True
    """Follow a camera that shakes, and one that turns: what goes on being seen stays known."""
    stabilise_rows: int = 60
    """Pixels, about, of the short side of the small picture on which the shift is found; the more,
    the more exact, and the slower."""
    stabilise_every: int = 1
    """Frames from one look for a shift to the next, while the camera stands still; once it moves,
    every frame is looked at."""
    follow_zoom: bool = True
    """Follow a camera that zooms; with `stabilise`."""
    follow_light: bool = True
    """Follow a picture that brightens, darkens or changes its tint as a whole."""
    follow_contrast: bool = True
    """Follow one that gains or loses contrast too, as an infrared camera's does, or one in haze;
    with `follow_light`."""

    shadows: bool = True
    """Label shadows 127."""
    shadow_ratio: float = 0.5
    """Darkest shadow: its brightness as a share of the background's."""
    shadow_faintest: float = 1.0
    """Faintest shadow: its brightness as a share of the background's."""
    shadow_veil: float = 15.0
    """Grey level that the darkest hundredth of a clear view has. What is more is haze, and below it
    the darkest shadow is the fainter; 255 sees no haze."""
    glare_ratio: float = 1.95
    """Brightest light on what is seen at night, which is labelled like a shadow: its brightness as
    a multiple of the background's, 1 to 1.95, in three channels; 1 is off."""
    glare_brightness: float = 64.0
    """Mean grey level of the view up to which it is night; from there to 1.25 times as much
    glare_ratio falls to 1."""
    shadow_unevenness: float = 0.08
    """A shadow's brightness as a share of the background's may vary by so much of itself within 5x5
    pixels; 1 asks for no texture."""
    shadow_tint: float = 8.0
    """How far |dCr| + |dCb| of a shadow may lie from the dimmed background's, grey levels, with
    color = "ycrcb"."""

    shadow_casters: float = 0.25
    """A shadow has foreground of at least this share of its size near it, within a quarter of the
    picture's short side; else it is a thing that is dim, unless it touches the border, a tenth of
    the picture is in shadow, or the light has changed by a tenth (`follow_light`). 0 is off."""

    texture_correlation: float = 0.85
    """Foreground whose texture correlates so well with the background's, in 6x6 cells of about a
    120th of the picture's short side, is the background in another light, and labelled like a
    shadow (0 without `shadows`); 1 is off."""

    value_range: float | None = None
    """Largest value of the input: by default 255 for uint8 and float32, 65535 for uint16."""
    compact: bool = True
    """Keep the state in 16-bit fixed point; False takes float32 and twice the memory."""

    def __post_init__(self) -> None:
        require(1 <= self.modes <= 5, f"modes must be 1 to 5, got {self.modes}")
        for name in (
            "history",
            "relearn_history",
            "nominal_fps",
            "unrest_memory",
        ):
            _positive(name, getattr(self, name))
        for name in (
            "warmup",
            "luma_floor",
            "luma_slope",
            "dark_floor",
            "dark_slope",
            "settled_gain",
            "ghost_edges",
            "unrest_widen",
            "unrest_lower",
            "shadow_veil",
            "shadow_casters",
            "glare_brightness",
        ):
            value = getattr(self, name)
            require(value >= 0, f"{name} must not be negative, got {value}")
        require(
            self.stabilise_rows >= 30,
            f"stabilise_rows must be at least 30, got {self.stabilise_rows}",
        )
        require(
            self.stabilise_every >= 1,
            f"stabilise_every must be at least 1, got {self.stabilise_every}",
        )
        require(self.views_kept >= 0, f"views_kept must not be negative, got {self.views_kept}")
        for name in ("match_sigmas", "background_sigmas"):
            value = getattr(self, name)
            require(value >= 1, f"{name} must be at least 1, got {value}")
        for name, most in (
            ("luma_floor", 255),
            ("luma_slope", 1),
            ("dark_floor", 255),
            ("dark_slope", 1),
            ("chroma_radius", 255),
        ):
            value = getattr(self, name)
            require(value <= most, f"{name} must be at most {most}, got {value}")
        for name in ("unrest_widen", "unrest_lower"):
            value = getattr(self, name)
            require(value < 16, f"{name} must be below 16, got {value}")
        require(
            1 <= self.glare_ratio <= 1.95, f"glare_ratio must be 1 to 1.95, got {self.glare_ratio}"
        )
        _positive("chroma_radius", self.chroma_radius)
        _positive("shadow_tint", self.shadow_tint)
        for name in ("weight_bar", "foreground_rate", "prune", "texture_correlation"):
            _share(name, getattr(self, name), zero=True)
        for name in ("background_share", "shadow_ratio"):
            _share(name, getattr(self, name), zero=False)
        require(
            self.color in get_args(Color),
            f"color must be one of {', '.join(get_args(Color))}, got {self.color!r}",
        )
        require(
            0 < self.minimum_variance <= self.initial_variance <= self.maximum_variance <= 1023,
            "variances must rise from minimum_variance over initial_variance to maximum_variance, "
            f"above 0 and at most 1023, got {self.minimum_variance}, {self.initial_variance}, "
            f"{self.maximum_variance}",
        )
        if self.value_range is not None:
            _positive("value_range", self.value_range)

    def variant(
        self, channels: int, *, byte: bool = True, flagged: bool = False, learn: bool = True
    ) -> Variant:
        """The kernels that these settings need for frames of `channels`."""
        return Variant(
            modes=self.modes,
            channels=channels,
            compact=self.compact,
            byte=byte,
            ycrcb=self.color == "ycrcb" and channels == 3,
            floored=self.luma_floor > 0 or self.luma_slope > 0,
            weight_bar=self.weight_bar > 0,
            hit_gain=self.settled_gain > 0,
            conservative=self.foreground_rate < 1,
            feedback=self.unrest_widen > 0 or self.unrest_lower > 0,
            pruned=self.prune > 0,
            shadows=self.shadows,
            flagged=flagged,
            learn=learn,
        )


def _positive(name: str, value: float) -> None:
    require(value > 0, f"{name} must be above 0, got {value}")


def _share(name: str, value: float, *, zero: bool) -> None:
    low = "0" if zero else "above 0"
    rule = 0 <= value <= 1 and (zero or value > 0)
    require(rule, f"{name} must be {low} to 1, got {value}")


CLASSIC = MixtureParams(
    modes=5,
    history=20.0,
    warmup=20.0,
    color="bgr",
    match_sigmas=3.0,
    luma_floor=0.0,
    luma_slope=0.0,
    dark_floor=255.0,
    weight_bar=0.0,
    foreground_rate=1.0,
    settled_gain=0.0,
    initial_variance=15.0,
    minimum_variance=4.0,
    maximum_variance=75.0,
    prune=0.05,
    unrest_widen=0.0,
    unrest_lower=0.0,
    settling=0.0,
    noise_rate=0.0,
    ghost_edges=0.0,
    even_start=False,
    stabilise=False,
    follow_zoom=False,
    follow_light=False,
    follow_contrast=False,
    shadows=False,
    shadow_unevenness=1.0,
    shadow_veil=255.0,
    shadow_casters=0.0,
    glare_ratio=1.0,
    texture_correlation=1.0,
    relearn_share=1.0,
    follow_cuts=False,
    views_kept=0,
)
"""The classic mixture of Zivkovic (2004) with OpenCV's MOG2 constants: every ingredient off."""
