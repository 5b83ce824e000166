"""What is in a model, and how two differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from bgsub.errors import require
from bgsub.models import AdaptiveMixture, in_background

NOTICED = (3, 15)
"""Grey levels between two backgrounds that are counted."""


def describe(model: AdaptiveMixture) -> dict[str, Any]:
    """What is in a model.

    Returns
    -------
    about
        size [width, height], channels, dtype, frames and seconds learnt, memory_bytes, shares of
        the pixels by their number of background modes (from 0), noise (median standard deviation
        of the heaviest modes, grey levels), certainty (mean), params.
    """
    modes = model.mixtures()
    height, width = modes.weights.shape[:2]
    counts = in_background(modes, model.params).sum(axis=2)
    first = modes.weights.argmax(axis=2)[..., None]
    variance = np.take_along_axis(modes.variances, first, axis=2)
    per_pixel = np.bincount(counts.ravel(), minlength=2) / counts.size
    return {
        "size": [width, height],
        "channels": modes.means.shape[3],
        "dtype": model.background().dtype.name,
        "frames": model.frames_learnt,
        "seconds": model.seconds_learnt,
        "memory_bytes": model.memory_bytes,
        "background_modes": [float(share) for share in per_pixel],
        "noise": float(np.sqrt(np.median(variance))),
        "certainty": float(model.certainty().mean()),
        "params": asdict(model.params),
    }


def differences(a: AdaptiveMixture, b: AdaptiveMixture) -> dict[str, Any]:
    """How two models of frames of one size differ.

    Returns
    -------
    differences
        params {name: [a, b]} that are not alike, frames and seconds [a, b], background (mean, 95 %
        and largest difference, and the share of pixels beyond 3 and 15, grey levels), and the
        share of pixels with another number of background modes.

    Raises
    ------
    ConfigError
        Models of frames of other sizes or types.
    """
    require(
        a.shape == b.shape,
        f"models of frames {a.shape} and {b.shape} cannot be compared: expected the same size",
    )
    one, two = a.background(), b.background()
    require(
        one.dtype == two.dtype,
        f"models of {one.dtype} and {two.dtype} frames cannot be compared: expected the same type",
    )
    scale = 255 / (a.params.value_range or (65535.0 if one.dtype == np.uint16 else 255.0))
    gap = np.abs(one.astype(np.float32) - two.astype(np.float32)) * np.float32(scale)
    gap = gap if gap.ndim == 2 else gap.max(axis=2)
    counts = [in_background(m.mixtures(), m.params).sum(axis=2) for m in (a, b)]
    old, new = asdict(a.params), asdict(b.params)
    return {
        "params": {name: [old[name], new[name]] for name in old if old[name] != new[name]},
        "frames": [a.frames_learnt, b.frames_learnt],
        "seconds": [a.seconds_learnt, b.seconds_learnt],
        "background": {
            "mean": float(gap.mean()),
            "p95": float(np.percentile(gap, 95)),
            "max": float(gap.max()),
            **{f"above_{level}": float((gap > level).mean()) for level in NOTICED},
        },
        "other_mode_count": float((counts[0] != counts[1]).mean()),
    }


def as_text(about: dict[str, Any]) -> str:
    """What `describe` found, for people."""
    from bgsub.models import MixtureParams

    shares = ", ".join(
        f"{share:.1%} {n} mode{'' if n == 1 else 's'}"
        for n, share in enumerate(about["background_modes"])
        if share > 0
    )
    usual = asdict(MixtureParams())
    changed = {n: v for n, v in about["params"].items() if v != usual[n]}
    width, height = about["size"]
    return "\n".join(
        [
            f"frames      {width}x{height}, {about['channels']} channel"
            f"{'' if about['channels'] == 1 else 's'} of {about['dtype']}",
            f"learnt      {about['frames']} frames, {about['seconds']:.1f} s",
            f"memory      {about['memory_bytes'] / 1e6:.1f} MB",
            f"background  {shares}",
            f"noise       {about['noise']:.1f} grey levels",
            f"certainty   {about['certainty']:.2f}",
            "settings    "
            + (", ".join(f"{n} = {v}" for n, v in changed.items()) or "those of balanced"),
        ]
    )


def difference_as_text(found: dict[str, Any]) -> str:
    """What `differences` found, for people."""
    background = found["background"]
    settings = ", ".join(f"{n} {a} | {b}" for n, (a, b) in found["params"].items())
    beyond = ", ".join(f"{background[f'above_{n}']:.1%} beyond {n}" for n in NOTICED)
    return "\n".join(
        [
            f"settings    {settings or 'the same'}",
            "learnt      {} | {} frames, {:.1f} | {:.1f} s".format(
                *found["frames"], *found["seconds"]
            ),
            f"background  {background['mean']:.2f} grey levels apart, 95 % within "
            f"{background['p95']:.1f}, at most {background['max']:.0f}; of the pixels {beyond}",
            f"modes       another number in {found['other_mode_count']:.1%} of the pixels",
        ]
    )
