"""bgsub eval: masks against truth."""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bgsub.cli.options import say_on_stderr, set_threads
from bgsub.cli.progress import EVERY

if TYPE_CHECKING:
    from bgsub.evaluation import Contender, Report, Sequence
    from bgsub.evaluation.runs import Footage, Progress

FILE = click.Path(path_type=Path)
OUTPUTS = ("json", "csv", "html")


class _Scoring(click.Group):
    """Takes anything that is no command for the arguments of `score`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["score", *args]
        return super().parse_args(ctx, args)


@click.group("eval", cls=_Scoring)
def evaluate() -> None:
    """Score masks against truth by the rules of CDnet 2014.

    `bgsub eval RESULTS DATASET` and `bgsub eval --run DATASET` are short for `bgsub eval score`,
    see `bgsub eval score --help`. A DATASET is a folder of category/sequence/{input,groundtruth,
    temporalROI.txt,ROI.bmp}, a category, or one sequence.
    """


def _measured(command: Callable[..., None]) -> Callable[..., None]:
    """The options of what is measured, and of where the scores go."""
    for option in reversed(
        (
            click.option("--only", metavar="GLOB", multiple=True, help="Only these sequences."),
            click.option("--skip", metavar="GLOB", multiple=True, help="Not these sequences."),
            click.option("--json", type=FILE, help="Also write the scores as JSON."),
            click.option("--csv", type=FILE, help="Also write them as CSV."),
            click.option("--html", type=FILE, help="Also write a page with charts and pictures."),
            click.option("--overwrite", is_flag=True, help="Replace files that exist."),
            click.option(
                "--threads", type=click.IntRange(min=1), default=1, help="Of a model; default 1."
            ),
            click.option(
                "--jobs",
                type=click.IntRange(min=1),
                default=1,
                help="Sequences side by side; default 1. More disturb the times.",
            ),
            click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong."),
        )
    ):
        command = option(command)
    return command


@evaluate.command()
@click.argument("paths", nargs=-1, required=True, type=FILE, metavar="[RESULTS] DATASET")
@click.option("--run", is_flag=True, help="Run models over DATASET instead of reading RESULTS.")
@click.option("--preset", "presets", metavar="NAME", multiple=True, help="Run this preset.")
@click.option("-c", "--config", "configs", type=FILE, multiple=True, help="Run these settings.")
@click.option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    help="Run OpenCV's mog2, knn, or bgsegm-mog, -cnt, -gmg, -gsoc, -lsbp.",
)
@click.option(
    "--median",
    "medians",
    type=int,
    metavar="PIXELS",
    multiple=True,
    help="Clean the masks of --model by a binary median of this side, 1 for none.",
)
@_measured
def score(
    paths: tuple[Path, ...],
    run: bool,
    presets: tuple[str, ...],
    configs: tuple[Path, ...],
    models: tuple[str, ...],
    medians: tuple[int, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    threads: int,
    jobs: int,
    quiet: bool,
    **outputs: Any,
) -> None:
    """Score RESULTS, or with --run models as they run, over DATASET.

    RESULTS holds category/sequence or sequence: a folder of bin000001.png and so on, or a file
    that `bgsub run` wrote. Each of --only, --skip, --preset, --config, --model and --median can be
    given several times; everything is run side by side. Without a name, `balanced` is run.
    """
    if not run and (presets or configs or models):
        raise click.UsageError("--preset, --config and --model need --run")
    if medians and not models:
        raise click.UsageError("--median needs --model; presets bring their own cleaning")
    if len(paths) != (1 if run else 2):
        wanted = "DATASET alone with --run" if run else "RESULTS and DATASET, or --run and DATASET"
        raise click.UsageError(f"expected {wanted}, got {' '.join(map(str, paths))}")
    _begin(threads, quiet, outputs)
    from bgsub import evaluation
    from bgsub.evaluation.report import best_of

    sequences = evaluation.find_sequences(paths[-1], only, skip)
    if run:
        chosen = presets or (() if configs or models else ("balanced",))
        sides = medians or (1,)
        entered = evaluation.contenders(chosen, configs, models, sides)
        reports = _run(sequences, entered, threads, jobs, quiet)
        if len(sides) > 1:
            for kind in models:
                own = [r for r in reports if r.name.split(" median ")[0] == kind]
                reports.append(best_of(f"{kind} best median", own))
    else:
        reports = [_results(paths[0], sequences)]
    click.echo(evaluation.to_text(reports))
    _write(reports, f"Scores on {paths[-1]}", threads, outputs)


@evaluate.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="A.json B.json...")
def compare(files: tuple[Path, ...]) -> None:
    """Show the scores of files that --json wrote side by side."""
    from bgsub.evaluation import side_by_side

    click.echo(side_by_side(_load(files)))


@evaluate.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE.json...")
def generalise(files: tuple[Path, ...]) -> None:
    """Choose parameters on all categories but one, score the one left out.

    The files hold one run for each set of parameters, as `bgsub eval --run -c a.toml -c b.toml
    --json FILE.json DATASET` writes.
    """
    from bgsub.evaluation import leave_one_category_out
    from bgsub.evaluation.generalise import left_out_rows
    from bgsub.evaluation.report import table

    click.echo(table(left_out_rows(leave_one_category_out(_load(files)))))


@evaluate.command()
@click.argument("dataset", type=FILE)
@click.option("--preset", metavar="NAME", help="Take this preset apart; default balanced.")
@click.option("-c", "--config", "path", type=FILE, help="Take these settings apart.")
@_measured
def ablation(
    dataset: Path,
    preset: str | None,
    path: Path | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    threads: int,
    jobs: int,
    quiet: bool,
    **outputs: Any,
) -> None:
    """Switch the ingredients of a model off, one by one, over DATASET."""
    if preset and path:
        raise click.UsageError("expected --preset or --config, got both")
    _begin(threads, quiet, outputs)
    from bgsub import evaluation
    from bgsub.evaluation.ablation import ablation_rows
    from bgsub.evaluation.report import table

    (whole,) = evaluation.contenders(
        () if path else (preset or "balanced",), (path,) if path else ()
    )
    entered = evaluation.ablation(whole)
    sequences = evaluation.find_sequences(dataset, only, skip)
    reports = _run(sequences, entered, threads, jobs, quiet)
    click.echo("\n\n".join(table(rows) for rows in ablation_rows(reports)))
    _write(reports, f"Ablation of {whole.name} on {dataset}", threads, outputs)


def _begin(threads: int, quiet: bool, outputs: dict[str, Any]) -> None:
    """Refuse outputs that exist before the work, not after it."""
    say_on_stderr(quiet, verbose=False)
    set_threads(threads)
    from bgsub.sinks import claim

    for form in OUTPUTS:
        if outputs[form] is not None:
            claim(outputs[form], outputs["overwrite"])


def _run(
    sequences: list[Sequence], entered: list[Contender], threads: int, jobs: int, quiet: bool
) -> list[Report]:
    from bgsub.evaluation import run_all

    with _progress(sum(len(sequence.inputs) for sequence in sequences), quiet) as tell:
        return run_all(sequences, entered, threads=threads, jobs=jobs, progress=tell)


def _results(root: Path, sequences: list[Sequence]) -> Report:
    from bgsub.evaluation import Report, find_results, score_results

    alone = len(sequences) == 1
    return Report(
        root.resolve().name,
        [score_results(s, find_results(root, s, alone=alone)) for s in sequences],
    )


def _load(files: tuple[Path, ...]) -> list[Report]:
    """The runs of all files, named by their file too where two have the same name."""
    from bgsub.evaluation import Report, load

    runs = [(path, report) for path in files for report in load(path)]
    names = Counter(report.name for _, report in runs)
    return [
        Report(f"{path.with_suffix('')}: {r.name}" if names[r.name] > 1 else r.name, r.scores)
        for path, r in runs
    ]


def _write(reports: list[Report], title: str, threads: int, outputs: dict[str, Any]) -> None:
    import cv2

    from bgsub import __version__, evaluation
    from bgsub.sinks.files import write

    about = (
        f"bgsub {__version__}, OpenCV {cv2.__version__}, {time.strftime('%Y-%m-%d')}, "
        f"{threads} thread{'s' if threads > 1 else ''} a model"
    )
    texts = {
        "json": lambda: evaluation.to_json(reports),
        "csv": lambda: evaluation.to_csv(reports),
        "html": lambda: evaluation.to_html(title, reports, about),
    }
    for form in OUTPUTS:
        if outputs[form] is not None:
            write(outputs[form], texts[form]().encode())


@contextmanager
def _progress(frames: int, quiet: bool) -> Iterator[Progress | None]:
    """A bar on a terminal, now and then a plain line elsewhere."""
    done = itertools.count(1)  # one step is atomic, and jobs are threads
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=frames)
            yield lambda sequence: bar.update(task, completed=next(done), description=str(sequence))
    else:
        told = time.monotonic()

        def tell(sequence: Footage) -> None:
            nonlocal told
            count = next(done)
            if time.monotonic() - told >= EVERY:
                told = time.monotonic()
                click.echo(f"{count} of {frames} frames, {sequence}", err=True)

        yield tell
