"""What the view as a whole says about the light and shadow to be expected in it.

Haze adds its own light, so that a shadow below it loses less of what is seen. How much it adds is
told by what is darkest: in clear air almost any piece of a view holds something that is dark in one
of its colours (He, Sun and Tang, "Single image haze removal using dark channel prior", CVPR 2009).

At night lamps light what was dark. What they light keeps its colour and texture as a shadow does,
so the shadow test turned round knows it: Horprasert, Harwood and Davis, "A statistical approach for
real-time robust background subtraction and shadow detection", ICCV Frame-Rate Workshop 1999, bound
the brightness on both sides. By day that test would take bright things for light.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgsub.kernels import glance
from bgsub.kernels.means import SUMS
from bgsub.models.colour import has_colour
from bgsub.models.params import MixtureParams
from bgsub.models.stabilise import block_side

ROWS = 60  # about, of the small picture that is looked at: single pixels are noisy
ENOUGH = 4  # pixels along the side of a cell: of a large picture not all are looked at
DARKEST = 0.01  # share of the view
DUSK = 0.25  # of glare_brightness, over which night becomes day


class Scene(NamedTuple):
    """A view as a whole, in grey levels of an 8-bit picture."""

    dark: float = 0.0
    """The brightest of its darkest hundredth, each cell by its darkest channel."""
    bright: float = 255.0
    """Mean over pixels and channels."""
    coloured: bool = False
    """Whether it has three channels that differ; an infrared camera's may be all alike."""

    def drawn(self, seen: Scene, share: float) -> Scene:
        """The scene between this and another, by that share nearer to the other."""
        dark = self.dark + share * (seen.dark - self.dark)
        return Scene(dark, self.bright + share * (seen.bright - self.bright), seen.coloured)


def look(picture: NDArray[Any], scale: float) -> Scene:
    """The scene that a picture shows.

    Parameters
    ----------
    picture
        (height, width) or (height, width, channels), any type.
    scale
        Brings its values to 0..255.
    """
    height, width, channels = (*picture.shape, 1)[:3]
    side = block_side(picture.shape, ROWS)
    row = np.ascontiguousarray(picture).reshape(-1)
    every, sums = max(1, side // ENOUGH), np.empty(width * channels, SUMS[picture.dtype.name])
    darkest, bright = glance.cell_levels(row, height, width, channels, side, every, sums)
    nth = round(DARKEST * (darkest.size - 1))
    dark = float(np.partition(darkest, nth)[nth])
    return Scene(dark * scale, bright * scale, has_colour(picture))


def shadow_ratios(params: MixtureParams, scene: Scene) -> tuple[float, float]:
    """Brightness of the darkest shadow and of the brightest light, as shares of the background's.

    Below a veil v a surface of brightness b shows v + s (b - v) in a shadow of ratio s.
    """
    veil = max(scene.dark - params.shadow_veil, 0.0) / max(scene.bright, 1.0)
    darkest = params.shadow_ratio + (1 - params.shadow_ratio) * min(veil, 1.0)
    if not scene.coloured or params.glare_ratio == 1:
        return darkest, params.shadow_faintest
    day = (scene.bright / max(params.glare_brightness, 1.0) - 1) / DUSK
    light = 1 + (params.glare_ratio - 1) * min(max(1 - day, 0.0), 1.0)
    return darkest, max(params.shadow_faintest, light)
