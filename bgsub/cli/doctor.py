"""bgsub doctor: what this machine has, to see and to paste into a report."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from typing import Any

import click

from bgsub import __version__
from bgsub.cli import exits
from bgsub.cli.options import SIZE

PACKAGES = ("numpy", "numba", "llvmlite", "click", "rich", "av", "matplotlib")
CV2_PACKAGES = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
CAMERAS = 4
"""Camera numbers that are tried."""


@click.command()
@click.option("--size", type=SIZE, metavar="WxH", help="Also the memory of a model of this size.")
@click.option("--cameras/--no-cameras", default=True, help="Try to open cameras.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(size: tuple[int, int] | None, cameras: bool, as_json: bool) -> None:
    """Tell versions, OpenCV, threads, display, cameras and the cache folder.

    Ends with 2 where something would keep bgsub from working.
    """
    report, problems = _examine(size, cameras)
    if as_json:
        click.echo(json.dumps({**report, "problems": problems}, indent=1))
    else:
        width = max(map(len, report))
        for name, value in report.items():
            for n, line in enumerate(value if isinstance(value, list) else [value]):
                click.echo(f"{name if n == 0 else '':{width}}  {line}")
        for problem in problems:
            click.echo(f"Problem: {problem}", err=True)
    sys.exit(exits.USAGE if problems else exits.DONE)


def _examine(size: tuple[int, int] | None, cameras: bool) -> tuple[dict[str, Any], list[str]]:
    problems = []
    versions = {name: _version(name) for name in PACKAGES}
    providers = {name: v for name in CV2_PACKAGES if (v := _version(name)) is not None}
    if len(providers) > 1:
        problems.append(
            f"{len(providers)} distributions provide cv2 ({', '.join(providers)}) and overwrite "
            f"each other: pip uninstall {' '.join(providers)}, then install one of them"
        )
    import cv2

    from bgsub.frames import list_cameras
    from bgsub.models import cache_folder, memory_bytes, preset
    from bgsub.models.presets import PRESETS
    from bgsub.sinks import display_problem

    folder, wanted = cache_folder()
    if folder != wanted:
        problems.append(
            f"the cache folder {wanted} cannot be written, so kernels are compiled at every "
            "start: set NUMBA_CACHE_DIR to a folder that can"
        )
    backends = [cv2.videoio_registry.getBackendName(b) for b in cv2.videoio_registry.getBackends()]
    report: dict[str, Any] = {
        "bgsub": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "packages": [f"{name} {v or 'not installed'}" for name, v in versions.items()],
        "cv2": [f"{name} {v}" for name, v in providers.items()] + [f"imports as {cv2.__version__}"],
        "video backends": ", ".join(backends),
        "threads": "plain threads over kernels that release the interpreter lock; "
        "numba's threading layer is not used",
        "display": display_problem() or "windows can be shown",
        "cache folder": str(folder),
    }
    if cameras:
        report["cameras"] = list_cameras(CAMERAS) or "none found"
    if size is not None:
        width, height = size
        report[f"memory at {width}x{height}"] = [
            f"{name}: {bytes_ / 2**20:.0f} MiB, {bytes_ / (width * height):.1f} bytes a pixel "
            f"({channels} channel{'s' * (channels > 1)})"
            for name in PRESETS
            for channels in (3, 1)
            for bytes_ in [memory_bytes(preset(name), (height, width, channels))]
        ]
    return report, problems


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
