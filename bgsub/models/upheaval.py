"""Tell when the view as a whole changes, and how long the memory may be meanwhile."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import glance
from bgsub.models.params import MixtureParams

CELLS = 16, 12  # columns and rows: a view that changes does so in many of them
ROWS = 120  # of the mask that are looked at: no more of it need come from memory again
TOUCHED = 25  # mean label of a cell that holds foreground: a tenth of its pixels
FULL = 128  # mean label of a cell that is half foreground
REST = 0.4  # share of relearn_share below which the view has come to rest
STEADY = 0.1  # of the average over a second: no single frame tells more than this


class Upheaval:
    """Shortens the memory while the view as a whole changes; then lets it grow as time passes.

    Attributes
    ----------
    upset
        Share of the picture's cells that hold foreground, averaged over a second.
    adrift
        Whether the view is changing.
    memory
        The history to learn with, seconds.
    touched
        Share of the last frame's cells that hold foreground; 0 with relearn_share = 1.
    full
        Share of the last frame's cells that were half foreground; 0 where cuts are not followed.
    """

    def __init__(
        self,
        params: MixtureParams,
        upset: float = 0.0,
        adrift: bool = False,
        memory: float | None = None,
        full: float = 0.0,
    ) -> None:
        self.upset, self.adrift, self.touched, self.full = upset, adrift, 0.0, full
        self.memory = params.history if memory is None else memory
        self._params = params

    def is_cut(self, mask: NDArray[np.uint8]) -> bool:
        """Whether the labels of a frame show another view than the frame before it.

        A camera was switched if more than `relearn_share` of the cells became half foreground at
        once; what moves takes several frames to cover so much. To be asked once for each frame.
        """
        share = self._params.relearn_share
        if not self._params.follow_cuts or share == 1:
            return False
        before, self.full = self.full, self._share(mask, FULL)
        return self.full - before > share

    def watch(self, mask: NDArray[np.uint8], step: float) -> None:
        """Take the labels of a frame that came `step` seconds after the last."""
        p = self._params
        if p.relearn_share < 1:
            self.touched = self._share(mask, TOUCHED)
            self.upset += min(1 - math.exp(-step), STEADY) * (self.touched - self.upset)
            self.adrift = bool(self.upset > p.relearn_share * (REST if self.adrift else 1))
            grown = p.relearn_history if self.adrift else self.memory + step
            self.memory = min(grown, p.history)

    @staticmethod
    def _share(mask: NDArray[np.uint8], level: int) -> float:
        """Share of the cells whose mean label is above a level."""
        columns, rows = CELLS
        every = max(1, mask.shape[0] // ROWS)
        share: float = glance.cells_above(mask, rows, columns, every, level)
        return share
