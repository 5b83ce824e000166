"""Models run over sequences, and scored as they go."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from bgsub import config
from bgsub.errors import SourceError, require
from bgsub.evaluation.altered import Clip
from bgsub.evaluation.dataset import Sequence
from bgsub.evaluation.reliability import Reliability
from bgsub.evaluation.report import Report
from bgsub.evaluation.score import Score
from bgsub.masks import Cleaner, MaskParams
from bgsub.models import AdaptiveMixture, MixtureParams, Model, OpenCVModel, preset

Footage = Sequence | Clip
Progress = Callable[[Footage], None]

UNCLEANED = MaskParams(majority=1, weak_share=0.5, min_blob=0.0, max_hole=0.0)


@dataclass(frozen=True, slots=True)
class Contender:
    """A model and the cleaning of its masks, under one name."""

    name: str
    model: MixtureParams | str
    """Settings of an AdaptiveMixture, or the kind of an OpenCVModel."""
    masks: MaskParams

    def build(self, threads: int | None) -> tuple[Model, Cleaner]:
        """A fresh model and cleaner. Raises ConfigError for a kind that is not there."""
        model: Model = (
            OpenCVModel(self.model)
            if isinstance(self.model, str)
            else AdaptiveMixture(self.model, threads)
        )
        return model, Cleaner(self.masks)


def contenders(
    presets: tuple[str, ...] = (),
    configs: tuple[Path, ...] = (),
    models: tuple[str, ...] = (),
    medians: tuple[int, ...] = (1,),
) -> list[Contender]:
    """The contenders of these names.

    Parameters
    ----------
    presets
        Of AdaptiveMixture, each with the usual cleaning.
    configs
        TOML files, whose tables [model] and [mask] hold; the name is the file's without ending.
    models
        Kinds of OpenCVModel. Their makers give them no cleaning, so they get none but a median.
    medians
        Sides of a binary median filter, pixels, 1 for none. Each kind enters once with each.

    Raises
    ------
    ConfigError
        An unknown name, a name twice, a file that cannot be used, or a side that is even.
    """
    made = [Contender(name, preset(name), MaskParams()) for name in presets]
    for path in configs:
        settings = config.load(path)
        made.append(Contender(path.stem, settings.model, settings.mask))
    for kind in models:
        for side in medians:
            name = kind if side == 1 else f"{kind} median {side}"
            made.append(Contender(name, kind, replace(UNCLEANED, majority=side)))
    for contender in made:
        contender.build(1)
    twice = [name for name, times in Counter(c.name for c in made).items() if times > 1]
    require(not twice, f"expected every contender once, got {', '.join(twice)} more than once")
    return made


def run_all(
    sequences: list[Sequence],
    contenders: list[Contender],
    *,
    threads: int | None = 1,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Report]:
    """Score every contender on every sequence.

    Parameters
    ----------
    sequences, contenders
        Who runs over what.
    threads
        Of each AdaptiveMixture. OpenCV's are set by cv2.setNumThreads.
    jobs
        Sequences that run side by side. With more than one, times are those of a busy machine.
    progress
        Called with the sequence after each of its frames, by any thread.

    Returns
    -------
    reports
        One for each contender.
    """
    stop = threading.Event()

    def step(sequence: Footage) -> None:
        if stop.is_set():
            raise SourceError("given up, because another sequence failed")
        if progress is not None:
            progress(sequence)

    with ThreadPoolExecutor(jobs, thread_name_prefix="bgsub-eval") as pool:
        runs = [
            pool.submit(score_run, sequence, contenders, threads=threads, progress=step)
            for sequence in sequences
        ]
        try:
            done, _ = wait(runs, return_when=FIRST_EXCEPTION)
            for run in done:
                run.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    rows = [run.result() for run in runs]
    return [Report(c.name, [row[n] for row in rows]) for n, c in enumerate(contenders)]


def score_run(
    sequence: Footage,
    contenders: list[Contender],
    *,
    threads: int | None = 1,
    probabilities: bool = True,
    progress: Progress | None = None,
) -> list[Score]:
    """Run every contender over one sequence from the first frame, and score their masks.

    They take turns on each frame, so that their times compare even where the machine is busy. An
    AdaptiveMixture is told its cleaned masks, and with `probabilities` its
    `foreground_probability` is judged beside its mask. Frames have no time: its nominal frame rate
    holds.
    """
    cv2.setRNGSeed(0)  # KNN draws from it, and would score otherwise each time
    built = [contender.build(threads) for contender in contenders]
    scores = [Score(sequence.category, sequence.name) for _ in contenders]
    spent = np.empty((len(sequence.inputs), len(contenders)))
    for n, (number, image) in enumerate(sequence.frames()):
        truth = sequence.truth(number) if number in sequence.truths else None
        for k, (model, clean) in enumerate(built):
            began = time.perf_counter()
            mask = clean(model.apply(image))
            model.feedback(mask)
            spent[n, k] = time.perf_counter() - began
            if truth is None:
                continue
            scores[k].add(number, truth, mask, lambda image=image: image)  # type: ignore[misc]
            if probabilities and isinstance(model, AdaptiveMixture):
                judged = Reliability.of(truth, model.foreground_probability())
                scores[k].reliability = (scores[k].reliability or Reliability.none()) + judged
        if progress is not None:
            progress(sequence)
    for score, median in zip(scores, np.median(spent, axis=0), strict=True):
        score.milliseconds = float(median) * 1000
    return scores
