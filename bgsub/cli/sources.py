"""Options of what is read, and the source that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bgsub.cli.options import DURATION

if TYPE_CHECKING:
    from bgsub.config import InputParams, RunConfig
    from bgsub.frames import Source

READ = ("start", "end", "every", "scale", "fps", "reader")


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """The options of which frames are looked at, and how."""
    for option in reversed(
        (
            click.option("--start", type=DURATION, help="Begin at this time of the video."),
            click.option("--end", type=DURATION, help="End before this time of the video."),
            click.option("--every", type=click.IntRange(min=1), help="Keep each n-th frame."),
            click.option("--scale", type=float, help="Resize the frames by this factor."),
            click.option("--fps", type=float, help="Pictures a second, for folders of pictures."),
            click.option(
                "--reader", type=click.Choice(["auto", "av", "opencv"]), help="For video files."
            ),
        )
    ):
        command = option(command)
    return command


def settings_of(given: dict[str, Any]) -> RunConfig:
    """Defaults, then the file `config`, then the options."""
    from bgsub import config, models

    path, preset = given.get("config"), given.get("preset")
    if path is not None:
        settings = config.load(path, preset)
    else:
        settings = config.RunConfig(model=models.preset(preset or config.DEFAULT_PRESET))
    history = given.get("history")
    options = {
        "input": {name: given[name] for name in READ if given[name] is not None},
        "model": {} if history is None else {"history": history},
    }
    return config.build(settings, options, "option")


def opened(source: str, options: InputParams) -> Source:
    """The source that the options ask for."""
    from bgsub import frames

    return frames.open(
        source,
        start=options.start,
        end=options.end,
        every=options.every,
        scale=options.scale,
        fps=options.fps,
        reader=options.reader,
    )
