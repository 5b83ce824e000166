"""What learns the background."""

from bgsub.models.adapter import createBackgroundSubtractorGMM
from bgsub.models.adaptive import AdaptiveMixture
from bgsub.models.base import Model
from bgsub.models.modes import (
    Modes,
    in_background,
    is_ycrcb,
    joined,
    main_mode,
    to_bgr,
    to_space,
)
from bgsub.models.opencv import OpenCVModel
from bgsub.models.params import MixtureParams
from bgsub.models.presets import INGREDIENTS, PRESETS, preset
from bgsub.models.start import Learnt, learn
from bgsub.models.warming import cache_folder, memory_bytes, warm_up, warm_up_learning

load = AdaptiveMixture.load

__all__ = [
    "INGREDIENTS",
    "PRESETS",
    "AdaptiveMixture",
    "Learnt",
    "MixtureParams",
    "Model",
    "Modes",
    "OpenCVModel",
    "cache_folder",
    "createBackgroundSubtractorGMM",
    "in_background",
    "is_ycrcb",
    "joined",
    "learn",
    "load",
    "main_mode",
    "memory_bytes",
    "preset",
    "to_bgr",
    "to_space",
    "warm_up",
    "warm_up_learning",
]
