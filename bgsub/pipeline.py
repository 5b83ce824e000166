"""The one loop: frames -> model -> masks -> sinks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import BgsubError
from bgsub.frames import Source, prefetch
from bgsub.frames import open as open_source
from bgsub.masks import Cleaner, find_blobs
from bgsub.models import AdaptiveMixture, Model
from bgsub.sinks import NO_BOXES, Result, Sink

Mask = NDArray[np.uint8]
Clean = Callable[[Mask], Mask]

AHEAD = 4
"""Results that may wait for the sinks."""
STAGES = ("read", "convert", "model", "clean", "write")
"""Decoding; making images of what was decoded; the model; cleaning and boxes; the sinks."""


@dataclass(slots=True)
class Report:
    """What a run did; it grows while the run goes on."""

    frames: int = 0
    """Frames that went through the model and all sinks."""
    failed: int = 0
    """Frames that failed to decode, and were skipped."""
    ended_early: bool = False
    """Whether the source ended well before the duration it claims."""
    stopped: bool = False
    """Whether `stop` ended the run."""
    seconds: float = 0.0
    """Wall time."""
    foreground: float = 0.0
    """Mean share of foreground pixels."""
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Seconds that each of STAGES worked. Reading and converting, model and cleaning, and writing
    go on side by side, so together they may be longer than the run."""

    @property
    def fps(self) -> float:
        """Frames a second of wall time."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    @property
    def whole(self) -> bool:
        """Whether every frame of the source arrived."""
        return not (self.failed or self.ended_early or self.stopped)


def run(
    source: Source | str | Path | int,
    model: Model | None = None,
    clean: Clean | None = None,
    sinks: Sequence[Sink] = (),
    *,
    learning_rate: float | None = None,
    roi: NDArray[Any] | None = None,
    stop: threading.Event | None = None,
    on_result: Callable[[Result, Report], None] | None = None,
    report: Report | None = None,
) -> Report:
    """Send every frame of `source` through model and cleaning, and hand the result to each sink.

    Reading, model, and sinks each have a thread, so that they overlap; results arrive in order.
    However the run ends, each sink is closed, so that what was written so far is complete; a sink
    that fails, or got no frame, is aborted and leaves nothing unfinished.

    Parameters
    ----------
    source
        An open source, which is closed at the end, or what `bgsub.open` takes.
    model
        By default a fresh AdaptiveMixture with the preset "balanced".
    clean
        Raw mask to clean mask; by default a Cleaner with its defaults.
    sinks
        Where results go.
    learning_rate, roi
        For every frame; see AdaptiveMixture.apply.
    stop
        When it is set, the run ends after the result at hand.
    on_result
        Called with every result, after the sinks, in the caller's thread.
    report
        Filled as the run goes on, so that a caller has it even when the run ends by an error.

    Returns
    -------
    report
        What was done.

    Raises
    ------
    SourceError
        The source fails, before its first frame or in its middle.
    FrameError
        A frame that the model cannot take.
    SinkError
        A result cannot be written.

    Examples
    --------
    >>> import bgsub
    >>> report = bgsub.run("sample_videos/street.mp4", bgsub.AdaptiveMixture.from_preset("fast"))
    >>> report.frames, report.whole
    (200, True)
    """
    report = Report() if report is None else report
    began = time.perf_counter()
    try:
        with source if isinstance(source, Source) else open_source(source) as opened:
            results = _results(
                opened,
                AdaptiveMixture() if model is None else model,
                Cleaner() if clean is None else clean,
                learning_rate,
                roi,
                any(sink.needs_boxes for sink in sinks),
                report,
            )
            try:
                with closing(prefetch(results, AHEAD)) as ready:  # type: ignore[type-var]
                    for result in ready:
                        _hand_over(result, sinks, report)
                        if on_result is not None:
                            report.seconds = time.perf_counter() - began
                            on_result(result, report)
                        if stop is not None and stop.is_set():
                            report.stopped = True
                            break
            finally:
                report.failed, report.ended_early = opened.failed, opened.ended_early
                report.stages.update(opened.seconds)
    except BaseException:
        _finish(sinks, report)  # what the sinks say now would hide the first error
        raise
    if failures := _finish(sinks, report):
        raise failures[0]
    report.seconds = time.perf_counter() - began
    return report


def _results(
    source: Source,
    model: Model,
    clean: Clean,
    learning_rate: float | None,
    roi: NDArray[Any] | None,
    boxes: bool,
    report: Report,
) -> Iterator[Result]:
    """Each frame with its clean mask, which the model is told before the next."""
    stages, clock = report.stages, time.perf_counter
    for frame in source:
        begun = clock()
        raw = model.apply(frame.image, frame.time, learning_rate, roi)
        labelled = clock()
        mask = clean(raw)
        cleaned = clock()
        model.feedback(mask)
        learnt = clock()
        found = find_blobs(mask).boxes if boxes else NO_BOXES
        boxed = clock()
        stages["model"] += labelled - begun + learnt - cleaned
        stages["clean"] += cleaned - labelled + boxed - learnt
        milliseconds = (learnt - begun) * 1000
        yield Result(frame.image, mask, frame.index, frame.time, found, milliseconds)


def _hand_over(result: Result, sinks: Sequence[Sink], report: Report) -> None:
    begun = time.perf_counter()
    for sink in sinks:
        sink.write(result)
    share = np.count_nonzero(result.mask == 255) / result.mask.size
    report.frames += 1
    report.foreground += (share - report.foreground) / report.frames
    report.stages["write"] += time.perf_counter() - begun


def _finish(sinks: Sequence[Sink], report: Report) -> list[BgsubError]:
    """Close every sink; those that cannot be are aborted, all if there was no frame.

    Returns what they raised.
    """
    failures, begun = [], time.perf_counter()
    for sink in sinks:
        try:
            if report.frames > 0:
                sink.close()
            else:
                sink.abort()
        except BgsubError as error:
            failures.append(error)
            sink.abort()
    report.stages["write"] += time.perf_counter() - begun
    return failures
