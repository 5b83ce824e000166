"""Picture files in natural order, as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import SourceError
from bgsub.frames.base import Decoded
from bgsub.frames.capture import quiet

SUFFIXES = frozenset(
    ".bmp .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()  # noqa: SIM905
)


class PictureReader:
    """Reads pictures of one size. Those that cannot be decoded are counted and skipped.

    Parameters
    ----------
    paths
        The files, in order.
    fps
        Pictures a second; without it frames have no time.
    """

    live = False
    ended_early = False

    def __init__(self, paths: list[Path], fps: float | None = None) -> None:
        self.paths = paths
        self.fps = fps
        self.expected_frames: int | None = len(paths)
        self.duration = None if fps is None else len(paths) / fps
        self.failed = 0
        self.size: tuple[int, int] | None = None

    def decode(self, every: int) -> Iterator[Decoded]:
        first: Path | None = None
        shape: tuple[int, ...] = ()
        index = lost = 0
        for place, path in enumerate(self.paths):
            image = read_picture(path)
            if image is None:
                lost += 1
                continue
            if first is None:
                first, shape = path, image.shape
            elif image.shape != shape:
                raise SourceError(
                    f"{path} is {_told(image.shape)}, but {first.name} is {_told(shape)}; "
                    "pictures of one video must be alike"
                )
            self.failed += lost
            time = None if self.fps is None else place / self.fps
            yield Decoded(image if index % every == 0 else None, time, lost)
            index, lost = index + 1, 0
        self.failed += lost
        if first is None:
            raise SourceError(f"none of the {len(self.paths)} pictures could be decoded")

    def close(self) -> None:
        """Nothing is held open."""


def read_picture(path: Path) -> NDArray[Any] | None:
    """Grey (height, width) or BGR (height, width, 3), uint8 or uint16; None if undecodable.

    Raises SourceError for a file that cannot be read at all.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if data.size == 0:
        return None
    with quiet():
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype not in (np.uint8, np.uint16):
        return None
    return image[:, :, :3] if image.ndim == 3 and image.shape[2] == 4 else image


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of `folder` in natural order; of its `input` folder if it has none itself."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    inner = folder / "input"
    sequence = inner.is_dir() and not any(path.stem != "ROI" for path in found)
    if sequence:
        found = [path for path in inner.iterdir() if path.suffix.lower() in SUFFIXES]
    return natural(found)


def natural(paths: list[Path]) -> list[Path]:
    """`paths` with their numbers in order of value: in2 before in10."""

    def key(path: Path) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", path.name.lower())
        return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]

    return sorted(paths, key=lambda path: (str(path.parent), key(path)))


def _told(shape: tuple[int, ...]) -> str:
    kind = "grey" if len(shape) == 2 else "colour"
    return f"{shape[1]}x{shape[0]} {kind}"
