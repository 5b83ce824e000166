"""How commands end: exit codes, and what was raised on purpose as one line."""

from __future__ import annotations

from typing import Any

import click

from bgsub.errors import BgsubError, DiskFullError, SourceError

DONE, UNEXPECTED, USAGE, NO_INPUT, PARTIAL, DISK_FULL, INTERRUPTED = 0, 1, 2, 3, 4, 6, 130

CODES = {
    DONE: "done",
    UNEXPECTED: "unexpected error",
    USAGE: "usage or configuration",
    NO_INPUT: "no input could be opened",
    PARTIAL: "partial: an input or some frames were lost",
    DISK_FULL: "disk full",
    INTERRUPTED: "interrupted",
}


def code_of(error: BgsubError) -> int:
    """The exit code of an error that ends a command."""
    if isinstance(error, DiskFullError):
        return DISK_FULL
    return NO_INPUT if isinstance(error, SourceError) else USAGE


class Failure(click.ClickException):
    """One line on stderr and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]


class Group(click.Group):
    """Shows what bgsub raises on purpose as one line; a bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BgsubError as error:
            raise Failure(str(error), code_of(error)) from error
        except KeyboardInterrupt:
            raise Failure("interrupted", INTERRUPTED) from None
