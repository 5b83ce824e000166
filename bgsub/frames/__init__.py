"""Where frames come from."""

from bgsub.frames.base import Frame
from bgsub.frames.source import Source, open

__all__ = ["Frame", "Source", "open"]
