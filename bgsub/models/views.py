"""Views that a camera has left, to be known again when it comes back.

A camera that is switched, or that turns between fixed positions, shows its old views again. What
was learnt of each is put aside, and taken up when a picture resembles it: the normalised
cross-correlation of small pictures without their slow changes, which the light hardly changes
(Lewis, "Fast normalized cross-correlation", Vision Interface 1995).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.models.light import Blocks
from bgsub.models.scene import Scene
from bgsub.models.stabilise import Small, detail

ALIKE = 0.6  # correlation from which it is the same view: it is above .8 there, below .4 elsewhere
CONTRAST = 20.0  # grey levels of detail that count: a thing that moves must not carry it along


class View(NamedTuple):
    """What was learnt of a view."""

    state: NDArray[Any]
    """All modes."""
    reference: Small
    """Small picture, (rows, columns) float32 grey levels."""
    light: Blocks
    """How bright it is, block by block."""
    scene: Scene
    frames: int
    """Learnt of it."""
    seconds: float
    """Learnt of it."""


def resemblance(one: Small, other: Small) -> float:
    """Correlation of two small pictures of the same size, -1 to 1; 0 where one has no detail."""
    a, b = (np.clip(detail(picture), -CONTRAST, CONTRAST) for picture in (one, other))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / norm if norm > 0 else 0.0


def take_alike(views: list[View], picture: Small) -> View | None:
    """Take out the view that a small picture resembles most, if it is alike."""
    likeness = [resemblance(view.reference, picture) for view in views]
    if not likeness or max(likeness) < ALIKE:
        return None
    return views.pop(int(np.argmax(likeness)))
