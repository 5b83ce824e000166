"""bgsub run: foreground masks from files, folders, cameras and streams."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bgsub.cli import exits
from bgsub.cli.options import DURATION, say_on_stderr, set_threads
from bgsub.cli.outputs import FORM_OF, Outputs, distinct, plan
from bgsub.cli.progress import progress, state
from bgsub.cli.sources import opened
from bgsub.errors import BgsubError, DiskFullError, SourceError, require

if TYPE_CHECKING:
    from bgsub.config import RunConfig
    from bgsub.models import AdaptiveMixture
    from bgsub.pipeline import Report

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output", type=FILE, help="Mask file (.mkv, .npz), or folder for all.")
@click.option("-f", "--format", "form", metavar="FORM", help="ffv1, png, cdnet, npz or none.")
@click.option("--overlay", is_flag=True, default=None, help="Also a video with the finds drawn in.")
@click.option("--background", is_flag=True, default=None, help="Also a picture of the background.")
@click.option("--stats", is_flag=True, default=None, help="Also a CSV with a row for each frame.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option("--preset", metavar="NAME", help="fast, balanced (default), best or classic.")
@click.option("-c", "--config", type=FILE, help="TOML settings; the other options win over it.")
@click.option("--history", type=DURATION, help="Seconds of memory, such as 20s or 1m.")
@click.option(
    "--shadows",
    type=click.Choice(["off", "mark", "drop", "keep"]),
    help="Not looked for; labelled 127; made background; made foreground.",
)
@click.option("--learning-rate", type=click.FloatRange(0, 1), help="Fixed; 0 freezes the model.")
@click.option("--roi", type=FILE, help="Picture: white where to look, black is left out.")
@click.option("--model", "start_from", type=FILE, help="Start from a saved model.")
@click.option("--save-model", type=FILE, help="Save the model at the end.")
@click.option("--start", type=DURATION, help="Begin at this time of the video.")
@click.option("--end", type=DURATION, help="End before this time of the video.")
@click.option("--every", type=click.IntRange(min=1), help="Keep each n-th frame.")
@click.option("--scale", type=float, help="Resize the frames by this factor.")
@click.option("--fps", type=float, help="Pictures a second, for folders of pictures.")
@click.option("--reader", type=click.Choice(["auto", "av", "opencv"]), help="For video files.")
@click.option("--preview", is_flag=True, help="Show it in a window; q ends.")
@click.option("--threads", type=click.IntRange(min=1), help="Processors to use; default all.")
@click.option("--profile", is_flag=True, help="Say where the time went.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def run(
    sources: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    learning_rate: float | None,
    roi: Path | None,
    start_from: Path | None,
    save_model: Path | None,
    preview: bool,
    threads: int | None,
    profile: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Write the foreground masks of each SOURCE: video, folder, glob, camera number or URL.

    Without -o the masks of walk.mp4 go to walk_mask.mkv. Paths of what was written go to stdout.
    """
    say_on_stderr(quiet, verbose)
    set_threads(threads)
    require(
        start_from is None or not any(given[name] for name in ("preset", "history", "shadows")),
        "--model brings its own settings: leave out --preset, --history and --shadows",
    )
    require(
        save_model is None or len(sources) == 1, "--save-model takes the model of one source only"
    )
    settings = _settings(output, given)
    names = distinct(sources, _name)
    outputs = plan(names, output, settings.output, overwrite)
    if save_model is not None and save_model != start_from:
        from bgsub.sinks import claim

        claim(save_model, overwrite)
    job = _Job(
        settings=settings,
        overwrite=overwrite,
        learning_rate=learning_rate,
        roi=None if roi is None else _region(roi),
        start_from=start_from,
        save_model=save_model,
        preview=preview,
        threads=threads,
        profile=profile,
        quiet=quiet,
    )
    with _stopping() as stop:
        codes = [
            _one(job, source, name, to, stop, alone=len(sources) == 1)
            for source, name, to in zip(sources, names, outputs, strict=True)
            if not stop.signalled
        ]
    sys.exit(exits.INTERRUPTED if stop.signalled else _together(codes))


@dataclass(frozen=True, slots=True)
class _Job:
    """What holds for every source."""

    settings: RunConfig
    overwrite: bool
    learning_rate: float | None
    roi: Any
    start_from: Path | None
    save_model: Path | None
    preview: bool
    threads: int | None
    profile: bool
    quiet: bool


class _Stop(threading.Event):
    """Set when the run shall end."""

    signalled = False
    """Whether Ctrl-C or SIGTERM was the reason."""


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Let Ctrl-C and SIGTERM end the run after the frame at hand; a second one ends it at once."""
    stop = _Stop()

    def handle(number: int, frame: object) -> None:
        if stop.signalled:
            raise KeyboardInterrupt
        stop.signalled = True
        stop.set()

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _settings(output: Path | None, given: dict[str, Any]) -> RunConfig:
    """Defaults, then the file, then the options."""
    from bgsub import config, models

    if given["config"] is not None:
        settings = config.load(given["config"], given["preset"])
    else:
        settings = config.RunConfig(model=models.preset(given["preset"] or config.DEFAULT_PRESET))
    shadows = given["shadows"]
    form = given["form"] or (output and FORM_OF.get(output.suffix))
    options = {
        "input": {
            name: given[name] for name in ("start", "end", "every", "scale", "fps", "reader")
        },
        "model": {"history": given["history"], "shadows": shadows and shadows != "off"},
        "mask": {"shadows": None if shadows == "off" else shadows},
        "output": {"format": form}
        | {name: given[name] for name in ("overlay", "background", "stats")},
    }
    wanted = {
        table: {name: value for name, value in values.items() if value is not None}
        for table, values in options.items()
    }
    return config.build(settings, wanted, "option")


def _name(source: str) -> str:
    from bgsub.frames import name_of

    return name_of(int(source) if source.isdigit() else source)


def _region(path: Path) -> Any:
    from bgsub.frames import read_picture

    mask = read_picture(path)
    require(mask is not None, f"--roi {path} is no picture")
    assert mask is not None
    return mask if mask.ndim == 2 else mask.max(axis=2)


def _one(job: _Job, source: str, name: str, outputs: Outputs, stop: _Stop, *, alone: bool) -> int:
    """Process one source; returns its exit code. When alone its errors end the command."""
    from bgsub.pipeline import Report

    report = Report()
    try:
        _process(job, source, name, outputs, stop, report)
    except BgsubError as error:
        if isinstance(error, DiskFullError) or (alone and report.frames == 0):
            raise
        click.echo(f"Error: {error}", err=True)
        code = exits.code_of(error)
        if isinstance(error, SourceError) and report.frames > 0:
            code = exits.PARTIAL
        _tell(name, outputs, report, job)
        return code
    _tell(name, outputs, report, job)
    return exits.DONE if report.whole or (report.stopped and not report.failed) else exits.PARTIAL


def _process(
    job: _Job, source: str, name: str, outputs: Outputs, stop: _Stop, report: Report
) -> None:
    from bgsub import pipeline
    from bgsub.masks import Cleaner
    from bgsub.sinks import PreviewSink

    with opened(source, job.settings.input) as frames:
        model = _model(job)
        sinks = outputs.open(frames.fps, job.overwrite, model.background)
        if job.preview:
            sinks.append(PreviewSink(f"bgsub: {name}", stop.set))
        with progress(name, frames.expected_frames, job.quiet) as tell:
            pipeline.run(
                frames,
                model,
                Cleaner(job.settings.mask),
                sinks,
                learning_rate=job.learning_rate,
                roi=job.roi,
                stop=stop,
                on_result=lambda _, grown: tell(grown),
                report=report,
            )
        if job.save_model is not None:
            model.save(job.save_model)


def _model(job: _Job) -> AdaptiveMixture:
    from bgsub.models import AdaptiveMixture

    if job.start_from is not None:
        return AdaptiveMixture.load(job.start_from, job.threads)
    return AdaptiveMixture(job.settings.model, job.threads)


def _tell(name: str, outputs: Outputs, report: Report, job: _Job) -> None:
    """The summary of a source: what was written on stdout, how it went on stderr."""
    if report.frames == 0:
        return
    for path in outputs.paths():
        click.echo(path)
    if report.failed:
        click.echo(
            f"Warning: {name}: {report.failed} frames could not be decoded and were skipped",
            err=True,
        )
    if not job.quiet:
        click.echo(
            f"{name}: {report.frames} frames in {report.seconds:.1f} s, {state(report)}", err=True
        )
    if job.profile:
        spent = {**report.stages, "side by side": report.seconds}
        each = (f"{stage} {seconds / report.frames * 1000:.2f}" for stage, seconds in spent.items())
        click.echo(f"{name}: milliseconds a frame: {', '.join(each)}", err=True)


def _together(codes: list[int]) -> int:
    """One exit code for all sources."""
    kinds = set(codes)
    if len(kinds) == 1:
        return kinds.pop()
    return exits.PARTIAL
