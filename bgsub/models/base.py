"""What the pipeline asks of a model."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Model(Protocol):
    """Learns a background and tells it from what moves; one verb."""

    def apply(
        self,
        image: NDArray[Any],
        time: float | None = None,
        learning_rate: float | None = None,
        roi: NDArray[Any] | None = None,
        known_foreground: NDArray[Any] | None = None,
    ) -> NDArray[np.uint8]:
        """Learn `image` and return its labels (height, width): 0, 127 or 255."""

    def feedback(self, mask: NDArray[np.uint8]) -> None:
        """Take the cleaned mask of the last frame, for what the next one learns from it."""

    def background(self) -> NDArray[Any]:
        """The most likely background, shape and dtype of the frames."""

    def reset(self) -> None:
        """Forget every frame; the next one sets the size."""
