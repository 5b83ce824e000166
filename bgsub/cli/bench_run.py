"""bgsub bench run: model and cleaning on a video, beside OpenCV's MOG2."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bgsub.cli.options import SIZE, say_on_stderr


@click.command("run")
@click.argument("source", required=False)
@click.option("--preset", "presets", multiple=True, metavar="NAME", help="Repeatable; default all.")
@click.option("--size", type=SIZE, metavar="WxH", help="Resize the frames to this.")
@click.option("--frames", type=click.IntRange(min=20), default=150, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--cpu-time", is_flag=True, help="Count processor time, on one thread.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Also as JSON, here.")
def bench_run(
    source: str | None = None,
    presets: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
    frames: int = 150,
    threads: int = 1,
    cpu_time: bool = False,
    path: Path | None = None,
) -> None:
    """Time model and cleaning of the presets, frame by frame in turn with MOG2.

    SOURCE is anything that `bgsub run` takes; by default a drawn street.
    """
    say_on_stderr(quiet=False, verbose=False)
    import time

    from bgsub.errors import require
    from bgsub.evaluation import pace
    from bgsub.models import PRESETS

    require(threads == 1 or not cpu_time, "--cpu-time measures one thread: leave out --threads")
    clock = time.thread_time if cpu_time else time.perf_counter

    images = pace.pictures(source, size, frames)
    result = pace.measure(images, presets or tuple(PRESETS), threads, clock)
    click.echo(pace.as_text(result))
    if path is not None:
        path.write_text(json.dumps(result, indent=1))
