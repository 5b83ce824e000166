"""What learns the background."""

from bgsub.models.adapter import createBackgroundSubtractorGMM
from bgsub.models.adaptive import AdaptiveMixture
from bgsub.models.base import Model
from bgsub.models.opencv import OpenCVModel
from bgsub.models.params import MixtureParams
from bgsub.models.presets import INGREDIENTS, PRESETS, preset
from bgsub.models.warming import cache_folder, memory_bytes, warm_up

load = AdaptiveMixture.load

__all__ = [
    "INGREDIENTS",
    "PRESETS",
    "AdaptiveMixture",
    "MixtureParams",
    "Model",
    "OpenCVModel",
    "cache_folder",
    "createBackgroundSubtractorGMM",
    "load",
    "memory_bytes",
    "preset",
    "warm_up",
]
