"""How well the online mixtures track what a batch fit of the same frames finds.

A video is replayed through online models. From the last part of it, the period, frames are sampled
evenly: most of them are fitted by batch EM, pixel by pixel, and every fifth is held out, shown
neither to the fit nor to the online models. What a held-out frame's pixel is worth, the
logarithm of its density, is asked of the online mixture at that moment and of the batch fit. A
model that forgets too fast, lags behind, or is too wide pays for it in nats.

Both densities are mixed with OUTLIERS of a uniform one, so that a passer-by costs both the same
bounded amount. In colour with color = "ycrcb" they are densities of luma, the channel whose
variance the online model keeps; else of all channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

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


class Shown(Protocol):
    """A frame with its time."""

    @property
    def image(self) -> NDArray[Any]: ...
    @property
    def time(self) -> float | None: ...


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
    n_online: NDArray[np.int64]
    """(height, width) background modes of the online model."""
    distance: Floats
    """(height, width) grey levels between the two backgrounds, mean over the channels."""
    margin: float
    tracks: list[Track] = field(default_factory=list)

    @property
    def gap(self) -> Floats:
        """(height, width) nats a sample by which the batch fit is better."""
        return self.batch - self.online

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
        }


@dataclass(frozen=True, slots=True)
class Validation:
    """Online models beside the batch fit of the same period."""

    trackings: list[Tracking]
    background: Floats
    """(height, width, channels) of the batch fit, grey levels, BGR."""
    n_batch: NDArray[np.int64]
    """(height, width) modes of the batch fit that would count as background online."""
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
            "batch_modes": float(self.n_batch.mean()),
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
                f"{self.n_batch.mean():11.2f}"
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
    """Replay a video through online models, and compare them with a batch fit.

    Parameters
    ----------
    source
        Opens the video: returns its frames, in order. Called twice; so no camera.
    models
        By name; they must compare colours in the same space. They are not changed: copies learn.
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
        A parameter out of its range, models in different spaces, a pixel outside the frames, or
        frames that do not fit into memory.
    """
    require(n_frames >= 20, f"n_frames must be at least 20, got {n_frames}")
    require(margin >= 0, f"margin must not be negative, got {margin}")
    require(len(models) > 0, "expected at least one model")
    tell = progress or (lambda words, share: None)
    times = []
    for n, shown in enumerate(source()):
        times.append(float(n) if shown.time is None else shown.time)
        shape, dtype = shown.image.shape, shown.image.dtype
        tell(f"counting frame {n + 1}", None)
    if len(times) < FEWEST:
        raise FrameError(f"expected at least {FEWEST} frames to validate, got {len(times)}")
    for x, y in pixels:
        require(
            0 <= x < shape[1] and 0 <= y < shape[0],
            f"pixel {x},{y} lies outside the frames of {shape[1]}x{shape[0]}",
        )
    channels = shape[2] if len(shape) == 3 else 1
    params = next(iter(models.values())).params
    require(
        len({is_ycrcb(m.params, channels) for m in models.values()}) == 1,
        "models that compare colours in different spaces cannot be compared: same color, please",
    )
    first = int(len(times) * SETTLING)
    count = min(n_frames * HELD_OUT // (HELD_OUT - 1), len(times) - first)
    chosen = np.linspace(first, len(times) - 1, count).round().astype(int)
    held = set(chosen[HELD_OUT - 1 :: HELD_OUT].tolist())
    sampled = {index: n for n, index in enumerate(chosen.tolist())}
    need, limit = count * int(np.prod(shape)) * (1 if dtype == np.uint8 else 4), available_bytes()
    require(
        need <= limit // 2,
        f"{count} frames of {shape[1]}x{shape[0]} need {in_words(need)}, and "
        f"{in_words(limit // 2)} may be used: sample fewer frames, or scale them down",
    )

    replays = [
        _Replay(name, model.copy(), list(pixels), max(1, len(times) // MOMENTS))
        for name, model in models.items()
    ]
    for replay in replays:
        replay.model.threads = threads
    images: NDArray[Any] | None = None
    for n, shown in enumerate(source()):
        image = to_space(shown.image, params, _range(params, shown.image))
        if images is None:
            images = np.empty((count, *image.shape), image.dtype)
        if n in sampled:
            images[sampled[n]] = image
        for replay in replays:
            replay.see(shown, image, times[n], n, n in held)
        tell(f"replaying frame {n + 1}", (n + 1) / len(times))
    if images is None or any(replay.n_seen != len(times) for replay in replays):
        raise FrameError(f"the video has not the same {len(times)} frames when it is read again")

    tell("fitting", None)
    out = np.arange(count) % HELD_OUT == HELD_OUT - 1
    fitted = fit_pixels(images[~out], "bic", "diag", max_components=COMPONENTS, threads=threads)
    batch_score = _density(_judged(fitted, params)).score(_seen(images[out], params), threads)
    total = fitted.variances.sum(axis=3)
    alone = is_ycrcb(params, channels)
    variances = fitted.variances[..., 0] if alone else total
    batch, _ = joined(Modes(fitted.weights, fitted.means, variances), params)
    means = np.take_along_axis(batch.means, main_mode(batch)[..., None], axis=2)[:, :, 0]
    background = to_bgr(means, params)
    return Validation(
        trackings=[r.finish(batch, batch_score, background, margin, times[first]) for r in replays],
        background=background,
        n_batch=in_background(batch, params).sum(axis=2),
        n_frames=len(times),
        period=(times[first], times[-1]),
        n_fitted=int((~out).sum()),
        n_held_out=int(out.sum()),
        margin=margin,
    )


class _Replay:
    """An online model on its way through the video, and what is noted of it."""

    def __init__(
        self, name: str, model: AdaptiveMixture, pixels: list[tuple[int, int]], every: int
    ) -> None:
        self.name, self.model, self.pixels, self.every = name, model, pixels, every
        self.clean = Cleaner()
        self.n_seen = 0
        self.score: Floats | None = None
        self.n_scored = 0
        self.times: list[float] = []
        self.values: list[Floats] = []
        self.labels: list[NDArray[np.uint8]] = []
        self.moments: list[float] = []
        self.noted: list[Modes] = []

    def see(
        self, shown: Shown, image: NDArray[Any], time: float, index: int, held_out: bool
    ) -> None:
        """Learn a frame, or judge it without learning."""
        self.n_seen += 1
        if held_out:
            mixtures = _density(_own(self.model.mixtures(), self.model.params))
            found = mixtures.score(_seen(image[None], self.model.params), self.model.threads)
            self.score = found if self.score is None else self.score + found
            self.n_scored += 1
        rate = 0.0 if held_out else None
        mask = self.clean(self.model.apply(shown.image, shown.time, rate))
        if not held_out:
            self.model.feedback(mask)
        if self.pixels:
            x, y = np.array(self.pixels).T
            self.times.append(time)
            self.values.append(image[y, x].reshape(len(x), -1).astype(np.float32))
            self.labels.append(mask[y, x])
            if index % self.every == 0:
                self.moments.append(time)
                self.noted.append(Modes(*(array[y, x] for array in self.model.mixtures())))

    def finish(
        self, batch: Modes, batch_score: Floats, background: Floats, margin: float, period: float
    ) -> Tracking:
        """What came of it."""
        assert self.score is not None
        modes, params = self.model.mixtures(), self.model.params
        shown = self.model.background()
        own = shown.astype(np.float32) * np.float32(255 / _range(params, shown))
        own = own.reshape(background.shape)
        return Tracking(
            name=self.name,
            params=params,
            online=self.score / np.float32(self.n_scored),
            batch=batch_score,
            modes=modes,
            background=own,
            n_online=in_background(modes, params).sum(axis=2),
            distance=np.abs(own - background).mean(axis=2),
            margin=margin,
            tracks=[
                Track(
                    at=(x, y),
                    times=np.array(self.times),
                    values=np.array([values[n] for values in self.values]),
                    labels=np.array([labels[n] for labels in self.labels]),
                    moments=np.array(self.moments),
                    modes=Modes(
                        *(np.stack([m[f][n] for m in self.noted])[:, None] for f in range(3))
                    ),
                    batch=Modes(*(array[y : y + 1, x : x + 1] for array in batch)),
                    period=period,
                )
                for n, (x, y) in enumerate(self.pixels)
            ],
        )


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
