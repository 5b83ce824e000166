"""Score masks on disk, or models as they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, SourceError
from bgsub.evaluation.counts import Counts, count
from bgsub.evaluation.dataset import Labels, Sequence, numbered, read_labels
from bgsub.evaluation.reliability import Reliability
from bgsub.masks import Cleaner, MaskParams
from bgsub.models import AdaptiveMixture, MixtureParams, Model, OpenCVModel, preset
from bgsub.sinks import read_masks
from bgsub.sinks.masks import SUFFIX

Progress = Callable[[Sequence], None]

WORST = 2  # frames kept of each sequence to show
APART = 25  # frames between them; neighbours look alike

UNCLEANED = MaskParams(majority=1, min_blob=0.0, max_hole=0.0)


@dataclass(frozen=True, slots=True)
class BadFrame:
    """One of the frames with the most wrong pixels."""

    number: int
    wrong: int
    """Pixels."""
    image: NDArray[Any]
    """The frame, grey or BGR."""
    truth: Labels
    mask: Labels


@dataclass(slots=True)
class Score:
    """How one sequence went."""

    category: str
    name: str
    counts: Counts = field(default_factory=Counts)
    milliseconds: float = float("nan")
    """Median time of model and cleaning a frame; NaN for masks from disk."""
    worst: list[BadFrame] = field(default_factory=list)
    reliability: Reliability | None = None

    def __str__(self) -> str:
        return f"{self.category}/{self.name}"

    def add(
        self, number: int, truth: Labels, mask: Labels, image: Callable[[], NDArray[Any]]
    ) -> None:
        """Count one frame. Raises FrameError for sizes that differ and truth of other labels."""
        try:
            counts = count(truth, mask)
        except FrameError as error:
            raise FrameError(f"{self}, frame {number}: {error}") from None
        self.counts += counts
        wrong = counts.fp + counts.fn
        near = [bad for bad in self.worst if abs(bad.number - number) < APART]
        if any(bad.wrong >= wrong for bad in near):
            return
        rest = [bad for bad in self.worst if bad not in near]
        if len(rest) == WORST and rest[-1].wrong >= wrong:
            return
        rest.append(BadFrame(number, wrong, image(), truth, mask.copy()))
        self.worst = sorted(rest, key=lambda bad: -bad.wrong)[:WORST]


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
    presets: tuple[str, ...] = (), models: tuple[str, ...] = (), medians: tuple[int, ...] = ()
) -> list[Contender]:
    """The contenders of these names.

    Parameters
    ----------
    presets
        Of AdaptiveMixture, each with the usual cleaning.
    models
        Kinds of OpenCVModel, without cleaning: their makers give them none.
    medians
        Sides of a binary median filter, pixels, 1 for none. Each kind enters once with each.

    Raises
    ------
    ConfigError
        An unknown name, or a side that is even.
    """
    ours = [Contender(name, preset(name), MaskParams()) for name in presets]
    theirs = [Contender(name, name, UNCLEANED) for name in models if not medians]
    filtered = [
        Contender(
            f"{name} median {side}" if side > 1 else name,
            name,
            MaskParams(majority=side, min_blob=0.0, max_hole=0.0),
        )
        for name in models
        for side in medians
    ]
    made = [*ours, *theirs, *filtered]
    for contender in made:
        contender.build(1)
    return made


def run_all(
    sequences: list[Sequence],
    contenders: list[Contender],
    *,
    threads: int | None = 1,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[list[Score]]:
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
    scores
        One list for each contender, in the order of `sequences`.
    """
    stop = threading.Event()

    def step(sequence: Sequence) -> None:
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
            rows = [run.result() for run in runs]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [list(scores) for scores in zip(*rows, strict=True)]


def score_run(
    sequence: Sequence,
    contenders: list[Contender],
    *,
    threads: int | None = 1,
    progress: Progress | None = None,
) -> list[Score]:
    """Run every contender over one sequence from the first frame, and score their masks.

    They take turns on each frame, so that their times compare even where the machine is busy. An
    AdaptiveMixture is told its cleaned masks, and its `foreground_probability` is judged beside
    its mask. Frames have no time: its nominal frame rate holds.
    """
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
            if isinstance(model, AdaptiveMixture):
                judged = Reliability.of(truth, model.foreground_probability())
                scores[k].reliability = (scores[k].reliability or Reliability.none()) + judged
        if progress is not None:
            progress(sequence)
    for score, median in zip(scores, np.median(spent, axis=0), strict=True):
        score.milliseconds = float(median) * 1000
    return scores


def score_results(sequence: Sequence, path: str | Path) -> Score:
    """Score the masks on disk of one sequence.

    Parameters
    ----------
    sequence
        What they are of.
    path
        A folder of pictures, or a video or NPZ that `bgsub run` wrote. Pictures are named by the
        number of their frame, or count the frames from 1; a video holds a mask for every frame.

    Raises
    ------
    SourceError
        A scored frame has no mask, or the masks are not of levels 0 to 255.
    FrameError
        A mask has another size than its truth.
    """
    score = Score(sequence.category, sequence.name)
    missing = dict.fromkeys(sequence.truths)
    brightest = 0
    for number, mask in _masks(sequence, Path(path)):
        if number in sequence.truths:
            brightest = max(brightest, int(mask.max()))
            score.add(number, sequence.truth(number), mask, lambda n=number: sequence.image(n))  # type: ignore[misc]
            missing.pop(number, None)
    if missing:
        raise SourceError(
            f"{path} lacks {len(missing)} of {len(sequence.truths)} scored masks of {sequence}, "
            f"the first of them for frame {next(iter(missing))}"
        )
    if brightest == 1:
        raise SourceError(f"expected masks of 0 and 255 in {path}, got 0 and 1; multiply by 255")
    return score


def find_results(root: str | Path, sequence: Sequence, *, alone: bool = False) -> Path:
    """The folder or file with a sequence's masks below `root`.

    Parameters
    ----------
    root
        Where `category/sequence` or `sequence` is, a folder or a file of `bgsub run`.
    sequence
        What the masks are of.
    alone
        No other sequence is asked for, so that `root` may be the folder or file itself.

    Raises
    ------
    SourceError
        Neither is there.
    """
    root = Path(root)
    for stem in (root / sequence.category, root):
        for suffix in sorted(set(SUFFIX.values())):
            path = stem / f"{sequence.name}{suffix}"
            if path.exists():
                return path
    if alone and root.exists():
        return root
    raise SourceError(
        f"no masks of {sequence} under {root}: expected {sequence}/bin000001.png and so on, "
        f"or {sequence}.mkv or .npz"
    )


def _masks(sequence: Sequence, path: Path) -> Iterator[tuple[int, Labels]]:
    """The scored masks of a folder, or all of a file, each with the number of its frame."""
    order = list(sequence.inputs)
    if path.is_dir():
        found = numbered(path)
        # Many number masks as their frames; `bgsub run` counts from 1, whatever the frames do.
        if not found.keys() <= sequence.inputs.keys() and max(found) <= len(order):
            found = {order[place - 1]: file for place, file in found.items() if place > 0}
        for number, file in found.items():
            if number in sequence.truths:
                yield number, read_labels(file)
    else:
        for index, mask in read_masks(path):
            if index < len(order):
                yield order[index], mask
