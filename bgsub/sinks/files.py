"""Files that get their final name when they are complete, every write checked."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bgsub.errors import DiskFullError, SinkError


@contextmanager
def checked(path: Path) -> Iterator[None]:
    """Turn the system's errors in writing `path` into SinkError and DiskFullError."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"the disk is full: {path} could not be completed; what is finished stays"
            ) from error
        raise SinkError(f"cannot write {path}: {error.strerror or error}") from error


def part_of(path: Path) -> Path:
    """The name beside `path` that a file has until it is complete."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


def finish(part: Path, path: Path) -> None:
    """Give a complete file its final name, once its bytes are on the disk."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    Path.replace(part, path)


def write(path: Path, data: bytes) -> None:
    """Write a whole file, or nothing under its name. Raises SinkError, DiskFullError."""
    part = part_of(path)
    with checked(path):
        try:
            part.write_bytes(data)
            Path.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises SinkError."""
    with checked(path):
        path.mkdir(parents=True, exist_ok=True)
