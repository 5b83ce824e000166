"""bgsub model: what is in a model file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bgsub.cli.options import say_on_stderr

FILE = click.Path(path_type=Path)


@click.group()
def model() -> None:
    """Look into model files that `bgsub learn` and `bgsub run --save-model` wrote."""


@model.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with all settings.")
def info(file: Path, as_json: bool) -> None:
    """Say what is in a model FILE."""
    say_on_stderr(quiet=False, verbose=False)
    from bgsub.evaluation import models
    from bgsub.models import load

    about = models.describe(load(file))
    click.echo(json.dumps(about, indent=1) if as_json else models.as_text(about))


@model.command()
@click.argument("file", type=FILE)
@click.argument("other", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def diff(file: Path, other: Path, as_json: bool) -> None:
    """Say how the models in FILE and OTHER differ."""
    say_on_stderr(quiet=False, verbose=False)
    from bgsub.evaluation import models
    from bgsub.models import load

    found = models.differences(load(file), load(other))
    click.echo(json.dumps(found, indent=1) if as_json else models.difference_as_text(found))


@model.command()
@click.argument("file", type=FILE)
@click.option("-o", "--output", type=FILE, help="Picture; default is the file's name .png.")
@click.option("--overwrite", is_flag=True, help="Replace a picture that exists.")
def plot(file: Path, output: Path | None, overwrite: bool) -> None:
    """Draw the background, certainty and number of modes of a model FILE."""
    say_on_stderr(quiet=False, verbose=False)
    from bgsub.evaluation import plots
    from bgsub.models import load
    from bgsub.sinks import claim

    plots.require_matplotlib()
    path = file.with_suffix(".png") if output is None else output
    claim(path, overwrite)
    plots.plot_model(load(file), path, file.name)
    click.echo(path)
