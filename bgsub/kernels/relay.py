"""Lay the state of a view anew, pixel by pixel, where a camera has turned or zoomed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from bgsub.kernels.lanes import LANES

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # compiles sooner
    "_nrt": False,
}


@njit(**OPTIONS)
def take(state, source, moved, sizes, head, lazy, full, most_hits, first, last):
    """Fill tiles first..last-1 of a blank state with pixels of another of as many.

    What the heads of its tiles have put off is done; those of `moved` stay 0, which is not settled.

    Parameters
    ----------
    state, moved
        As `online.blank` lays them out.
    source
        (n_pixels,) number of the pixel of `state` that each takes over; below 0 it stays blank.
    sizes
        Modes, fields of a mode's block, hits of a mode (1 or 0), planes of a pixel.
    head
        Numbers in the head of a tile.
    lazy
        Whether heads put anything off.
    full
        A weight of 1, as float32.
    most_hits
        No mode keeps more.
    """
    modes, fields, counted, planes = sizes
    whole = full > 1  # weights are whole numbers
    scales = modes * (1 + counted)
    tiles = state.size // (LANES * (modes * fields + scales + planes) + head)
    weights_at = modes * tiles * fields * LANES
    planes_at = weights_at + tiles * scales * LANES
    heads_at = planes_at + tiles * planes * LANES
    for n in range(first * LANES, min(last * LANES, source.size)):
        if source[n] < 0:
            continue
        t, lane = n // LANES, n % LANES
        b, from_lane = source[n] // LANES, source[n] % LANES
        for k in range(modes):
            here = (k * tiles + t) * fields * LANES + lane
            there = (k * tiles + b) * fields * LANES + from_lane
            for f in range(fields):
                moved[here + f * LANES] = state[there + f * LANES]
        here = weights_at + t * scales * LANES + lane
        there = weights_at + b * scales * LANES + from_lane
        for f in range(scales):
            moved[here + f * LANES] = state[there + f * LANES]
        plane = planes_at + t * planes * LANES + lane
        for f in range(planes):
            moved[plane + f * LANES] = state[planes_at + (b * planes + f) * LANES + from_lane]
        hits = here + modes * LANES
        if lazy:
            put_off = heads_at + b * head
            kept = np.float32(1) - np.float32(state[put_off + 1]) / full
            rest = full
            for k in range(1, modes):
                weight = np.float32(state[there + k * LANES]) * kept
                weight = np.rint(weight) if whole else weight
                moved[here + k * LANES] = weight
                rest -= weight
            if state[there] > 0:
                moved[here] = rest
            if planes:
                calm = np.float32(1) - np.float32(state[put_off + 2]) / full
                unrest = np.float32(moved[plane]) * calm
                moved[plane] = np.rint(unrest) if whole else unrest
            seen = np.float32(moved[hits]) + np.float32(state[put_off + 3])
            moved[hits] = min(seen, np.float32(65535))
        if counted:
            for k in range(modes):
                moved[hits + k * LANES] = min(moved[hits + k * LANES], most_hits)
