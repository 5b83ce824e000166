"""Option types and helpers that several commands share."""

from __future__ import annotations

import logging
from typing import Any

import click


class Duration(click.ParamType[float]):
    """Seconds, written as 500ms, 2s, 1m30s or 01:02:03.5."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from bgsub.config import seconds
        from bgsub.errors import ConfigError

        if isinstance(value, float):
            return value
        try:
            return seconds(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


DURATION = Duration()


class _Echo(logging.Handler):
    """Lines on what stderr is at the moment: a progress bar puts itself before it."""

    def emit(self, record: logging.LogRecord) -> None:
        word = f"{record.levelname.capitalize()}: " if record.levelno >= logging.WARNING else ""
        click.echo(word + self.format(record), err=True)


def say_on_stderr(quiet: bool, verbose: bool) -> None:
    """Show the library's messages: warnings always, what it does unless quiet, more if verbose."""
    log = logging.getLogger("bgsub")
    log.handlers[:] = [_Echo()]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)


def set_threads(threads: int | None) -> None:
    """Hold OpenCV to the number of threads that was asked for."""
    if threads is not None:
        import cv2

        cv2.setNumThreads(threads)


class Size(click.ParamType[tuple[int, int]]):
    """Width and height in pixels, written as 1920x1080."""

    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        width, _, height = str(value).lower().partition("x")
        if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
            self.fail(f"expected a size such as 1920x1080, got {value!r}", param, ctx)
        return int(width), int(height)


SIZE = Size()
