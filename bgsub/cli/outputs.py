"""Where the results of each source go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgsub.errors import ConfigError, require

if TYPE_CHECKING:
    from bgsub.config import OutputParams
    from bgsub.sinks import Sink

FORM_OF = {".mkv": "ffv1", ".npz": "npz"}
"""Mask format by the ending of a file."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one source is written to; None is not written."""

    form: str
    mask: Path | None
    overlay: Path | None
    background: Path | None
    stats: Path | None

    def paths(self) -> list[Path]:
        """Those that are written."""
        every = (self.mask, self.overlay, self.background, self.stats)
        return [path for path in every if path is not None]

    def open(self, fps: float | None, overwrite: bool, background: Callable[[], Any]) -> list[Sink]:
        """The sinks. Raises SinkError, ConfigError where one cannot be written."""
        from bgsub.sinks import BackgroundSink, OverlaySink, StatsSink, mask_sink

        sinks: list[Sink] = []
        if self.mask is not None:
            sinks.append(mask_sink(self.form, self.mask, fps=fps, overwrite=overwrite))
        if self.overlay is not None:
            sinks.append(OverlaySink(self.overlay, fps))
        if self.background is not None:
            sinks.append(BackgroundSink(self.background, background))
        if self.stats is not None:
            sinks.append(StatsSink(self.stats))
        return sinks


def plan(
    names: Sequence[str], output: Path | None, params: OutputParams, overwrite: bool
) -> list[Outputs]:
    """The outputs of the sources called `names`.

    `output` is the mask file of a single source, or a folder for everything; by default the
    current one. Raises ConfigError where something stands already, before anything is run.
    """
    from bgsub.sinks import LOSSY, SUFFIX, claim

    single = output is not None and output.suffix != "" and not output.is_dir()
    if single:
        assert output is not None
        if output.suffix[1:].lower() in LOSSY:
            raise ConfigError(
                f"masks are not written as {output.name}: {output.suffix} is lossy and would move "
                "the labels 0, 127, 255; use .mkv or .npz, or a folder with -f png or cdnet"
            )
        require(len(names) == 1, f"{output} is one file: give a folder for {len(names)} sources")
        require(
            output.suffix == SUFFIX.get(params.format),
            f"-f {params.format} does not go into {output.name}; use .mkv for ffv1, .npz for npz, "
            "a folder for png and cdnet",
        )
    plans = []
    for name in names:
        folder = Path() if output is None else output.parent if single else output
        stem = output.stem if single and output is not None else name
        mask = output if single else folder / _mask_name(name, params.format, SUFFIX)
        plans.append(
            Outputs(
                form=params.format,
                mask=None if params.format == "none" else mask,
                overlay=folder / f"{stem}_overlay.mp4" if params.overlay else None,
                background=folder / f"{stem}_background.png" if params.background else None,
                stats=folder / f"{stem}_stats.csv" if params.stats else None,
            )
        )
    for outputs in plans:
        for path in outputs.paths():
            claim(path, overwrite)
    return plans


def _mask_name(name: str, form: str, endings: dict[str, str]) -> str:
    if form == "cdnet":
        return name  # as `bgsub eval` and CDnet's own tools look for it
    return f"{name}_mask{endings.get(form, '')}"


def distinct(sources: Sequence[str], name_of: Callable[[str], str]) -> list[str]:
    """A name for each source; those that would be alike take their folder's name too.

    Raises ConfigError where that does not help.
    """
    names = [name_of(source) for source in sources]
    twice = {name for name, count in Counter(names).items() if count > 1}
    for n, source in enumerate(sources):
        if names[n] in twice:
            folder = Path(source).resolve().parent.name
            names[n] = re.sub(r"\W+", "_", folder) + "_" + names[n]
    alike = [name for name, count in Counter(names).items() if count > 1]
    require(not alike, f"two sources would be written to {alike and alike[0]}: run them apart")
    return names
