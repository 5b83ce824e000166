"""Learn a background offline: batch fits of sampled frames, from which a model starts.

Frames are sampled evenly over the video, and every pixel's series is fitted by EM
(`bgsub.mixture.fit_pixels`). What counts as background is decided by a mode's share over time,
not by who came first: the mode with the largest weight / sigma always, another one where it is seen
in more than half of ten equal parts of the time, and no wider than the model's modes may be. A
person who stands still for four tenths of the time is not; leaves and water are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.mixture import fit_pixels
from bgsub.mixture.memory import available_bytes, in_words
from bgsub.mixture.pixels import result_bytes
from bgsub.models import checks
from bgsub.models.adaptive import RANGES, AdaptiveMixture
from bgsub.models.light import Light
from bgsub.models.modes import Modes, is_narrow, is_ycrcb, joined, main_mode, to_space
from bgsub.models.params import MixtureParams
from bgsub.models.presets import preset
from bgsub.models.stabilise import Pose, Stabiliser, compare
from bgsub.models.warming import memory_bytes

Progress = Callable[[float], None]
"""Is told the share of the rows that are fitted."""

PARTS = 10
"""Equal parts of the time; a background mode is seen in more than half of them."""
SEEN = 0.5
"""A mode is seen in a part where it has at least this share of its overall weight."""
MOST_COMPONENTS = 3
"""That "auto" tries for a pixel."""
FEWEST = 2 * PARTS
"""Frames that must be there to learn from."""
STRIP_PIXELS = 1 << 15
"""Fitted at once, so that what a fit needs beside the samples stays small."""


class Shown(Protocol):
    """What is learnt from: a frame with its time."""

    @property
    def image(self) -> NDArray[Any]: ...
    @property
    def time(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Learnt:
    """A background that was learnt, and what was found."""

    model: AdaptiveMixture
    n_frames: int
    """Frames sampled."""
    seconds: float
    """Time between the first and the last of them."""
    passes: int
    """Times the source was read: once for each block of rows that fits into memory."""
    n_modes: NDArray[np.float64]
    """Share of the pixels with 1, 2, ... background modes."""
    noise: float
    """Median standard deviation of the heaviest modes, grey levels (luma of colour)."""
    coverage: float
    """Mean share of the time that the background modes explain."""


def learn(
    source: Callable[[], Iterable[Shown]],
    params: MixtureParams | None = None,
    *,
    n_frames: int = 200,
    components: int | Literal["auto"] = "auto",
    rereadable: bool = True,
    memory_limit: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """Learn the background of a video, robust to what passes through it.

    Parameters
    ----------
    source
        Opens the video: returns its frames, in order, each with `image` and `time`. Called once
        for each block of rows. For a list of frames, `lambda: frames`.
    params
        Of the model that starts from it; by default the preset "balanced".
    n_frames
        Frames to sample, at least 20: between half of it and all of it are kept, evenly spread,
        however long the video turns out to be.
    components
        Gaussians fitted to each pixel, at most the model's modes; "auto" chooses up to three for
        each pixel by the Bayesian information criterion.
    rereadable
        Whether `source` gives the same frames again; a camera does not.
    memory_limit
        Bytes that may be used; by default half of what the machine has left. Where the samples
        need more, the video is read again for each block of rows.
    threads
        Processors to use, by default all. The model is the same for any number.
    progress
        Called as the work goes on.

    Raises
    ------
    FrameError
        Too few frames, or such that a model cannot take.
    ConfigError
        A parameter out of its range, or a need for more memory than there is.

    Examples
    --------
    >>> from bgsub.synthetic import scene
    >>> shots = scene("visited", size=(64, 48), frames=60)
    >>> learnt = learn(lambda: shots)
    >>> off = abs(learnt.model.background().astype(int) - shots.shot(0).background)
    >>> learnt.n_frames, bool((off.max(axis=2) <= 3).mean() > 0.99)
    (60, True)
    """
    params = params or preset("balanced")
    require(n_frames >= FEWEST, f"at least {FEWEST} frames are needed to learn, got {n_frames}")
    require(
        components == "auto" or 1 <= components <= params.modes,
        f"components must be auto or 1 to {params.modes}, the model's modes, got {components!r}",
    )
    limit = available_bytes() // 2 if memory_limit is None else memory_limit
    most = min(MOST_COMPONENTS, params.modes) if components == "auto" else components
    plan = _Plan(params, n_frames, components, most, limit, rereadable)
    sample = _sampled(source, plan)
    height, width = sample.shape[:2]
    channels = sample.images.shape[3] if sample.images.ndim == 4 else 1
    modes = Modes(
        np.empty((height, width, most), np.float32),
        np.empty((height, width, most, channels), np.float32),
        np.empty((height, width, most), np.float32),
    )
    coverage = np.empty((height, width), np.float32)
    block = sample.images.shape[1]
    strip = max(1, STRIP_PIXELS // width)
    for top in range(0, height, block):
        if top > 0:
            _read_again(source, sample, plan, top)
        for first in range(top, min(top + block, height), strip):
            rows = slice(first, min(first + strip, top + block, height))
            images = sample.images[:, first - top : rows.stop - top]
            found, coverage[rows] = _background(images, plan, first * width, threads)
            for whole, part in zip(modes, found, strict=True):
                whole[rows] = part
            if progress is not None:
                progress(rows.stop / height)
    model = AdaptiveMixture.from_mixtures(
        modes,
        params,
        n_frames=len(sample.images),
        seconds=sample.seconds,
        dtype=sample.dtype.name,
        threads=threads,
    )
    counts = np.bincount((modes.weights > 0).sum(axis=2).ravel(), minlength=most + 1)[1:]
    return Learnt(
        model=model,
        n_frames=len(sample.images),
        seconds=sample.seconds,
        passes=-(-height // block),
        n_modes=counts / coverage.size,
        noise=float(np.sqrt(np.median(modes.variances[:, :, 0]))),
        coverage=float(coverage.mean()),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    params: MixtureParams
    n_frames: int
    components: int | Literal["auto"]
    most: int
    limit: int
    rereadable: bool

    def rows(self, image: NDArray[Any]) -> int:
        """Rows of frames like `image` that can be held at once. Raises ConfigError for none."""
        height, width = image.shape[:2]
        channels = image.shape[2] if image.ndim == 3 else 1
        per_number = 1 if image.dtype == np.uint8 else 4
        row = self.n_frames * width * channels * per_number
        modes = 4 * height * width * self.most * (2 + channels)
        working = 4 * result_bytes((1, STRIP_PIXELS + width), channels, self.most, "diag")
        fixed = memory_bytes(self.params, image.shape) + 2 * modes + working
        rows = min(int((self.limit - fixed) // row), height)
        needed = fixed + row * (1 if self.rereadable else height)
        require(
            rows >= (1 if self.rereadable else height),
            f"learning {self.n_frames} frames of {width}x{height} needs {in_words(needed)}, and "
            f"{in_words(self.limit)} may be used: sample fewer frames, or scale them down",
        )
        return int(rows)

    def part(self, image: NDArray[Any], pose: Pose, first: int, last: int) -> NDArray[Any]:
        """Some rows of the image, moved back to the mean view, in the model's space."""
        top = self.range_of(image)
        steady = image if pose == Pose() else pose.steady(image, top)
        return to_space(steady[first:last], self.params, top)

    def range_of(self, image: NDArray[Any]) -> float:
        """The largest value that images like this one may have."""
        return self.params.value_range or RANGES[image.dtype.name]


@dataclass(slots=True)
class _Sample:
    """Frames spread over a video, of all or some of their rows."""

    images: NDArray[Any]
    """(n, rows, width[, channels]) in the model's space."""
    indices: list[int]
    """Their places in the video."""
    poses: list[Pose]
    """Where they lie against the mean view."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    seconds: float


def _sampled(source: Callable[[], Iterable[Shown]], plan: _Plan) -> _Sample:
    """Evenly spread frames of a video whose length nobody knows.

    Every frame is kept until there is no room; then every second one goes, and every second one is
    kept from there on; and so forth.
    """
    images: NDArray[Any] | None = None
    shape, dtype = None, np.dtype(np.uint8)
    indices: list[int] = []
    times: list[float | None] = []
    poses: list[Pose] = []
    p = plan.params
    stabiliser = Stabiliser(p.stabilise_rows, zoom=p.follow_zoom) if p.stabilise else None
    light = Light(plan.params.follow_contrast) if plan.params.follow_light else None
    kept = 0
    stride = 1
    for index, shown in enumerate(source()):
        image = checks.image(shown.image, shape, dtype, plan.params.value_range)
        if images is None:
            shape, dtype = image.shape, image.dtype
            part = plan.part(image, Pose(), 0, plan.rows(image))
            images = np.empty((plan.n_frames, *part.shape), part.dtype)
        if index % stride:
            continue
        if len(indices) == len(images):
            indices, times, poses, stride = indices[::2], times[::2], poses[::2], 2 * stride
            for n in range(len(indices)):
                images[n] = images[2 * n]
            if index % stride:
                continue
        kept += 1
        seen = compare(image, 255 / plan.range_of(image), stabiliser, light)
        if stabiliser is not None:
            stabiliser.learn(seen.small, 1 / kept, seen.pose)
        if light is not None:
            light.learn(seen.blocks, 1 / kept)
        images[len(indices)] = plan.part(image, seen.pose, 0, images.shape[1])
        indices.append(index)
        poses.append(seen.pose)
        times.append(shown.time)
    if images is None or len(indices) < FEWEST:
        raise FrameError(f"expected at least {FEWEST} frames to learn from, got {len(indices)}")
    assert shape is not None
    first, last = times[0], times[-1]
    timed = first is not None and last is not None and last > first
    seconds = last - first if timed else indices[-1] / plan.params.nominal_fps  # type: ignore[operator]
    return _Sample(images[: len(indices)], indices, poses, shape, dtype, seconds)


def _read_again(
    source: Callable[[], Iterable[Shown]], sample: _Sample, plan: _Plan, top: int
) -> None:
    """Put the rows from `top` on of the same frames into the sample."""
    rows = min(sample.images.shape[1], sample.shape[0] - top)
    places = {index: n for n, index in enumerate(sample.indices)}
    left = len(places)
    for index, shown in enumerate(source()):
        if (n := places.get(index)) is not None:
            image = checks.image(shown.image, sample.shape, sample.dtype, plan.params.value_range)
            sample.images[n, :rows] = plan.part(image, sample.poses[n], top, top + rows)
            left -= 1
        if left == 0:
            return
    raise FrameError(f"the video is {left} sampled frames shorter when it is read again")


def _background(
    images: NDArray[Any], plan: _Plan, first_pixel: int, threads: int | None
) -> tuple[Modes, NDArray[np.float32]]:
    """The background modes of some rows, heaviest first, and the share that they explain."""
    found = fit_pixels(
        images,
        "bic" if plan.components == "auto" else plan.components,
        "diag",
        max_components=plan.most,
        first_pixel=first_pixel,
        threads=threads,
    )
    alone = is_ycrcb(plan.params, found.means.shape[3]) or found.means.shape[3] == 1
    variances = found.variances[..., 0] if alone else found.variances.sum(axis=3)
    fitted = Modes(found.weights, found.means, variances)
    modes, shares = joined(fitted, plan.params, found.shares(images, PARTS, threads))
    weights, means, variances = modes
    seen = (shares >= SEEN * weights[:, :, None]).sum(axis=2)
    kept = is_narrow(modes, plan.params) & (seen > PARTS / 2)
    np.put_along_axis(kept, main_mode(modes), True, axis=2)
    weights = weights * kept
    coverage = weights.sum(axis=2)
    weights /= coverage[:, :, None]
    order = np.argsort(-weights, axis=2, kind="stable")
    return (
        Modes(
            np.take_along_axis(weights, order, axis=2),
            np.take_along_axis(means, order[..., None], axis=2),
            np.take_along_axis(variances, order, axis=2),
        ),
        coverage,
    )
