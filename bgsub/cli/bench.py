"""bgsub bench: how fast it is here."""

from __future__ import annotations

import click

from bgsub.cli.bench_kernel import bench_kernel
from bgsub.cli.bench_mixture import bench_mixture
from bgsub.cli.bench_pixels import bench_pixels
from bgsub.cli.bench_run import bench_run


@click.group(invoke_without_command=True)
@click.pass_context
def bench(ctx: click.Context) -> None:
    """Measure speed on this machine; without a command, `run`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(bench_run)


for command in (bench_kernel, bench_mixture, bench_pixels, bench_run):
    bench.add_command(command)
