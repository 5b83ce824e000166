"""Settings by name."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

from bgsub.errors import ConfigError
from bgsub.models.params import CLASSIC, MixtureParams

BALANCED = MixtureParams()

PRESETS: dict[str, MixtureParams] = {
    "fast": replace(BALANCED, modes=3, stabilise_every=4, texture_correlation=1.0),
    "balanced": BALANCED,
    "best": replace(BALANCED, modes=5, stabilise_rows=120),
    "classic": CLASSIC,
}
"""The named settings, leanest first; "classic" is Zivkovic's mixture with MOG2's constants."""

INGREDIENTS: dict[str, dict[str, Any]] = {
    "luma and chroma apart": {"color": "bgr"},
    "radius floor": {"luma_floor": 0.0, "luma_slope": 0.0},
    "smaller floor in the dark": {"dark_floor": 255.0},
    "weight bar": {"weight_bar": 0.0},
    "conservative update": {"foreground_rate": 1.0},
    "gain by age": {"settled_gain": 0.0},
    "higher bar at the start": {"settling": 0.0},
    "even start": {"even_start": False},
    "flicker learnt": {"noise_rate": 0.0},
    "ghosts": {"ghost_edges": 0.0},
    "shift": {"stabilise": False},
    "zoom": {"follow_zoom": False},
    "light": {"follow_light": False},
    "contrast": {"follow_contrast": False},
    "shadow test": {"shadows": False},
    "texture of shadows": {"shadow_unevenness": 1.0},
    "fainter shadows in haze": {"shadow_veil": 255.0},
    "things without a caster": {"shadow_casters": 0.0},
    "light at night": {"glare_ratio": 1.0},
    "texture in another light": {"texture_correlation": 1.0},
    "learning anew": {"relearn_share": 1.0},
    "cuts": {"follow_cuts": False},
    "earlier views": {"views_kept": 0},
    "unrest widens radii": {"unrest_widen": 0.0},
    "unrest lowers the bar": {"unrest_lower": 0.0},
}
"""What the classic mixture lacks, each with the settings that switch it off."""


def preset(name: str) -> MixtureParams:
    """The settings of a preset. Raises ConfigError, with the known names, for an unknown one."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"unknown preset {name!r}{hint}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
