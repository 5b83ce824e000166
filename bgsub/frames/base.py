"""What every source yields, and what a reader is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

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
    """Frames known to be lost directly before this one, because they were damaged."""


class Decoded(NamedTuple):
    """What a reader makes of one frame of its stream."""

    image: NDArray[Any] | None
    """None where the frame was not wanted, so not converted."""
    time: float | None
    gap: int
    converting: float = 0.0
    """Seconds that it took to make the image of what was decoded."""


class Reader(Protocol):
    """Decodes one source, in order. `wanted` spares it the conversion of frames nobody sees."""

    size: tuple[int, int] | None
    """(width, height) of the pictures, where it is known before the first."""
    fps: float | None
    duration: float | None
    """Seconds that the source claims to last; a hint."""
    expected_frames: int | None
    """Frames that the source claims to have; a hint."""
    live: bool
    failed: int
    """Frames that could not be decoded, so far."""
    ended_early: bool
    """Whether the source ended well before its claimed duration."""

    def decode(self, every: int) -> Iterator[Decoded]:
        """Yield the frames in order, with the image for each `every`-th."""

    def close(self) -> None:
        """Let go of the file or device."""
