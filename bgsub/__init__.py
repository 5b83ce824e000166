"""bgsub finds what moves in a video.

    frames  ->  models  ->  masks  ->  sinks
    camera      learn and    clean,     files, video,
    file        decide       blobs      window, page

Each name below is loaded at its first use, so that `import bgsub` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "AdaptiveMixture": "bgsub.models",
    "BgsubError": "bgsub.errors",
    "Frame": "bgsub.frames",
    "MixtureParams": "bgsub.models",
    "createBackgroundSubtractorGMM": "bgsub.models",
    "learn": "bgsub.models",
    "load": "bgsub.models",
    "open": "bgsub.frames",
    "run": "bgsub.pipeline",
}

__all__ = [
    "AdaptiveMixture",
    "BgsubError",
    "Frame",
    "MixtureParams",
    "__version__",
    "createBackgroundSubtractorGMM",
    "learn",
    "load",
    "open",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bgsub' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
