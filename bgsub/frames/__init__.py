"""Where frames come from."""

from bgsub.frames.base import Frame

__all__ = ["Frame"]
