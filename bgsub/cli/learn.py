"""bgsub learn: a background model from recorded frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bgsub.cli.options import DURATION, say_on_stderr, set_threads
from bgsub.cli.progress import steps
from bgsub.cli.sources import opened, reading, settings_of
from bgsub.errors import require

if TYPE_CHECKING:
    from bgsub.cli.progress import Step
    from bgsub.frames import Frame, Source
    from bgsub.models import Learnt

FILE = click.Path(path_type=Path)


class Components(click.ParamType[Any]):
    """A number of Gaussians, or auto."""

    name = "components"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if value != "auto" and not str(value).isdigit():
            self.fail(f"expected auto or a number of Gaussians, got {value!r}", param, ctx)
        return "auto" if value == "auto" else int(value)


@click.command()
@click.argument("source")
@click.option("-o", "--output", type=FILE, help="Model file; default is the source's name .bgm.")
@click.option("--overwrite", is_flag=True, help="Replace a model file that exists.")
@click.option(
    "--frames",
    type=click.IntRange(min=20),
    default=200,
    show_default=True,
    help="To sample at most, evenly over the video; at least half of it are.",
)
@click.option(
    "--components",
    type=Components(),
    default="auto",
    show_default=True,
    metavar="K",
    help="Gaussians a pixel; auto chooses 1 to 3 for each.",
)
@click.option("--preset", metavar="NAME", help="Settings of the model; default balanced.")
@click.option("-c", "--config", type=FILE, help="TOML settings: tables [input] and [model].")
@click.option("--history", type=DURATION, help="Seconds of the model's memory, such as 20s.")
@reading
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    metavar="MB",
    help="To use at most; default half of what is free. The video is read again where it needs be.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Processors to use; default all.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
def learn(
    source: str,
    output: Path | None,
    overwrite: bool,
    frames: int,
    components: int | str,
    memory: int | None,
    threads: int | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Learn the background of SOURCE, past the people who walk through it, into a model file.

    `bgsub run --model` starts from it, so that its first mask is right. Every pixel's mixture is
    fitted to frames spread over the video; what is seen in more than half of the time's ten parts
    counts as background. The path of the model goes to stdout.
    """
    say_on_stderr(quiet, verbose=False)
    set_threads(threads)
    from bgsub import frames as rooms
    from bgsub import models
    from bgsub.sinks import claim

    settings = settings_of(given)
    name = rooms.name_of(int(source) if source.isdigit() else source)
    path = Path(f"{name}.bgm") if output is None else output
    claim(path, overwrite)
    with opened(source, settings.input) as first, steps(quiet) as tell:
        require(
            not first.live or settings.input.end is not None,
            f"{source} never ends: give --end, such as --end 60s",
        )
        unread = [first]
        learnt = models.learn(
            lambda: _frames(
                unread.pop() if unread else opened(source, settings.input),
                f"{name}: reading",
                tell,
            ),
            settings.model,
            n_frames=frames,
            components=components,  # type: ignore[arg-type]
            rereadable=not first.live,
            memory_limit=None if memory is None else memory * 1_000_000,
            threads=threads,
            progress=lambda share: tell(f"{name}: fitting", share),
        )
    learnt.model.save(path)
    click.echo(path)
    if not quiet:
        click.echo(_summary(name, learnt), err=True)


def _frames(source: Source, words: str, tell: Step) -> Iterator[Frame]:
    with source:
        for n, frame in enumerate(source, 1):
            yield frame
            expected = source.expected_frames
            tell(f"{words} frame {n}", min(n / expected, 1.0) if expected else None)


def _summary(name: str, learnt: Learnt) -> str:
    shares = ", ".join(
        f"{share:.1%} {n} mode{'s' if n > 1 else ''}" for n, share in enumerate(learnt.n_modes, 1)
    )
    again = f", read {learnt.passes} times" if learnt.passes > 1 else ""
    return (
        f"{name}: learnt from {learnt.n_frames} frames over {learnt.seconds:.1f} s{again}\n"
        f"  pixels with {shares}\n"
        f"  noise {learnt.noise:.1f} grey levels, "
        f"the background explains {learnt.coverage:.1%} of the time"
    )
