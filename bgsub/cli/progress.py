"""How a run is getting on: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from bgsub.pipeline import Report

EVERY = 10.0
"""Seconds between plain lines."""

Step = Callable[[str, float | None], None]
"""Is told what is being done, and the share of it that is done, None where that is unknown."""


class Progress(Protocol):
    """Is told after every frame."""

    def __call__(self, report: Report) -> None: ...


@contextmanager
def progress(name: str, expected: int | None, quiet: bool) -> Iterator[Progress]:
    """Show the progress of a source `name` that may have `expected` frames."""
    if quiet:
        yield lambda report: None
    elif sys.stderr.isatty():
        with _bar(name, expected) as tell:
            yield tell
    else:
        yield _lines(name, expected)


def state(report: Report) -> str:
    """Frames a second and share of foreground, in words."""
    return f"{report.fps:.0f} frames/s, foreground {report.foreground:.1%}"


def _lines(name: str, expected: int | None) -> Progress:
    told = time.monotonic()

    def tell(report: Report) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= EVERY:
            told = now
            of = f" of about {expected}" if expected else ""
            click.echo(f"{name}: {report.frames}{of} frames, {state(report)}", err=True)

    return tell


@contextmanager
def _bar(name: str, expected: int | None) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        TextColumn("{task.fields[frames]}"),
        BarColumn(bar_width=24) if expected else SpinnerColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(elapsed_when_finished=True) if expected else TimeElapsedColumn(),
    ]
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=expected, frames="", state="")

        def tell(report: Report) -> None:
            of = f"/{expected}" if expected else ""
            bar.update(
                task,
                completed=report.frames,
                # A header may claim too few: then the bar is full, and time is not guessed.
                total=max(expected, report.frames) if expected else None,
                frames=f"{report.frames}{of} frames",
                state=state(report),
            )

        yield tell


@contextmanager
def steps(quiet: bool) -> Iterator[Step]:
    """Show work whose steps follow each other; it is told each step's words and share done."""
    if quiet:
        yield lambda words, share: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = [TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn()]
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda words, share: bar.update(
                task, description=words, total=None if share is None else 1.0, completed=share or 0
            )
    else:
        told = time.monotonic()

        def tell(words: str, share: float | None) -> None:
            nonlocal told
            if time.monotonic() - told >= EVERY:
                told = time.monotonic()
                click.echo(words if share is None else f"{words}, {share:.0%}", err=True)

        yield tell
