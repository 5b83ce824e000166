"""Where results go."""

from bgsub.sinks.base import Result, Sink

__all__ = ["Result", "Sink"]
