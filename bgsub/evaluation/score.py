"""How a sequence went; masks on disk against their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bgsub.errors import FrameError, SourceError
from bgsub.evaluation.counts import Counts, count
from bgsub.evaluation.dataset import Labels, Sequence, numbered, read_labels
from bgsub.evaluation.reliability import Reliability
from bgsub.sinks import SUFFIX, read_masks

WORST = 2  # frames kept of each sequence to show
APART = 25  # frames between them; neighbours look alike


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
        Where `category/sequence` or `sequence` is, a folder or a file that `bgsub run` wrote.
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
    endings = sorted(set(SUFFIX.values()))
    for folder in (root / sequence.category, root):
        for stem in (sequence.name, f"{sequence.name}_mask"):
            for ending in endings:
                path = folder / f"{stem}{ending}"
                if path.exists():
                    return path
    if alone and root.exists():
        return root
    raise SourceError(
        f"no masks of {sequence} under {root}: expected {sequence}/bin000001.png and so on, "
        f"or {sequence}_mask.mkv or .npz; leave it out with --skip {sequence}"
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
