"""How a run is getting on: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from bgsub.pipeline import Report

EVERY = 10.0
"""Seconds between plain lines."""


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
