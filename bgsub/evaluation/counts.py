"""Counts that add up, and the seven measures of CDnet 2014.

Goyette et al., "A novel video dataset for change detection benchmarking", IEEE TIP 23 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import nan

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError

STATIC, SHADOW, OUTSIDE, UNKNOWN, MOVING = 0, 50, 85, 170, 255
"""Labels of the truth. Outside and unknown are not scored; a shadow is background."""

MEASURES = ("recall", "specificity", "fpr", "fnr", "pwc", "precision", "f")

# Row of the count table for each truth label: static, shadow, moving, not scored, no label at all.
_ROW = np.full(256, 4, np.uint8)
_ROW[[STATIC, SHADOW, MOVING, OUTSIDE, UNKNOWN]] = 0, 1, 2, 3, 3


@dataclass(frozen=True, slots=True)
class Counts:
    """Scored pixels, by truth and answer. Counts of several frames or videos are added."""

    tp: int = 0
    fp: int = 0
    """False positives, those in shadows among them."""
    fn: int = 0
    tn: int = 0
    shadow_fp: int = 0
    """False positives where the truth is shadow."""
    frames: int = 0
    """Scored frames."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    @property
    def recall(self) -> float:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """TN / (TN + FP)."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def fpr(self) -> float:
        """False positive rate, FP / (FP + TN)."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def fnr(self) -> float:
        """False negative rate, FN / (TP + FN)."""
        return _ratio(self.fn, self.tp + self.fn)

    @property
    def pwc(self) -> float:
        """Percentage of wrong classifications, 100 (FN + FP) / all."""
        return 100 * _ratio(self.fn + self.fp, self.tp + self.fp + self.fn + self.tn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def f(self) -> float:
        """F-measure, 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def measures(self) -> dict[str, float]:
        """The seven measures by name; NaN where nothing was there to divide by."""
        return {name: getattr(self, name) for name in MEASURES}


def count(truth: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Counts:
    """Compare one mask with its truth.

    Parameters
    ----------
    truth
        (height, width) labels 0, 50, 85, 170, 255.
    mask
        (height, width); above 127 is foreground, so a shadow label is background.

    Raises
    ------
    FrameError
        Two sizes, or truth with other labels.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[0, 50, 85, 170, 255, 255]], np.uint8)
    >>> mask = np.array([[0, 255, 255, 255, 255, 127]], np.uint8)
    >>> count(truth, mask)
    Counts(tp=1, fp=1, fn=1, tn=1, shadow_fp=1, frames=1)
    """
    if truth.shape != mask.shape:
        raise FrameError(
            f"the mask is {_size(mask)}, its truth {_size(truth)}: score masks of the frames' size"
        )
    cells = np.bincount((_ROW[truth] * np.uint8(2) + (mask > 127)).ravel(), minlength=10)
    if cells[8] + cells[9] > 0:
        wrong = ", ".join(str(label) for label in np.unique(truth[_ROW[truth] == 4])[:5])
        raise FrameError(f"expected truth of labels 0, 50, 85, 170 and 255, got {wrong}")
    static, shadow, moving = (cells[2 * row : 2 * row + 2].tolist() for row in range(3))
    return Counts(
        tp=moving[1],
        fp=static[1] + shadow[1],
        fn=moving[0],
        tn=static[0] + shadow[0],
        shadow_fp=shadow[1],
        frames=1,
    )


def _size(picture: NDArray[np.uint8]) -> str:
    return "x".join(str(n) for n in picture.shape[1::-1])


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else nan
