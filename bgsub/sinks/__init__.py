"""Where results go."""

from bgsub.sinks.base import NO_BOXES, Result, Sink
from bgsub.sinks.masks import FORMATS, LOSSY, SUFFIX, PackedMasks, claim, mask_sink, read_masks
from bgsub.sinks.preview import PreviewSink, display_problem
from bgsub.sinks.views import BackgroundSink, OverlaySink, StatsSink, overlay

__all__ = [
    "FORMATS",
    "LOSSY",
    "NO_BOXES",
    "SUFFIX",
    "BackgroundSink",
    "OverlaySink",
    "PackedMasks",
    "PreviewSink",
    "Result",
    "Sink",
    "StatsSink",
    "claim",
    "display_problem",
    "mask_sink",
    "overlay",
    "read_masks",
]
