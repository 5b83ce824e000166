"""How well the online mixtures track what a batch fit of the same frames finds.

A video is replayed through an online model. From the last part of it, the period, frames are
sampled evenly, as the model sees them (moved back and brightened to its view with `stabilise`):
most of them are fitted by batch EM, pixel by pixel, and every fifth is held out, shown neither to
the fit nor to the online model. What a held-out frame's pixel is worth, the logarithm of its
density, is asked of the online mixture at that moment and of the batch fit. A model that forgets
too fast, lags behind, or is too wide pays for it in nats.

Both densities are mixed with OUTLIERS of a uniform one, so that a passer-by costs both the same
bounded amount. In colour with color = "ycrcb" they are densities of luma, the channel whose
variance the online model keeps; else of all channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.masks import Cleaner
from bgsub.mixture import PixelMixtures, fit_pixels
from bgsub.mixture.memory import available_bytes, in_words
from bgsub.models import (
    AdaptiveMixture,
    MixtureParams,
    Modes,
    in_background,
    is_ycrcb,
    joined,
    main_mode,
    to_bgr,
    to_space,
)
from bgsub.models.start import Shown

Floats = NDArray[np.float32]
Progress = Callable[[str, float | None], None]

OUTLIERS = 0.01
"""Weight of the uniform density."""
SETTLING = 1 / 3
"""Share of the frames before the period, in which the online models settle."""
HELD_OUT = 5
"""Every how many-th sampled frame is held out."""
FEWEST = 60
"""Frames that a video must have."""
MOMENTS = 400
"""Times at which the modes of a named pixel are noted."""
COMPONENTS = 3
"""Most components of a batch fit."""


@dataclass(frozen=True, slots=True)
class Track:
    """What a named pixel showed, and what a model made of it."""

    at: tuple[int, int]
    """Column and row."""
    times: NDArray[np.float64]
    """Seconds of each frame, its number where it has no time."""
    values: Floats
    """(frames, channels) in the model's space."""
    labels: NDArray[np.uint8]
    """Of the cleaned masks."""
    moments: NDArray[np.float64]
    """Seconds at which the modes were noted."""
    modes: Modes
    """(moments, 1, modes): the online ones then."""
    batch: Modes
    """(1, 1, K): those of the fit."""
    period: float
    """Seconds at which the period begins."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """How well one online model did."""

    name: str
    params: MixtureParams
    online: Floats
    """(height, width) mean log density of the held-out frames under the online mixtures, nats."""
    batch: Floats
    """The same under the batch fit."""
    modes: Modes
    """The online ones at the end."""
    background: Floats
    """(height, width, channels) of the online model at the end, grey levels, BGR."""
    batch_background: Floats
    """The same of the batch fit."""
    n_online: NDArray[np.int64]
    """(height, width) background modes of the online model."""
    n_batch: NDArray[np.int64]
    """(height, width) modes of the batch fit that would count as background online."""
    margin: float
    tracks: list[Track] = field(default_factory=list)

    @property
    def gap(self) -> Floats:
        """(height, width) nats a sample by which the batch fit is better."""
        return self.batch - self.online

    @property
    def distance(self) -> Floats:
        """(height, width) grey levels between the two backgrounds, mean over the channels."""
        return np.asarray(np.abs(self.background - self.batch_background).mean(axis=2))

    def figures(self) -> dict[str, float]:
        """The means over all pixels."""
        return {
            "online_nats": float(self.online.mean()),
            "batch_nats": float(self.batch.mean()),
            "gap_nats": float(self.gap.mean()),
            "share_worse": float((self.gap > self.margin).mean()),
            "background_levels": float(self.distance.mean()),
            "background_levels_p95": float(np.percentile(self.distance, 95)),
            "online_modes": float(self.n_online.mean()),
            "batch_modes": float(self.n_batch.mean()),
        }


@dataclass(frozen=True, slots=True)
class Validation:
    """Online models beside batch fits of the same period."""

    trackings: list[Tracking]
    n_frames: int
    """Of the whole video."""
    period: tuple[float, float]
    """Its first and last second (or frame, without times)."""
    n_fitted: int
    """Frames that were fitted."""
    n_held_out: int
    margin: float

    def to_json(self) -> str:
        """All figures."""
        about = {
            "frames": self.n_frames,
            "period": list(self.period),
            "fitted": self.n_fitted,
            "held_out": self.n_held_out,
            "margin_nats": self.margin,
        }
        models = [{"name": t.name, **t.figures()} for t in self.trackings]
        return json.dumps({**about, "models": models}, indent=1)

    def to_text(self) -> str:
        """The figures as an aligned table."""
        wide = max(len(t.name) for t in self.trackings) + 2
        head = "online", "batch", "gap", "worse", "background", "95 %", "modes", "batch"
        lines = [
            f"{self.n_held_out} frames held out, {self.n_fitted} fitted, of the period from "
            f"{self.period[0]:.1f} to {self.period[1]:.1f} s",
            f"{'':{wide}}" + "".join(f"{word:>11}" for word in head),
        ]
        for t in self.trackings:
            f = t.figures()
            lines.append(
                f"{t.name:{wide}}{f['online_nats']:11.3f}{f['batch_nats']:11.3f}"
                f"{f['gap_nats']:11.3f}{f['share_worse']:11.1%}{f['background_levels']:11.2f}"
                f"{f['background_levels_p95']:11.2f}{f['online_modes']:11.2f}"
                f"{f['batch_modes']:11.2f}"
            )
        lines.append(
            "online, batch, gap: nats a sample, higher is better; worse: pixels whose gap is above "
            f"{self.margin:g};\nbackground: grey levels between the two; modes: of the background"
        )
        return "\n".join(lines)


def validate(
    source: Callable[[], Iterable[Shown]],
    models: dict[str, AdaptiveMixture],
    *,
    n_frames: int = 200,
    margin: float = 0.5,
    pixels: Sequence[tuple[int, int]] = (),
    threads: int | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Replay a video through online models, and compare each with a batch fit.

    Parameters
    ----------
    source
        Opens the video: returns its frames, in order. Called once to count, and once for each
        model; so no camera.
    models
        By name. They are not changed: copies learn.
    n_frames
        Frames of the period to fit; a quarter as many are held out.
    margin
        Nats a sample by which the online model must be worse for a pixel to count as worse.
    pixels
        Columns and rows of pixels to be explained: their values, modes and labels are kept.
    threads
        Processors to use, by default all.
    progress
        Told what is done, and the share of it.

    Returns
    -------
    validation
        Maps and figures.

    Raises
    ------
    FrameError
        Fewer than 60 frames, or such that a model cannot take.
    ConfigError
        A parameter out of its range, a pixel outside the frames, or frames that do not fit into
        memory.
    """
    require(n_frames >= 20, f"n_frames must be at least 20, got {n_frames}")
    require(margin >= 0, f"margin must not be negative, got {margin}")
    require(len(models) > 0, "expected at least one model")
    tell = progress or (lambda words, share: None)
    times = []
    for n, shown in enumerate(source()):
        times.append(float(n) if shown.time is None else shown.time)
        shape = shown.image.shape
        tell(f"counting frame {n + 1}", None)
    if len(times) < FEWEST:
        raise FrameError(f"expected at least {FEWEST} frames to validate, got {len(times)}")
    for x, y in pixels:
        require(
            0 <= x < shape[1] and 0 <= y < shape[0],
            f"pixel {x},{y} lies outside the frames of {shape[1]}x{shape[0]}",
        )
    first = int(len(times) * SETTLING)
    count = min(n_frames * HELD_OUT // (HELD_OUT - 1), len(times) - first)
    chosen = np.linspace(first, len(times) - 1, count).round().astype(int).tolist()
    plan = _Plan(times, chosen, margin, list(pixels), threads)
    return Validation(
        trackings=[_track(source, name, model, plan, tell) for name, model in models.items()],
        n_frames=len(times),
        period=(times[first], times[-1]),
        n_fitted=count - count // HELD_OUT,
        n_held_out=count // HELD_OUT,
        margin=margin,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What holds for every model."""

    times: list[float]
    chosen: list[int]
    """Numbers of the sampled frames; every fifth of them is held out."""
    margin: float
    pixels: list[tuple[int, int]]
    threads: int | None


def _track(
    source: Callable[[], Iterable[Shown]],
    name: str,
    given: AdaptiveMixture,
    plan: _Plan,
    tell: Progress,
) -> Tracking:
    """Replay the video through a copy of a model, fit what it saw, and compare."""
    model, clean, notes = given.copy(), Cleaner(), _Notes(plan)
    model.threads = plan.threads
    places = {index: n for n, index in enumerate(plan.chosen)}
    images: NDArray[Any] | None = None
    scores = []
    n = -1
    for n, shown in enumerate(source()):
        place = places.get(n)
        held_out = place is not None and place % HELD_OUT == HELD_OUT - 1
        mask = clean(model.apply(shown.image, shown.time, 0.0 if held_out else None))
        if not held_out:
            model.feedback(mask)
        view = to_space(model.view(), model.params, _range(model.params, shown.image))
        if images is None:
            images = _room(view, len(plan.chosen))
        if place is not None:
            images[place] = view
        if held_out:
            online = _density(_own(model.mixtures(), model.params))
            scores.append(online.score(_seen(view[None], model.params), plan.threads))
        notes.add(n, model, view, mask)
        tell(f"{name}: replaying frame {n + 1}", (n + 1) / len(plan.times))
    if images is None or n + 1 != len(plan.times):
        raise FrameError(
            f"the video had {len(plan.times)} frames, and {n + 1} when it was read again"
        )

    tell(f"{name}: fitting", None)
    out = np.arange(len(images)) % HELD_OUT == HELD_OUT - 1
    params, threads = model.params, plan.threads
    fitted = fit_pixels(images[~out], "bic", "diag", max_components=COMPONENTS, threads=threads)
    luma = is_ycrcb(params, fitted.means.shape[3])
    variances = fitted.variances[..., 0] if luma else fitted.variances.sum(axis=3)
    batch, _ = joined(Modes(fitted.weights, fitted.means, variances), params)
    means = np.take_along_axis(batch.means, main_mode(batch)[..., None], axis=2)[:, :, 0]
    batch_background = to_bgr(means, params)
    shown_background = model.background()
    own = shown_background.astype(np.float32) * np.float32(255 / _range(params, shown_background))
    modes = model.mixtures()
    return Tracking(
        name=name,
        params=params,
        online=np.mean(scores, axis=0),
        batch=_density(_judged(fitted, params)).score(_seen(images[out], params), threads),
        modes=modes,
        background=own.reshape(batch_background.shape),
        batch_background=batch_background,
        n_online=in_background(modes, params).sum(axis=2),
        n_batch=in_background(batch, params).sum(axis=2),
        margin=plan.margin,
        tracks=notes.tracks(batch),
    )


class _Notes:
    """What is noted of the named pixels on the way."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.every = max(1, len(plan.times) // MOMENTS)
        self.values: list[Floats] = []
        self.labels: list[NDArray[np.uint8]] = []
        self.moments: list[float] = []
        self.modes: list[Modes] = []

    def add(
        self, n: int, model: AdaptiveMixture, view: NDArray[Any], mask: NDArray[np.uint8]
    ) -> None:
        """Note frame n."""
        if self.plan.pixels:
            x, y = np.array(self.plan.pixels).T
            self.values.append(view[y, x].reshape(len(x), -1).astype(np.float32))
            self.labels.append(mask[y, x])
            if n % self.every == 0:
                self.moments.append(self.plan.times[n])
                self.modes.append(Modes(*(array[y, x] for array in model.mixtures())))

    def tracks(self, batch: Modes) -> list[Track]:
        """One for each pixel."""
        return [
            Track(
                at=(x, y),
                times=np.array(self.plan.times),
                values=np.array([values[n] for values in self.values]),
                labels=np.array([labels[n] for labels in self.labels]),
                moments=np.array(self.moments),
                modes=Modes(*(np.stack([m[f][n] for m in self.modes])[:, None] for f in range(3))),
                batch=Modes(*(array[y : y + 1, x : x + 1] for array in batch)),
                period=self.plan.times[self.plan.chosen[0]],
            )
            for n, (x, y) in enumerate(self.plan.pixels)
        ]


def _room(view: NDArray[Any], count: int) -> NDArray[Any]:
    """An array for `count` images like `view`. Raises ConfigError where memory is short."""
    need, limit = count * view.nbytes, available_bytes() // 2
    require(
        need <= limit,
        f"{count} frames of {view.shape[1]}x{view.shape[0]} need {in_words(need)}, and "
        f"{in_words(limit)} may be used: sample fewer frames, or scale them down",
    )
    return np.empty((count, *view.shape), view.dtype)


def _range(params: MixtureParams, image: NDArray[Any]) -> float:
    return params.value_range or (65535.0 if image.dtype == np.uint16 else 255.0)


def _seen(images: NDArray[Any], params: MixtureParams) -> NDArray[Any]:
    """Of (T, height, width[, channels]) what is judged: luma, or all channels."""
    if images.ndim == 4 and is_ycrcb(params, images.shape[3]):
        return np.ascontiguousarray(images[..., 0])
    return images


def _judged(fitted: PixelMixtures, params: MixtureParams) -> PixelMixtures:
    if not is_ycrcb(params, fitted.means.shape[3]):
        return fitted
    return replace(fitted, means=fitted.means[..., :1], variances=fitted.variances[..., :1])


def _own(modes: Modes, params: MixtureParams) -> PixelMixtures:
    """The online model's Gaussians of what is judged."""
    channels = modes.means.shape[3]
    judged = 1 if is_ycrcb(params, channels) else channels
    variances = np.maximum(modes.variances / judged, 1e-3)[..., None].repeat(judged, axis=3)
    size = modes.weights.shape[:2]
    return PixelMixtures(
        weights=modes.weights,
        means=modes.means[..., :judged],
        variances=variances.astype(np.float32),
        n_components=(modes.weights > 0).sum(axis=2).astype(np.uint8),
        log_likelihood=np.full(size, np.nan, np.float32),
        n_iter=np.zeros(size, np.int32),
        converged=np.zeros(size, np.bool_),
    )


def _density(mixtures: PixelMixtures) -> PixelMixtures:
    """The mixtures with a wide component that stands for a uniform density over the levels."""
    height, width, _, channels = mixtures.means.shape
    wide = np.float32(256**2 / (2 * np.pi))  # at its centre as high as the uniform one
    one = (height, width, 1)
    flat = np.full(one, OUTLIERS, np.float32)
    return replace(
        mixtures,
        weights=np.concatenate([(1 - OUTLIERS) * mixtures.weights, flat], axis=2),
        means=np.concatenate(
            [mixtures.means, np.full((*one, channels), 127.5, np.float32)], axis=2
        ),
        variances=np.concatenate(
            [mixtures.variances, np.full((*one, channels), wide, np.float32)], axis=2
        ),
    )
