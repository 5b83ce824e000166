"""bgsub warmup: compile ahead."""

from __future__ import annotations

import time

import click

from bgsub.cli.options import say_on_stderr


@click.command()
@click.option("--preset", "names", metavar="NAME", multiple=True, help="Only this; repeatable.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
def warmup(names: tuple[str, ...], quiet: bool) -> None:
    """Compile the kernels of every preset and of `bgsub learn`, so that no later start has to."""
    say_on_stderr(quiet, verbose=False)
    from bgsub.models import PRESETS, preset, warm_up, warm_up_learning

    began = time.perf_counter()
    for name in names or PRESETS:
        warm_up(preset(name))
    if not names:
        warm_up_learning()
    if not quiet:
        click.echo(f"all is compiled, after {time.perf_counter() - began:.1f} s", err=True)
