"""Sequences with truth, laid out as in CDnet 2014."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import SourceError
from bgsub.evaluation.counts import OUTSIDE
from bgsub.frames.pictures import SUFFIXES, read_picture

log = logging.getLogger(__name__)

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sequence:
    """One video of a dataset. Frames go by the numbers in their names."""

    category: str
    name: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.category}/{self.name}"

    @cached_property
    def inputs(self) -> dict[int, Path]:
        """Every frame's file by number, in order. Raises SourceError when there is none."""
        return numbered(self.folder / "input")

    @cached_property
    def truths(self) -> dict[int, Path]:
        """The truth's file of each scored frame: within the temporal ROI, and there.

        Raises SourceError when there is none, or one without its frame.
        """
        first, last = self._range()
        found = numbered(self.folder / "groundtruth")
        scored = {n: path for n, path in found.items() if first <= n <= last}
        if not scored:
            raise SourceError(
                f"no frame of {self.folder} is scored: temporalROI.txt says {first} to {last}, "
                f"the truth is numbered {min(found)} to {max(found)}"
            )
        if orphans := sorted(scored.keys() - self.inputs.keys()):
            raise SourceError(
                f"{len(orphans)} pictures of truth in {self.folder} have no frame in input/, "
                f"the first of them {scored[orphans[0]].name}"
            )
        return scored

    @cached_property
    def roi(self) -> NDArray[np.bool_] | None:
        """(height, width) where pixels are scored; None for everywhere.

        An ROI of another size than the frames cannot be laid over them and is left out with a
        warning, unless it is all white; the truth's own label 85 still says what is outside.
        """
        path = self.folder / "ROI.bmp"
        if not path.exists():
            return None
        inside = read_labels(path) > 0
        if inside.all():
            return None
        size = self.image(next(iter(self.inputs))).shape[:2]
        if inside.shape != size:
            log.warning(
                "%s: ROI.bmp is %dx%d, the frames are %dx%d; scored without it",
                self,
                *inside.shape[::-1],
                *size[::-1],
            )
            return None
        return inside

    def image(self, number: int) -> NDArray[Any]:
        """A frame as stored, grey or BGR."""
        return _picture(self.inputs[number])

    def truth(self, number: int) -> Labels:
        """(height, width) labels of a scored frame, 85 outside the ROI."""
        labels = read_labels(self.truths[number])
        if self.roi is not None:
            if self.roi.shape != labels.shape:
                raise SourceError(
                    f"{self.truths[number]} is {labels.shape[1]}x{labels.shape[0]}, but its frame "
                    f"is {self.roi.shape[1]}x{self.roi.shape[0]}"
                )
            labels[~self.roi] = OUTSIDE
        return labels

    def frames(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (number, image) of every frame from the first, grey or BGR as stored."""
        for number in self.inputs:
            yield number, self.image(number)

    def _range(self) -> tuple[int, int]:
        path = self.folder / "temporalROI.txt"
        if not path.exists():
            return 0, max(self.inputs)
        try:
            first, last = (int(word) for word in path.read_text().split())
        except ValueError:
            raise SourceError(
                f"{path} must hold two numbers, the first and the last scored frame"
            ) from None
        return first, last


def find_sequences(
    root: str | Path, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> list[Sequence]:
    """The sequences under `root`: a dataset, a category, or one sequence.

    Parameters
    ----------
    root
        A folder with `category/sequence/{input,groundtruth}` below it, or a part of that.
    only
        Patterns (`office`, `baseline/*`) of the sequences to keep; by default all.
    skip
        Patterns of those to leave out.

    Raises
    ------
    SourceError
        None is there, or a pattern matches none.
    """
    root = Path(root)
    if not root.is_dir():
        raise SourceError(f"there is no folder {root}")
    for depth in ("", "*/", "*/*/"):
        found = sorted(path.parent for path in root.glob(f"{depth}groundtruth"))
        if found:
            break
    else:
        raise SourceError(
            f"no sequence under {root}: expected category/sequence/input and groundtruth folders"
        )
    # Resolved for the names: `root` may be `.`, the folder of a category or of one sequence.
    made = [Sequence(f.resolve().parent.name, f.resolve().name, f) for f in found]
    for pattern in (*only, *skip):
        if not any(_matches(sequence, pattern) for sequence in made):
            names = ", ".join(str(sequence) for sequence in made)
            raise SourceError(f"no sequence under {root} matches {pattern!r}; there are {names}")
    kept = [
        sequence
        for sequence in made
        if not any(_matches(sequence, pattern) for pattern in skip)
        and (not only or any(_matches(sequence, pattern) for pattern in only))
    ]
    if not kept:
        raise SourceError(f"no sequence under {root} is left after leaving out {', '.join(skip)}")
    return kept


def numbered(folder: Path) -> dict[int, Path]:
    """The pictures of a folder by the last number in their names. Raises SourceError for none."""
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        digits = re.findall(r"\d+", path.stem)
        if path.suffix.lower() in SUFFIXES and digits:
            if (number := int(digits[-1])) in found:
                raise SourceError(f"{found[number]} and {path.name} have the same number")
            found[number] = path
    if not found:
        raise SourceError(f"no numbered picture in {folder}")
    return dict(sorted(found.items()))


def read_labels(path: Path) -> Labels:
    """A mask or truth on disk as (height, width) uint8. Raises SourceError for what is none."""
    image = _picture(path)
    if image.dtype != np.uint8:
        raise SourceError(f"expected {path} to have 8 bits a channel, got {image.dtype}")
    if image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return image


def _matches(sequence: Sequence, pattern: str) -> bool:
    return fnmatch(sequence.name, pattern) or fnmatch(str(sequence), pattern)


def _picture(path: Path) -> NDArray[Any]:
    image = read_picture(path)
    if image is None:
        raise SourceError(f"{path} is no picture that can be decoded")
    return image
