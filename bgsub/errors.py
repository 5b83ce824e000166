"""Everything bgsub raises on purpose.

BgsubError
    SourceError       a video or camera that cannot be opened or read
    FrameError        an image that a model cannot take
    DataError         samples that a mixture cannot take
    ConfigError       a setting out of its range, or one that nobody reads
    SinkError         a result that cannot be written
        DiskFullError     no space is left; what was finished stays
    ModelFileError    a model file that is damaged, foreign or too new
    NotFittedError    a mixture asked before fit()
"""

from __future__ import annotations


class BgsubError(Exception):
    """Base of everything raised on purpose; anything else is a bug."""


class SourceError(BgsubError, OSError):
    """A video or camera that cannot be opened or read."""


class FrameError(BgsubError, ValueError):
    """An image that a model cannot take."""


class DataError(BgsubError, ValueError):
    """Samples that a mixture cannot take."""


class ConfigError(BgsubError, ValueError):
    """A setting out of its range, or one that nobody reads."""


class SinkError(BgsubError, OSError):
    """A result that cannot be written."""


class DiskFullError(SinkError):
    """No space is left; what was finished stays."""


class ModelFileError(BgsubError, ValueError):
    """A model file that is damaged, foreign or too new."""


class NotFittedError(BgsubError, ValueError, AttributeError):
    """A mixture asked before fit()."""


def require(rule: bool, message: str) -> None:
    """Raise ConfigError with `message` unless `rule` holds."""
    if not rule:
        raise ConfigError(message)
