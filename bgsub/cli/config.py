"""bgsub config: write, show and check files of settings."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.group()
def config() -> None:
    """Files of settings for `bgsub run -c`."""


@config.command()
@click.argument("path", type=FILE, default="bgsub.toml")
@click.option("--preset", metavar="NAME", help="Start from this preset instead of balanced.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def init(path: Path, preset: str | None, overwrite: bool) -> None:
    """Write every setting with its meaning to PATH (bgsub.toml)."""
    from bgsub import config as settings
    from bgsub.models import preset as named
    from bgsub.sinks import claim
    from bgsub.sinks.files import write

    claim(path, overwrite)
    chosen = settings.RunConfig(model=named(preset or settings.DEFAULT_PRESET))
    write(path, settings.to_toml(chosen, documented=True).encode())
    click.echo(path)


@config.command()
@click.argument("path", type=FILE, required=False)
@click.option("--preset", metavar="NAME", help="Instead of the one that the file names.")
def show(path: Path | None, preset: str | None) -> None:
    """Print the settings that hold: the defaults, or those of a file PATH."""
    from bgsub import config as settings
    from bgsub.models import preset as named

    if path is not None:
        chosen = settings.load(path, preset)
    else:
        chosen = settings.RunConfig(model=named(preset or settings.DEFAULT_PRESET))
    click.echo(settings.to_toml(chosen), nl=False)


@config.command()
@click.argument("paths", type=FILE, nargs=-1, required=True, metavar="PATH...")
def check(paths: tuple[Path, ...]) -> None:
    """Tell whether files of settings can be used."""
    from bgsub import config as settings

    for path in paths:
        settings.load(path)
        click.echo(f"{path}: fine", err=True)
