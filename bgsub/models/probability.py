"""The probability of foreground that follows from how far pixels lie from their background.

A logistic function, as in Platt, "Probabilistic outputs for support vector machines" (1999), times
what is foreground of what lies farthest; fitted once to all benchmark sequences together.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import online

DOUBT = 0.7, 1.3  # radii from the background between which the evidence rises from 0 to 1
SHADE = 0.2  # evidence of what looks like a shadow
AROUND = 9  # pixels, side of the square over which the evidence is averaged
LOGIT = -13.4, 19.4  # of the probability: the first, and the second times the root of that average
MOST = 0.945  # probability of what lies farthest off

_FAR = np.arange(256) / online.STRIDE
EVIDENCE = np.rint(255 * np.clip((_FAR - DOUBT[0]) / (DOUBT[1] - DOUBT[0]), 0, 1)).astype(np.uint8)
_ROOTS = np.sqrt(np.linspace(0, 1, 256))
CHANCES = (MOST / (1 + np.exp(-LOGIT[0] - LOGIT[1] * _ROOTS))).astype(np.float32)


def chances(far: NDArray[np.uint8], shaded: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Probability that each pixel is foreground.

    Parameters
    ----------
    far
        (height, width) uint8, distance from the nearest background mode: `online.STRIDE` of these
        are a radius.
    shaded
        (height, width), True for what looks like a shadow.

    Returns
    -------
    chances
        (height, width) float32 in [0, 1].
    """
    evidence = cv2.LUT(far, EVIDENCE)
    evidence[shaded] = round(SHADE * 255)
    near = cv2.boxFilter(evidence, -1, (AROUND, AROUND), borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.LUT(near, CHANCES), np.float32)
