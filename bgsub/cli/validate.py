"""bgsub validate: online mixtures beside a batch fit of the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bgsub.cli.options import say_on_stderr, set_threads
from bgsub.cli.progress import steps
from bgsub.cli.sources import opened, reading, settings_of
from bgsub.errors import require

if TYPE_CHECKING:
    from bgsub.config import InputParams
    from bgsub.frames import Frame
    from bgsub.models import AdaptiveMixture

FILE = click.Path(path_type=Path)


class Pixel(click.ParamType[tuple[int, int]]):
    """Column and row, written as x,y."""

    name = "pixel"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        x, _, y = str(value).partition(",")
        if not (x.isdigit() and y.isdigit()):
            self.fail(f"expected column and row such as 120,80, got {value!r}", param, ctx)
        return int(x), int(y)


@click.command()
@click.argument("model")
@click.argument("source")
@click.option(
    "--pixel", "pixels", type=Pixel(), multiple=True, metavar="X,Y", help="Explain it; repeatable."
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="NAME=VALUE,...",
    help="Also with these values of a setting, such as history=5s,20s,60s; repeatable.",
)
@click.option("-o", "--output", type=FILE, help="Folder for report and pictures.")
@click.option("--overwrite", is_flag=True, help="Write into a folder that exists.")
@click.option(
    "--frames",
    type=click.IntRange(min=20),
    default=200,
    show_default=True,
    help="To fit; a quarter as many are held out.",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Nats a sample by which a pixel must be worse to count.",
)
@reading
@click.option("--threads", type=click.IntRange(min=1), help="Processors to use; default all.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
def validate(
    model: str,
    source: str,
    pixels: tuple[tuple[int, int], ...],
    sweeps: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    frames: int,
    margin: float,
    threads: int | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Replay SOURCE through the online MODEL and judge it by a batch fit, pixel by pixel.

    MODEL is a model file, or the name of a preset, which starts fresh. Held-out frames of the last
    two thirds of the video are scored by both; the table says how many nats a sample the online
    model loses. With --sweep every model starts fresh, with the settings of MODEL.
    """
    say_on_stderr(quiet, verbose=False)
    set_threads(threads)
    require(not pixels or output is not None, "--pixel draws a picture: give a folder by -o")
    from bgsub.evaluation import validation

    models = _models(model, sweeps)
    if output is not None:
        from bgsub.evaluation import plots

        plots.require_matplotlib()
        require(
            overwrite or not output.exists() or not any(output.iterdir()),
            f"{output} exists already: give --overwrite, or another name",
        )
    options = settings_of(given).input
    with steps(quiet) as tell:
        result = validation.validate(
            lambda: _frames(source, options),
            models,
            n_frames=frames,
            margin=margin,
            pixels=pixels,
            threads=threads,
            progress=tell,
        )
    click.echo(result.to_text())
    if output is not None:
        from bgsub.evaluation import plots
        from bgsub.sinks.files import make_folder, write

        make_folder(output)
        write(output / "report.json", result.to_json().encode())
        write(output / "report.txt", (result.to_text() + "\n").encode())
        for path in plots.plot_validation(result, output):
            if not quiet:
                click.echo(path, err=True)


def _frames(source: str, options: InputParams) -> Iterator[Frame]:
    with opened(source, options) as frames:
        require(not frames.live, f"{source} cannot be read twice: record it, and give the file")
        yield from frames


def _models(given: str, sweeps: tuple[str, ...]) -> dict[str, AdaptiveMixture]:
    """The model, and with --sweep fresh ones with each value of its settings."""
    from bgsub.models import PRESETS, AdaptiveMixture

    kept = given in PRESETS
    model = AdaptiveMixture.from_preset(given) if kept else AdaptiveMixture.load(given)
    if not sweeps:
        return {Path(given).stem: model}
    made = {"as it is": AdaptiveMixture(model.params)}
    for sweep in sweeps:
        name, equals, values = sweep.partition("=")
        require(
            bool(equals and values),
            f"--sweep takes NAME=VALUE,VALUE such as history=5s,20s, got {sweep!r}",
        )
        for value in values.split(","):
            made[f"{name}={value}"] = AdaptiveMixture(_changed(model.params, name, value))
    return made


def _changed(params: Any, name: str, value: str) -> Any:
    import tomllib

    from bgsub import config

    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    return config.build(params, {name: parsed}, "--sweep")
