"""Settings by name."""

from __future__ import annotations

import difflib
from dataclasses import replace

from bgsub.errors import ConfigError
from bgsub.models.params import CLASSIC, MixtureParams

BALANCED = MixtureParams()

PRESETS: dict[str, MixtureParams] = {
    "fast": replace(BALANCED, modes=3),
    "balanced": BALANCED,
    "best": replace(BALANCED, modes=5),
    "classic": CLASSIC,
}
"""The named settings, leanest first; "classic" is Zivkovic's mixture with MOG2's constants."""


def preset(name: str) -> MixtureParams:
    """The settings of a preset. Raises ConfigError, with the known names, for an unknown one."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"unknown preset {name!r}{hint}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
