"""Pictures of models and validations, drawn by matplotlib (extra `plot`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError
from bgsub.evaluation.validation import Track, Tracking, Validation
from bgsub.models import AdaptiveMixture, in_background
from bgsub.sinks.files import checked, finish, part_of

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
"""Of modes, told apart with every kind of colour vision (Okabe and Ito)."""
FOREGROUND = "#d55e00"
BAND = 2.5
"""Standard deviations to each side of a mode that are shaded."""
WIDTH = 4.2
"""Inches of a picture in a figure."""


def require_matplotlib() -> None:
    """Raise ConfigError unless matplotlib is there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ConfigError("matplotlib is not installed: pip install 'bgsub[plot]'") from None


def plot_model(model: AdaptiveMixture, path: Path, title: str) -> None:
    """Draw background, certainty and number of background modes of a model into `path`.

    Raises ConfigError without matplotlib, SinkError.
    """
    background = model.background().astype(np.float32)
    counts = in_background(model.mixtures(), model.params).sum(axis=2)
    figure, axes = _grid(1, 3, background.shape)
    _picture(axes[0, 0], background * np.float32(255 / _top(model)), "background")
    _levels(figure, axes[0, 1], model.certainty(), "certainty", "viridis", 0, 1)
    _counts(figure, axes[0, 2], counts, "background modes", model.params.modes)
    _save(figure, path, title)


def plot_validation(validation: Validation, folder: Path) -> list[Path]:
    """Draw maps of gap and modes, both backgrounds, and each named pixel, into `folder`.

    Returns the files. Raises ConfigError without matplotlib, SinkError.
    """
    made = [folder / name for name in ("gap.png", "modes.png", "background.png")]
    _gaps(validation, made[0])
    _mode_counts(validation, made[1])
    _backgrounds(validation, made[2])
    for n, tracking in enumerate(validation.trackings):
        for track in tracking.tracks:
            number = f"_{n + 1}" if len(validation.trackings) > 1 else ""
            made.append(folder / f"pixel_{track.at[0]}_{track.at[1]}{number}.png")
            _pixel(tracking, track, made[-1])
    return made


def _gaps(validation: Validation, path: Path) -> None:
    shown = validation.trackings
    figure, axes = _grid(1, len(shown), shown[0].background.shape)
    reach = max(2 * validation.margin, 0.1)
    for ax, t in zip(axes[0], shown, strict=True):
        share = t.figures()["share_worse"]
        words = f"{t.name}\n{share:.1%} of the pixels worse by {t.margin:g} nats"
        _levels(figure, ax, t.gap, words, "RdBu_r", -reach, reach, "nats a sample")
    _save(figure, path, "What the batch fit explains better (red), or worse (blue)")


def _mode_counts(validation: Validation, path: Path) -> None:
    shown = validation.trackings
    most = max(2, *(int(max(t.n_online.max(), t.n_batch.max())) for t in shown))
    figure, axes = _grid(len(shown), 2, shown[0].background.shape)
    for row, t in zip(axes, shown, strict=True):
        _counts(figure, row[0], t.n_online, t.name, most)
        _counts(figure, row[1], t.n_batch, "batch fit", most)
    _save(figure, path, "Background modes of each pixel")


def _backgrounds(validation: Validation, path: Path) -> None:
    shown = validation.trackings
    figure, axes = _grid(len(shown), 2, shown[0].background.shape)
    for row, t in zip(axes, shown, strict=True):
        _picture(row[0], t.background, t.name)
        words = f"batch fit, {t.distance.mean():.1f} grey levels away"
        _picture(row[1], t.batch_background, words)
    _save(figure, path, "Backgrounds")


def _pixel(tracking: Tracking, track: Track, path: Path) -> None:
    """Values, online modes with their bands, the batch fit, and the decision, over time."""
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[12, 1])
    values = track.values[:, 0]
    above.plot(track.times, values, ".", color="#555555", ms=2.5, label="value", zorder=3)
    room = max(8.0, 0.08 * float(np.ptp(values)))
    low, high = max(float(values.min()) - room, -2.0), min(float(values.max()) + room, 257.0)
    above.set_ylim(low, high)
    weights, means, variances = (array[:, 0] for array in track.modes)
    means, spread = means[..., 0], BAND * np.sqrt(variances)
    bar = tracking.params.weight_bar or 1 - tracking.params.background_share
    for k in range(weights.shape[1]):
        color = COLORS[k % len(COLORS)]
        heavy, light = weights[:, k] >= bar, (weights[:, k] > 0) & (weights[:, k] < bar)
        mean = np.where(heavy, means[:, k], np.nan)
        if heavy.any():
            label = f"online mode {k + 1}, ±{BAND:g} sigma"
            above.plot(track.moments, mean, color=color, lw=1.6, label=label, zorder=4)
            edges = mean - spread[:, k], mean + spread[:, k]
            above.fill_between(track.moments, *edges, color=color, alpha=0.28, lw=0)
        mean = np.where(light, means[:, k], np.nan)
        above.plot(track.moments, mean, color=color, lw=0.8, alpha=0.6, zorder=2)
    begin, end = track.period, track.times[-1]
    at = end + 0.012 * (end - track.times[0])
    batch = [mode for mode in zip(*(a[0, 0] for a in track.batch), strict=True) if mode[0] > 0]
    for n, (weight, mean, variance) in enumerate(batch):
        words = f"batch fit, ±{BAND:g} sigma, weight" if n == 0 else None
        level, reach = float(mean[0]), BAND * float(np.sqrt(variance))
        above.plot([begin, end], [level] * 2, "k--", lw=0.8 + weight, label=words, zorder=5)
        place = at + 0.008 * n * (end - track.times[0])
        span = [[min(reach, level - low)], [min(reach, high - level)]]
        above.errorbar(place, level, span, color="k", capsize=3, lw=1, clip_on=False)
        beside = dict(textcoords="offset points", va="center", fontsize=9)
        above.annotate(f"{weight:.2f}", (place, level), (7, 0), annotation_clip=False, **beside)
    above.axvline(track.period, color="#999999", lw=0.8, ls=":")
    luma = track.values.shape[1] == 3 and tracking.params.color == "ycrcb"
    above.set_ylabel("luma, grey levels" if luma else "grey levels (first channel)")
    figure.legend(loc="outside lower center", ncols=6, fontsize=9, frameon=False)
    moving = (track.labels == 255).astype(np.float32)
    below.fill_between(track.times, 0, moving, step="mid", color=FOREGROUND, lw=0)
    below.set(ylim=(0, 1), yticks=[], xlabel="seconds", xlim=(track.times[0], end))
    below.set_ylabel("foreground", rotation=0, ha="right", va="center")
    x, y = track.at
    gap = float(tracking.gap[y, x])
    _save(
        figure,
        path,
        f"{tracking.name}: pixel {x},{y}, batch fit {'better' if gap > 0 else 'worse'} by "
        f"{abs(gap):.2f} nats a sample",
    )


def _grid(rows: int, columns: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
    require_matplotlib()
    from matplotlib.figure import Figure

    high = WIDTH * shape[0] / shape[1]
    figure = Figure(
        figsize=(columns * (WIDTH + 0.7), rows * (high + 0.6) + 0.4), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return figure, axes


def _picture(ax: Any, levels: NDArray[Any], title: str) -> None:
    """BGR or grey levels of 0 to 255."""
    eight = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    if eight.ndim == 3 and eight.shape[2] == 3:
        ax.imshow(eight[:, :, ::-1])
    else:
        ax.imshow(eight if eight.ndim == 2 else eight[:, :, 0], cmap="gray", vmin=0, vmax=255)
    ax.set_title(title, fontsize=10)


def _levels(
    figure: Any,
    ax: Any,
    values: NDArray[Any],
    title: str,
    colors: str,
    low: float,
    high: float,
    unit: str = "",
) -> None:
    shown = ax.imshow(values, cmap=colors, vmin=low, vmax=high, interpolation="nearest")
    figure.colorbar(shown, ax=ax, shrink=0.85, label=unit)
    ax.set_title(title, fontsize=10)


def _counts(figure: Any, ax: Any, counts: NDArray[Any], title: str, most: int) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap

    norm = BoundaryNorm(np.arange(-0.5, most + 1), most + 1)
    colors = ListedColormap(["#222222", "#e8e8e8", *COLORS][: most + 1])
    shown = ax.imshow(counts, cmap=colors, norm=norm, interpolation="nearest")
    figure.colorbar(shown, ax=ax, shrink=0.85, ticks=range(most + 1))
    ax.set_title(f"{title}, mean {counts.mean():.2f}", fontsize=10)


def _top(model: AdaptiveMixture) -> float:
    """The largest level of the model's pictures."""
    background = model.background()
    return model.params.value_range or (65535.0 if background.dtype == np.uint16 else 255.0)


def _save(figure: Any, path: Path, title: str) -> None:
    figure.suptitle(title, fontsize=12)
    part = part_of(path)
    with checked(path):
        try:
            figure.savefig(part, dpi=110, bbox_inches="tight", pad_inches=0.12)
            finish(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
