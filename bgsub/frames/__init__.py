"""Where frames come from."""

from bgsub.frames.base import Frame
from bgsub.frames.capture import list_cameras
from bgsub.frames.pictures import read_picture
from bgsub.frames.prefetch import prefetch
from bgsub.frames.source import Source, name_of, open

__all__ = ["Frame", "Source", "list_cameras", "name_of", "open", "prefetch", "read_picture"]
