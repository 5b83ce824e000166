"""Time a frame of model and cleaning, in turn with OpenCV's MOG2 on the same frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub import frames
from bgsub.errors import require
from bgsub.evaluation.speed import Clock, machine
from bgsub.masks import Cleaner
from bgsub.models import AdaptiveMixture, Model, OpenCVModel, preset

WARM = 0.25
"""Share of the frames that pay for compiling and filling the mixtures, and do not count."""


def measure(
    images: Sequence[NDArray[np.uint8]],
    presets: Sequence[str],
    threads: int,
    clock: Clock = time.perf_counter,
) -> dict[str, Any]:
    """Milliseconds a frame of each preset, model and cleaning, and of MOG2 without shadows.

    Parameters
    ----------
    images
        The frames, (height, width[, 3]) uint8, at least 20. All variants take each frame before
        the next, so that they share what else the machine does.
    presets
        Names.
    threads
        For all of them.
    clock
        Seconds; `time.thread_time` on one thread leaves out what other programs took meanwhile.

    Returns
    -------
    result
        {"machine", "size", "frames", "threads", "rows"}; a row has median, 95th percentile, frames
        a second and the ratio to MOG2's median.
    """
    require(len(images) >= 20, f"at least 20 frames are needed to measure, got {len(images)}")
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        runs: dict[str, tuple[Model, Callable[[Any], Any]]] = {
            "MOG2": (OpenCVModel("mog2"), lambda mask: mask)
        }
        for name in presets:
            runs[name] = (AdaptiveMixture(preset(name), threads), Cleaner())
        spent: dict[str, list[float]] = {name: [] for name in runs}
        for image in images:
            for name, (model, clean) in runs.items():
                began = clock()
                model.feedback(clean(model.apply(image)))
                spent[name].append((clock() - began) * 1000)
    finally:
        cv2.setNumThreads(before)
    counted = {name: np.array(t[int(len(t) * WARM) :]) for name, t in spent.items()}
    base = float(np.median(counted["MOG2"]))
    height, width = images[0].shape[:2]
    return {
        "machine": machine(),
        "size": [width, height],
        "frames": len(images),
        "threads": threads,
        "rows": [
            {
                "name": name,
                "median_ms": float(np.median(t)),
                "p95_ms": float(np.percentile(t, 95)),
                "fps": 1000 / float(np.median(t)),
                "of_mog2": float(np.median(t)) / base,
            }
            for name, t in counted.items()
        ],
    }


def pictures(
    source: str | None, size: tuple[int, int] | None, count: int
) -> list[NDArray[np.uint8]]:
    """Up to `count` frames of `source`, by default a drawn street, resized to (width, height)."""
    if source is None:
        from bgsub.synthetic import scene

        shown = scene("street", size=size or (320, 240), frames=count, noise=2.5)
        return [shot.image for shot in shown]
    images: list[NDArray[np.uint8]] = []
    with frames.open(source) as opened:
        for frame in opened:
            image = frame.image if size is None else cv2.resize(frame.image, size)
            images.append(np.asarray(image, np.uint8))
            if len(images) == count:
                break
    return images


def as_text(result: dict[str, Any]) -> str:
    """The result as an aligned table."""
    width, height = result["size"]
    lines = [
        f"{width}x{height}, {result['frames']} frames, {result['threads']} thread(s)",
        f"{'':10} {'median ms':>10} {'95 % ms':>10} {'frames/s':>10} {'of MOG2':>10}",
    ]
    lines += [
        f"{r['name']:10} {r['median_ms']:10.2f} {r['p95_ms']:10.2f} {r['fps']:10.0f} "
        f"{r['of_mog2']:10.2f}"
        for r in result["rows"]
    ]
    return "\n".join(lines)
