"""Whether a probability of 0.7 is right in 70 of 100 cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgsub.evaluation.counts import MOVING, SHADOW, STATIC

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """Scored pixels by the probability that they were given; adds up."""

    pixels: NDArray[np.int64]
    """(10,) pixels in each tenth of the probability."""
    foreground: NDArray[np.int64]
    """(10,) how many of them are foreground in truth."""
    claimed: NDArray[np.float64]
    """(10,) sum of the probabilities."""
    squared: float
    """Sum of (probability - truth) squared."""

    @classmethod
    def none(cls) -> Reliability:
        """No pixel yet."""
        return cls(np.zeros(BINS, np.int64), np.zeros(BINS, np.int64), np.zeros(BINS), 0.0)

    @classmethod
    def of(cls, truth: NDArray[np.uint8], probability: NDArray[np.float32]) -> Reliability:
        """Of one frame: (height, width) truth labels and probabilities in [0, 1]."""
        scored = (truth == MOVING) | (truth == STATIC) | (truth == SHADOW)
        chance = probability[scored].astype(np.float64)
        real = (truth[scored] == MOVING).astype(np.float64)
        place = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
        return cls(
            np.bincount(place, minlength=BINS),
            np.bincount(place, real, BINS).astype(np.int64),
            np.bincount(place, chance, BINS).astype(np.float64),
            float(((chance - real) ** 2).sum()),
        )

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.pixels + other.pixels,
            self.foreground + other.foreground,
            self.claimed + other.claimed,
            self.squared + other.squared,
        )

    @property
    def brier(self) -> float:
        """Mean squared difference between probability and truth."""
        return self.squared / max(int(self.pixels.sum()), 1)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean of |claimed - observed| over pixels."""
        gap = np.abs(self.claimed - self.foreground).sum()
        return float(gap / max(int(self.pixels.sum()), 1))

    def rows(self) -> list[dict[str, float]]:
        """Each tenth: its limits, its pixels, mean claimed and observed share of foreground."""
        rows = []
        for n in range(BINS):
            pixels = int(self.pixels[n])
            share = {
                "claimed": float(self.claimed[n]) / pixels if pixels else float("nan"),
                "observed": int(self.foreground[n]) / pixels if pixels else float("nan"),
            }
            rows.append({"from": n / BINS, "to": (n + 1) / BINS, "pixels": pixels, **share})
        return rows
