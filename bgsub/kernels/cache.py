"""Where compiled kernels are kept between runs, and word of it when they must be compiled."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import shutil
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event

log = logging.getLogger("bgsub.kernels")


def wanted() -> Path:
    """The folder that compiled kernels should go to."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given) / "bgsub"
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "bgsub"


def writable(path: Path) -> bool:
    """Whether files can be made in `path`; makes the folder."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError:
        return False


@cache
def folder() -> Path:
    """The folder in use: the wanted one, or a temporary one with a warning."""
    path = wanted()
    if writable(path):
        return path
    log.warning(
        "kernels will be compiled again at every start: the cache folder %s cannot be written; "
        "set NUMBA_CACHE_DIR to a folder that can",
        path,
    )
    scratch = tempfile.mkdtemp(prefix="bgsub-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return Path(scratch)


class _Announcer(event.Listener):
    """Says that compiling has begun, and how long it took."""

    def __init__(self) -> None:
        self.depth = 0
        self.began = 0.0
        self.told = False
        self.collected = True

    def on_start(self, event: Any) -> None:
        if self.depth == 0:
            self.began = time.perf_counter()
            if not self.told:
                log.info("compiling kernels for this machine; later starts load them at once")
            self.told = True
            self.collected = gc.isenabled()
            gc.disable()  # it would look for garbage hundreds of times, and find next to none
        self.depth += 1

    def on_end(self, event: Any) -> None:
        self.depth -= 1
        if self.depth == 0:
            if self.collected:
                gc.enable()
            name = event.data["dispatcher"].__name__
            log.info("compiled %s in %.1f s", name, time.perf_counter() - self.began)


def install() -> None:
    """Give numba a cache that can be written, and announce what is compiled from now on."""
    if folder() != wanted():
        config: Any = numba.config
        config.CACHE_DIR = str(folder())
    event.register("numba:compile", _Announcer())
