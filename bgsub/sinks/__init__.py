"""Where results go."""

from bgsub.sinks.base import Result, Sink
from bgsub.sinks.masks import FORMATS, SUFFIX, PackedMasks, claim, mask_sink, read_masks
from bgsub.sinks.views import BackgroundSink, OverlaySink, StatsSink, overlay

__all__ = [
    "FORMATS",
    "SUFFIX",
    "BackgroundSink",
    "OverlaySink",
    "PackedMasks",
    "Result",
    "Sink",
    "StatsSink",
    "claim",
    "mask_sink",
    "overlay",
    "read_masks",
]
