"""The command line: one file a command."""

from __future__ import annotations

import click

from bgsub import __version__


@click.group()
@click.version_option(__version__, prog_name="bgsub")
def main() -> None:
    """Separate what moves from what stays, in a video."""
