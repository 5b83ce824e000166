"""bgsub bench kernel: the mixture alone, beside MOG2 and beside a copy of its bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bgsub.cli.options import SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from bgsub.evaluation.speed import Speed

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080), (3840, 2160))
WIDEST = 120  # columns of the table, also in a pipe
DRAWN = (640, 360)  # size in which a synthetic scene is drawn, before it is enlarged


@click.command("kernel")
@click.argument("source", required=False)
@click.option("--start", default=0.0, show_default=True, help="Seconds into SOURCE.")
@click.option("--preset", default="fast", show_default=True, metavar="NAME")
@click.option("--size", "sizes", type=SIZE, multiple=True, metavar="WxH", help="Repeatable.")
@click.option(
    "--threads", type=click.IntRange(min=1), multiple=True, help="Repeatable; default 1 and 2."
)
@click.option("--scene", "scenes", type=click.Choice(("busy", "quiet")), multiple=True)
@click.option(
    "--tile",
    is_flag=True,
    help="Mirror SOURCE to each size instead of enlarging it: the same scene at each.",
)
@click.option("--warm-up", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--frames", type=click.IntRange(min=1), default=100, show_default=True)
@click.option(
    "--cpu-time",
    is_flag=True,
    help="Count processor time, on one thread: for a machine that does other things too.",
)
@click.option("--json", "path", type=click.Path(path_type=Path), help="Also as JSON, here.")
def bench_kernel(
    source: str | None,
    start: float,
    preset: str,
    sizes: tuple[tuple[int, int], ...],
    threads: tuple[int, ...],
    scenes: tuple[str, ...],
    tile: bool,
    warm_up: int,
    frames: int,
    cpu_time: bool,
    path: Path | None,
) -> None:
    """Time the mixture alone, frame by frame in turn with MOG2 and a copy.

    The busy scene is SOURCE, anything that `bgsub run` takes, enlarged to each size, with sensor
    noise; by default a drawn street. The quiet one is a still texture with noise and one mover.
    """
    import time

    from bgsub.evaluation import speed

    counts = threads or ((1,) if cpu_time else (1, 2))
    if cpu_time and counts != (1,):
        raise click.UsageError("--cpu-time measures one thread: leave out --threads")
    clock = time.thread_time if cpu_time else time.perf_counter
    rows, changes = [], {"relearn_share": 1.0} if tile else {}
    for size in sizes or SIZES:
        for scene in scenes or ("busy", "quiet"):
            count = warm_up + frames
            if scene == "quiet":
                images = speed.quiet(size, count)
            else:
                shown = _pictures(source, start, count)
                images = speed.sensed(speed.mirrored(shown, size) if tile else shown, size)
            rows += speed.compare(
                scene,
                images,
                preset=preset,
                changes=changes,
                threads=counts,
                warm_up=warm_up,
                clock=clock,
            )
    _show(rows)
    if path is not None:
        table = [{**asdict(r), "ratio": r.ratio, "ns_per_pixel": r.ns_per_pixel} for r in rows]
        path.write_text(json.dumps({"machine": speed.machine(), "rows": table}, indent=1))


def _pictures(source: str | None, start: float, count: int) -> Iterator[NDArray[np.uint8]]:
    if source is None:
        from bgsub import synthetic

        shown = synthetic.scene("busy", size=DRAWN, frames=count, noise=0.0)
        yield from (shot.image for shot in shown)
        return
    from bgsub import frames

    with frames.open(source, start=start or None, fps=25) as opened:
        yield from (frame.image for frame in islice(opened, count))


def _show(rows: list[Speed]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"preset {rows[0].preset}: medians of {rows[0].frames} frames, ms")
    for name in ("scene", "size"):
        table.add_column(name)
    for name in (
        "threads",
        "ms",
        "p99",
        "MOG2",
        "times",
        "ns/pixel",
        "copy",
        "background",
        "bytes/pixel",
        "moving",
    ):
        table.add_column(name, justify="right")
    for r in rows:
        table.add_row(
            r.scene,
            f"{r.width}x{r.height}",
            f"{r.threads}",
            f"{r.median_ms:.2f}",
            f"{r.p99_ms:.2f}",
            f"{r.mog2_ms:.2f}",
            f"{r.ratio:.1f}",
            f"{r.ns_per_pixel:.2f}",
            f"{r.copy_ms:.2f}",
            f"{r.background_ms:.2f}",
            f"{r.state_bytes:.1f}",
            f"{r.foreground:.1%}",
        )
    console = Console()
    console.width = max(console.width, WIDEST)
    console.print(table)
