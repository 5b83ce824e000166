"""One door to every source of frames."""

from __future__ import annotations

import glob
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError, SourceError, require
from bgsub.frames.base import Decoded, Frame, Reader
from bgsub.frames.capture import CaptureReader
from bgsub.frames.packets import PacketReader
from bgsub.frames.pictures import SUFFIXES, PictureReader, natural, pictures_in
from bgsub.frames.prefetch import prefetch

log = logging.getLogger("bgsub.frames")

ReaderName = Literal["auto", "av", "opencv"]


def open(
    source: str | Path | int,
    *,
    start: float | None = None,
    end: float | None = None,
    every: int = 1,
    scale: float = 1.0,
    fps: float | None = None,
    reader: ReaderName = "auto",
    read_ahead: int = 4,
) -> Source:
    """Open a source of frames.

    Parameters
    ----------
    source
        Number of a camera, a video file, a folder or glob of pictures (in natural order; of a
        CDnet sequence its `input` folder), or an RTSP or HTTP address.
    start, end
        Seconds: frames from `start` on, and before `end`.
    every
        Keep each `every`-th frame.
    scale
        Factor of the pictures' size, above 0 and at most 4.
    fps
        Pictures a second of a folder or glob, which else has no time.
    reader
        "av" or "opencv" for video files; "auto" takes av where it is installed.
    read_ahead
        Frames that may wait, read by a thread of their own.

    Returns
    -------
    source
        To iterate over once; close it, or use it in a `with`.

    Raises
    ------
    SourceError
        It cannot be opened; the message says why.
    ConfigError
        A setting out of its range, or one that does not fit the source.
    """
    require(every >= 1, f"every must be at least 1, got {every}")
    require(0 < scale <= 4, f"scale must be above 0 and at most 4, got {scale}")
    require(fps is None or fps > 0, f"fps must be above 0, got {fps}")
    require(read_ahead >= 1, f"read_ahead must be at least 1, got {read_ahead}")
    require(start is None or start >= 0, f"start must not be negative, got {start}")
    require(end is None or end > (start or 0.0), f"end must come after start, got {start} to {end}")
    require(
        reader in ("auto", "av", "opencv"), f"reader must be auto, av or opencv, got {reader!r}"
    )
    if isinstance(source, str) and source.isdigit():
        source = int(source)
    opened = _reader(source, fps, reader)
    if isinstance(opened, PictureReader) and fps is None and (start, end) != (None, None):
        raise ConfigError(
            f"{source} is a folder of pictures without time: give fps to use start or end"
        )
    return Source(opened, source, start=start, end=end, every=every, scale=scale, ahead=read_ahead)


class Source:
    """An open source: iterate over it once; made by `open`."""

    def __init__(
        self,
        reader: Reader,
        source: str | Path | int,
        *,
        start: float | None,
        end: float | None,
        every: int,
        scale: float,
        ahead: int,
    ) -> None:
        self._reader = reader
        self._source = source
        self._start, self._end = start, end
        self._every, self._scale, self._ahead = every, scale, ahead
        self._loop: Iterator[Frame] | None = None
        self.seconds = {"read": 0.0, "convert": 0.0}
        """Spent so far on reading and decoding, and on making BGR or grey images of it."""
        self._size = None if reader.size is None else self._scaled(reader.size)

    @property
    def name(self) -> str:
        """Short name for outputs: the file's stem, the folder's name, or the camera's number."""
        return name_of(self._source)

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the frames after scaling; None before it is known."""
        return self._size

    @property
    def fps(self) -> float | None:
        """Nominal frames a second of what is yielded, None if unknown."""
        return None if self._reader.fps is None else self._reader.fps / self._every

    @property
    def duration(self) -> float | None:
        """Seconds that the source claims, between `start` and `end`; a hint, None if unknown."""
        if self._reader.duration is None and self._end is None:
            return None
        ends = [t for t in (self._reader.duration, self._end) if t is not None]
        return max(min(ends) - (self._start or 0.0), 0.0)

    @property
    def expected_frames(self) -> int | None:
        """Frames that may come; a hint that is never relied on, None if unknown."""
        if (self._start, self._end) == (None, None) and self._reader.expected_frames:
            return -(-self._reader.expected_frames // self._every)
        if self.duration is None or self.fps is None:
            return None
        return round(self.duration * self.fps)

    @property
    def live(self) -> bool:
        """Whether frames come as they happen: a camera or a network stream."""
        return self._reader.live

    @property
    def failed(self) -> int:
        """Frames that failed to decode so far, and were skipped."""
        return self._reader.failed

    @property
    def ended_early(self) -> bool:
        """Whether the file ended well before the duration it claims."""
        return self._reader.ended_early

    def __iter__(self) -> Iterator[Frame]:
        if self._loop is not None:
            raise SourceError(f"{self._source} was read already: open it again")
        self._loop = prefetch(self._frames(), self._ahead)
        return self._loop

    def close(self) -> None:
        """Stop reading, and let go of the file or device."""
        if self._loop is not None:
            self._loop.close()  # type: ignore[attr-defined]
        self._reader.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _frames(self) -> Iterator[Frame]:
        any_yielded = False
        lost = 0
        with closing(self._reader.decode(self._every)) as decoded:  # type: ignore[type-var]
            for index, (image, time, gap, _) in enumerate(self._timed(decoded)):
                if self._end is not None and time is not None and time >= self._end:
                    break
                lost += gap
                if image is None or (time is not None and time < (self._start or 0.0)):
                    continue
                yield Frame(self._resized(image), time, index, lost)
                any_yielded, lost = True, 0
        if not any_yielded and self._start is not None:
            raise SourceError(f"{self._source} ends before the start at {self._start:g} s")
        if self.ended_early:
            log.warning("%s ended before the duration it claims: it is cut short", self._source)

    def _timed(self, decoded: Iterator[Decoded]) -> Iterator[Decoded]:
        """The same, with the time that each took counted."""
        began = perf_counter()
        for item in decoded:
            self.seconds["read"] += perf_counter() - began - item.converting
            self.seconds["convert"] += item.converting
            yield item
            began = perf_counter()

    def _resized(self, image: NDArray[Any]) -> NDArray[Any]:
        if self._scale != 1:
            began = perf_counter()
            size = self._scaled((image.shape[1], image.shape[0]))
            how = cv2.INTER_AREA if self._scale < 1 else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, size, interpolation=how))
            self.seconds["convert"] += perf_counter() - began
        self._size = (image.shape[1], image.shape[0])
        return image

    def _scaled(self, size: tuple[int, int]) -> tuple[int, int]:
        width, height = (max(1, round(n * self._scale)) for n in size)
        return width, height


def _reader(source: str | Path | int, fps: float | None, reader: ReaderName) -> Reader:
    if isinstance(source, int) or "://" in str(source):
        return CaptureReader(source if isinstance(source, int) else str(source))
    path = Path(source)
    pictures = _pictures(source, path)
    if pictures is not None:
        return PictureReader(pictures, fps)
    require(fps is None, f"fps is for folders of pictures; {source} has its own times")
    if not path.exists():
        raise SourceError(f"{source} does not exist")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise SourceError(f"cannot read {source}: {error.strerror}") from error
    if empty:
        raise SourceError(f"{source} is empty")
    installed = importlib.util.find_spec("av") is not None
    if reader == "av" and not installed:
        raise ConfigError("reader av is not installed: pip install 'bgsub[av]', or use opencv")
    if reader == "av" or (reader == "auto" and installed):
        return PacketReader(str(path))
    return CaptureReader(str(path))


def _pictures(source: str | Path, path: Path) -> list[Path] | None:
    """The pictures that a folder, a glob or a picture file names; None for anything else."""
    if path.is_dir():
        found = pictures_in(path)
        if not found:
            kinds = ", ".join(sorted(SUFFIXES))
            raise SourceError(f"no picture in the folder {source}; looked for {kinds}")
        return found
    if not path.exists() and glob.has_magic(str(source)):
        matches = [Path(match) for match in glob.glob(str(source), recursive=True)]  # noqa: PTH207
        found = natural([match for match in matches if match.suffix.lower() in SUFFIXES])
        if not found:
            raise SourceError(f"no picture matches {source}")
        return found
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return [path]
    return None


def name_of(source: str | Path | int) -> str:
    """Short name for outputs: the file's stem, the folder's name, or the camera's number."""
    if isinstance(source, int):
        return f"camera{source}"
    text = str(source)
    if "://" in text:
        text = text.split("://", 1)[1].split("@")[-1].split("?")[0]
        return "".join(c if c.isalnum() else "_" for c in text).strip("_")
    path = Path(text)
    if glob.has_magic(text) and not path.exists():
        path = path.parent
    if path.is_dir():
        path = path.resolve()
        return path.parent.name if path.name == "input" else path.name
    return path.stem if path.suffix else path.name
