"""What every source yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video."""

    image: NDArray[Any]
    """(height, width) grey or (height, width, 3) BGR; uint8, uint16 from 16-bit pictures."""
    time: float | None
    """Presentation time in seconds since the first frame of the stream, None where the source
    has no clock (a folder of pictures without `fps`)."""
    index: int
    """Ordinal of this frame in the source among decoded frames, from 0; `every` and `start` leave
    holes in it."""
    gap: int = 0
    """Frames known to be lost directly before this one (damaged, or dropped by a camera)."""
