"""bgsub bench mixture: batch EM beside scikit-learn and oneDAL."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bgsub.cli.options import say_on_stderr


@click.command("mixture")
@click.option("--only", metavar="TEXT", help="Cases whose name contains this.")
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Beside one; default all.")
@click.option("--no-converge", is_flag=True, help="Leave out the fits to convergence.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Also as JSON, here.")
def bench_mixture(
    only: str | None, repeats: int, threads: int | None, no_converge: bool, path: Path | None
) -> None:
    """Time batch EM beside scikit-learn, and oneDAL where daal4py is installed.

    Both start from the same parameters; times are milliseconds an iteration (of k-means: a fit).
    """
    say_on_stderr(quiet=False, verbose=False)
    from bgsub.mixture import benchmark

    result = benchmark.measure(only, repeats, threads, converged=not no_converge, tell=click.echo)
    if path is not None:
        path.write_text(json.dumps(result, indent=1))
