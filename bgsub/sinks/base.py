"""What a sink is given, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

NO_BOXES: NDArray[np.int32] = np.empty((0, 4), np.int32)


@dataclass(frozen=True, slots=True)
class Result:
    """One frame and what was found in it."""

    image: NDArray[Any]
    """The frame as the model saw it, (height, width[, channels])."""
    mask: NDArray[np.uint8]
    """(height, width) labels: 0 background, 127 shadow, 255 foreground."""
    index: int
    """Ordinal of the frame in its source, from 0."""
    time: float | None = None
    """Presentation time, seconds; None where the source has no clock."""
    boxes: NDArray[np.int32] = field(default_factory=lambda: NO_BOXES)
    """(n, 4) blobs as x, y, width, height in pixels, largest first."""
    milliseconds: float = 0.0
    """Time that model and mask cleaning took for this frame."""


class Sink(Protocol):
    """Takes results in order. Files get their final names in close(), and only there."""

    needs_boxes: bool
    """Whether it looks at the boxes of a result; they are not looked for in vain."""

    def write(self, result: Result) -> None:
        """Take one result. Raises SinkError, and DiskFullError when no space is left."""

    def close(self) -> None:
        """Finish: everything written so far is complete under its final name."""

    def abort(self) -> None:
        """Give up: nothing unfinished keeps a final name, no temporary file stays."""
