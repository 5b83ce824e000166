"""What learns the background."""

from bgsub.models.adapter import createBackgroundSubtractorGMM
from bgsub.models.adaptive import AdaptiveMixture
from bgsub.models.base import Model
from bgsub.models.opencv import OpenCVModel
from bgsub.models.params import MixtureParams
from bgsub.models.presets import PRESETS, preset

load = AdaptiveMixture.load

__all__ = [
    "PRESETS",
    "AdaptiveMixture",
    "MixtureParams",
    "Model",
    "OpenCVModel",
    "createBackgroundSubtractorGMM",
    "load",
    "preset",
]
