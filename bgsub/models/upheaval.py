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
        The same of cells that were half foreground.
    is_cut
        Whether the last frame showed another view than the one before it: the camera was switched
        if more than `relearn_share` of the cells became half foreground at once. What moves takes
        several frames to cover so much.
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
        self.is_cut = False
        self.memory = params.history if memory is None else memory
        self._params = params

    def see(self, mask: NDArray[np.uint8]) -> None:
        """Take the labels of a frame."""
        p = self._params
        if p.relearn_share < 1:
            (columns, rows), before = CELLS, self.full
            every = max(1, mask.shape[0] // ROWS)
            shares = glance.cells_above(mask, rows, columns, every, TOUCHED, FULL)
            self.touched, self.full = shares
            self.is_cut = p.follow_cuts and self.full - before > p.relearn_share

    def watch(self, step: float) -> None:
        """Let the frame that was seen last count: it came `step` seconds after the one before."""
        p = self._params
        if p.relearn_share < 1:
            self.upset += min(1 - math.exp(-step), STEADY) * (self.touched - self.upset)
            self.adrift = bool(self.upset > p.relearn_share * (REST if self.adrift else 1))
            grown = p.relearn_history if self.adrift else self.memory + step
            self.memory = min(grown, p.history)
