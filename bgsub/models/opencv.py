"""OpenCV's subtractors behind the model interface, to compare with; and ours behind OpenCV's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError, FrameError
from bgsub.models import checks

KINDS = ("mog2", "knn", "bgsegm-mog", "bgsegm-cnt", "bgsegm-gmg", "bgsegm-gsoc", "bgsegm-lsbp")
TAKE_KNOWN_FOREGROUND = ("mog2", "knn")


class OpenCVModel:
    """One of OpenCV's background subtractors, with OpenCV's defaults.

    Parameters
    ----------
    kind
        "mog2" or "knn", or "bgsegm-mog", "-cnt", "-gmg", "-gsoc", "-lsbp" where OpenCV's contrib
        modules are installed.
    shadows
        Let MOG2 and KNN label shadows.

    Raises
    ------
    ConfigError
        An unknown kind, or one that this OpenCV lacks.
    """

    def __init__(self, kind: str = "mog2", *, shadows: bool = False) -> None:
        self.kind = kind
        self.shadows = shadows
        self.reset()

    def reset(self) -> None:
        """Forget every frame."""
        self._shape: tuple[int, ...] | None = None
        self._dtype = np.dtype(np.uint8)
        self._subtractor = self._make()

    def apply(
        self,
        image: NDArray[Any],
        time: float | None = None,
        learning_rate: float | None = None,
        roi: NDArray[Any] | None = None,
        known_foreground: NDArray[Any] | None = None,
    ) -> NDArray[np.uint8]:
        """Learn `image` and return its labels; see AdaptiveMixture.apply.

        `time` is not used: OpenCV counts frames. Pixels outside `roi` are still learnt. Raises
        FrameError for an image that the model cannot take, ConfigError for `known_foreground` with
        a subtractor that ignores it.
        """
        checks.image(image, self._shape, self._dtype, None)
        self._shape, self._dtype = image.shape, image.dtype
        rate = -1.0 if learning_rate is None else learning_rate
        if known_foreground is None:
            mask = self._subtractor.apply(image, learningRate=rate)
        else:
            if self.kind not in TAKE_KNOWN_FOREGROUND:
                raise ConfigError(f"{self.kind} takes no known_foreground; mog2 and knn do")
            # An older OpenCV would take it for the mask to write into.
            if "knownForegroundMask" not in str(self._subtractor.apply.__doc__):
                raise ConfigError(f"OpenCV {cv2.__version__} takes no known_foreground; 5.0 does")
            held = checks.region("known_foreground", known_foreground, image.shape[:2])
            mask = self._subtractor.apply(image, held.astype(np.uint8) * 255, learningRate=rate)
            mask[held] = 255  # OpenCV labels them background
        if roi is not None:
            mask[~checks.region("roi", roi, image.shape[:2])] = 0
        return np.asarray(mask, np.uint8)

    def feedback(self, mask: NDArray[np.uint8]) -> None:
        """OpenCV's models learn from their own labels alone."""

    def background(self) -> NDArray[Any]:
        """OpenCV's picture of the background. Raises FrameError before the first frame."""
        if self._shape is None:
            raise FrameError("the model has seen no frame yet: apply() one first")
        return np.asarray(self._subtractor.getBackgroundImage())

    def _make(self) -> Any:
        if self.kind not in KINDS:
            raise ConfigError(f"unknown model {self.kind!r}; known: {', '.join(KINDS)}")
        if self.kind == "mog2":
            return cv2.createBackgroundSubtractorMOG2(detectShadows=self.shadows)
        if self.kind == "knn":
            return cv2.createBackgroundSubtractorKNN(detectShadows=self.shadows)
        if not hasattr(cv2, "bgsegm"):
            raise ConfigError(
                f"{self.kind} needs OpenCV's contrib modules: "
                "pip install opencv-contrib-python instead of opencv-python"
            )
        return getattr(cv2.bgsegm, f"createBackgroundSubtractor{self.kind[7:].upper()}")()
