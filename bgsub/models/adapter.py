"""The adaptive mixture with OpenCV's method names: a user of MOG2 changes one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.models.adaptive import AdaptiveMixture
from bgsub.models.params import CLASSIC

SHADOW = 127


def createBackgroundSubtractorGMM(
    history: int = 500, varThreshold: float = 16, detectShadows: bool = True
) -> BackgroundSubtractorGMM:
    """A subtractor to put in the place of `cv2.createBackgroundSubtractorMOG2`.

    Parameters
    ----------
    history
        Frames after which a change has become background.
    varThreshold
        Squared standard deviations within which the background explains a pixel.
    detectShadows
        Label shadows, with 127.
    """
    return BackgroundSubtractorGMM(history, varThreshold, detectShadows)


class BackgroundSubtractorGMM:
    """The classic mixture behind the interface of OpenCV's BackgroundSubtractorMOG2.

    Names, defaults and labels are OpenCV's: time is counted in frames, the first frame is all
    foreground (all shadow where those are detected), frames of another size start anew.
    """

    def __init__(self, history: int, varThreshold: float, detectShadows: bool) -> None:
        self._model = AdaptiveMixture(replace(CLASSIC, shadows=detectShadows))
        self._shadow_value = SHADOW
        self.setHistory(history)
        self.setVarThreshold(varThreshold)
        self.clear()

    def apply(
        self,
        image: NDArray[Any],
        fgmask: NDArray[np.uint8] | None = None,
        learningRate: float = -1,
    ) -> NDArray[np.uint8]:
        """Learn `image` and return its mask: 0, the shadow value, or 255.

        Parameters
        ----------
        image
            (height, width) or (height, width, 1 to 4), uint8, uint16 or float32 in 0 to 255.
        fgmask
            (height, width) uint8 to write the mask into; a new one by default.
        learningRate
            0 learns nothing, 1 starts anew from this frame, negative chooses
            1 / min(2 * frames, history).

        Raises
        ------
        FrameError
            An image that a mixture cannot take, or a `fgmask` of another size or type.
        """
        if self._model.shape not in (None, np.shape(image)):
            self.clear()
        first = self._frames == 0
        rate = learningRate
        if first or learningRate < 0:
            rate = 1 / min(2 * (self._frames + 1), self._history)
        mask = self._model.apply(image, learning_rate=rate)
        self._frames += 1
        if first:
            mask[:] = SHADOW if self.getDetectShadows() else 255
        if self._shadow_value != SHADOW:
            mask[mask == SHADOW] = self._shadow_value
        if fgmask is None:
            return mask
        if fgmask.shape != mask.shape or fgmask.dtype != np.uint8:
            raise FrameError(
                f"expected fgmask as uint8 {mask.shape}, got {fgmask.dtype} {fgmask.shape}"
            )
        fgmask[:] = mask
        return fgmask

    def getBackgroundImage(self) -> NDArray[Any]:
        """The most likely background, shape and dtype of the frames."""
        return self._model.background()

    def clear(self) -> None:
        """Forget every frame."""
        self._model.reset()
        self._frames = 0

    def getHistory(self) -> int:
        """Frames after which a change has become background."""
        return self._history

    def setHistory(self, history: int) -> None:
        """Set the number of frames after which a change has become background."""
        require(history >= 1, f"history must be at least 1 frame, got {history}")
        self._history = history

    def getNMixtures(self) -> int:
        """Gaussians a pixel may hold."""
        return self._model.params.modes

    def setNMixtures(self, nmixtures: int) -> None:
        """Set the Gaussians a pixel may hold, 1 to 5; starts anew."""
        self._set(modes=nmixtures)
        self.clear()

    def getBackgroundRatio(self) -> float:
        """Weight that the heaviest modes must reach together to be background."""
        return self._model.params.background_share

    def setBackgroundRatio(self, ratio: float) -> None:
        """Set the weight that the heaviest modes must reach together to be background."""
        self._set(background_share=ratio)

    def getVarThreshold(self) -> float:
        """Squared standard deviations within which the background explains a pixel."""
        return self._model.params.background_sigmas**2

    def setVarThreshold(self, varThreshold: float) -> None:
        """Set the squared standard deviations within which the background explains a pixel."""
        require(varThreshold > 0, f"varThreshold must be above 0, got {varThreshold}")
        self._set(background_sigmas=varThreshold**0.5)

    def getVarThresholdGen(self) -> float:
        """Squared standard deviations within which a pixel belongs to a mode."""
        return self._model.params.match_sigmas**2

    def setVarThresholdGen(self, varThresholdGen: float) -> None:
        """Set the squared standard deviations within which a pixel belongs to a mode."""
        require(varThresholdGen > 0, f"varThresholdGen must be above 0, got {varThresholdGen}")
        self._set(match_sigmas=varThresholdGen**0.5)

    def getVarInit(self) -> float:
        """Variance of a new mode."""
        return self._model.params.initial_variance

    def setVarInit(self, varInit: float) -> None:
        """Set the variance of a new mode."""
        self._set(initial_variance=varInit)

    def getVarMin(self) -> float:
        """Smallest variance of a mode."""
        return self._model.params.minimum_variance

    def setVarMin(self, varMin: float) -> None:
        """Set the smallest variance of a mode."""
        self._set(minimum_variance=varMin)

    def getVarMax(self) -> float:
        """Largest variance of a mode."""
        return self._model.params.maximum_variance

    def setVarMax(self, varMax: float) -> None:
        """Set the largest variance of a mode."""
        self._set(maximum_variance=varMax)

    def getComplexityReductionThreshold(self) -> float:
        """Share of the history that must support a mode."""
        return self._model.params.prune

    def setComplexityReductionThreshold(self, ct: float) -> None:
        """Set the share of the history that must support a mode."""
        self._set(prune=ct)

    def getDetectShadows(self) -> bool:
        """Whether shadows are labelled."""
        return self._model.params.shadows

    def setDetectShadows(self, detectShadows: bool) -> None:
        """Set whether shadows are labelled."""
        self._set(shadows=bool(detectShadows))

    def getShadowValue(self) -> int:
        """The label of a shadow."""
        return self._shadow_value

    def setShadowValue(self, value: int) -> None:
        """Set the label of a shadow, 0 to 255."""
        require(0 <= value <= 255, f"the shadow value must be 0 to 255, got {value}")
        self._shadow_value = value

    def getShadowThreshold(self) -> float:
        """Brightness of the darkest shadow as a share of the background's."""
        return self._model.params.shadow_ratio

    def setShadowThreshold(self, threshold: float) -> None:
        """Set the brightness of the darkest shadow as a share of the background's."""
        self._set(shadow_ratio=threshold)

    def _set(self, **changes: Any) -> None:
        self._model.params = replace(self._model.params, **changes)
