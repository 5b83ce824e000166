"""bgsub bench pixels: a mixture for every pixel, beside a loop of scikit-learn's fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bgsub.cli.options import SIZE, say_on_stderr

if TYPE_CHECKING:
    from bgsub.mixture.pixels import Covariance


@click.command("pixels")
@click.argument("source", required=False)
@click.option("--size", type=SIZE, default="320x240", show_default=True, metavar="WxH")
@click.option("--frames", type=click.IntRange(min=10), default=100, show_default=True)
@click.option("--components", type=click.IntRange(1, 8), default=3, show_default=True)
@click.option(
    "--covariance",
    type=click.Choice(["spherical", "diag"]),
    default="spherical",
    show_default=True,
)
@click.option(
    "--pixels",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="That scikit-learn fits; its time for all is extrapolated.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), multiple=True, help="Repeatable; default 1 and 2."
)
@click.option("--json", "path", type=click.Path(path_type=Path), help="Also as JSON, here.")
def bench_pixels(
    source: str | None,
    size: tuple[int, int],
    frames: int,
    components: int,
    covariance: Covariance,
    pixels: int,
    threads: tuple[int, ...],
    path: Path | None,
) -> None:
    """Time fit_pixels on frames spread over SOURCE, and scikit-learn from the same starts.

    SOURCE is anything that `bgsub run` takes; by default a drawn street. The extra `dev` brings
    scikit-learn.
    """
    say_on_stderr(quiet=False, verbose=False)
    from bgsub.evaluation import fits

    images = fits.pictures(source, size, frames)
    result = fits.measure(images, components, covariance, pixels, threads or (1, 2))
    click.echo(fits.as_text(result))
    if path is not None:
        path.write_text(json.dumps(result, indent=1))
