"""The command line: one file a command.

A command's file imports click and nothing heavy at its top; rooms are imported inside the command,
so that `bgsub --help` and `--version` answer at once.
"""

from __future__ import annotations

import click

from bgsub import __version__
from bgsub.cli.bench import bench
from bgsub.cli.config import config
from bgsub.cli.doctor import doctor
from bgsub.cli.eval import evaluate
from bgsub.cli.exits import CODES, Group
from bgsub.cli.learn import learn
from bgsub.cli.model import model
from bgsub.cli.run import run
from bgsub.cli.validate import validate
from bgsub.cli.warmup import warmup


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: " + "; ".join(f"{code} {text}" for code, text in CODES.items()) + ".",
)
@click.version_option(__version__, "-V", "--version", prog_name="bgsub")
def main() -> None:
    """Separate what moves from what stays, in a video."""


for command in (run, learn, validate, model, bench, evaluate, config, doctor, warmup):
    main.add_command(command)
