"""A video file being written: through av with true times, else through OpenCV."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError, DiskFullError, SinkError
from bgsub.sinks import files

Picture = NDArray[np.uint8]

TICK = Fraction(1, 1000)  # Matroska's own
FOURCC = {"ffv1": "FFV1", "h264": "mp4v"}  # what OpenCV's wheels can encode


class _Encoder(Protocol):
    def write(self, picture: Picture, time: float | None) -> None: ...

    def close(self) -> None: ...

    def discard(self) -> None: ...


class VideoFile:
    """A video that gets its name in close(), when it is whole.

    Parameters
    ----------
    path
        Final path; its ending chooses the container.
    fps
        Nominal frame rate.
    codec
        "ffv1" or "h264".
    grey
        Pictures are (height, width); else (height, width, 3) BGR.
    """

    def __init__(self, path: Path, fps: float, *, codec: str, grey: bool = False) -> None:
        self._path, self._part = path, files.part_of(path)
        self._fps, self._codec, self._grey = fps, codec, grey
        self._encoder: _Encoder | None = None

    def write(self, picture: Picture, time: float | None = None) -> None:
        """Add one picture. Raises SinkError, and DiskFullError when no space is left."""
        with files.checked(self._path):
            if self._encoder is None:
                self._encoder = self._start(picture)
            self._encoder.write(picture, time)

    def close(self) -> None:
        """Finish the file; without any picture there is none."""
        if self._encoder is None:
            return
        with files.checked(self._path):
            self._encoder.close()
            self._encoder = None
            files.finish(self._part, self._path)

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            with contextlib.suppress(OSError):  # the file is thrown away next
                encoder.discard()
        self._part.unlink(missing_ok=True)

    def _start(self, picture: Picture) -> _Encoder:
        size = (picture.shape[1], picture.shape[0])
        make: Callable[..., _Encoder] = _OpenCV
        if importlib.util.find_spec("av") is not None:
            make = _Av
        return make(self._part, size, self._fps, self._codec, self._grey)


class _Av:
    """PyAV: exact times, and errors are raised."""

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float, codec: str, grey: bool
    ) -> None:
        import av  # here, because it is an extra

        self._av = av
        self._container = av.open(str(path), "w")
        rate = Fraction(fps).limit_denominator(1001)
        stream: Any = self._container.add_stream(codec, rate=rate)
        self._stream = stream
        self._given = "gray" if grey else "bgr24"
        even = tuple(n - n % 2 for n in size) if codec == "h264" else size
        self._stream.width, self._stream.height = even
        self._stream.pix_fmt = "gray" if grey else "yuv420p"
        self._stream.codec_context.time_base = TICK
        if codec == "h264":
            self._stream.options = {"crf": "20", "preset": "veryfast"}
        self._step = 1 / fps
        self._next = 0.0
        self._last = -1

    def write(self, picture: Picture, time: float | None) -> None:
        width, height = self._stream.width, self._stream.height
        frame = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(picture[:height, :width]), format=self._given
        )
        now = self._next if time is None else time
        tick = max(round(now / float(TICK)), self._last + 1)
        frame.pts, frame.time_base = tick, TICK
        self._last, self._next = tick, now + self._step
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def discard(self) -> None:
        self._container.close()


class _OpenCV:
    """OpenCV's writer, which tells little: so its file is read back before it counts."""

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float, codec: str, grey: bool
    ) -> None:
        self._path, self._count = path, 0
        if grey and (size[0] % 2 or size[1] % 2):
            raise ConfigError(
                f"OpenCV writes FFV1 of even sizes only, got {size[0]}x{size[1]}: "
                "pip install 'bgsub[av]', or use -f png or npz"
            )
        fourcc = cv2.VideoWriter.fourcc(*FOURCC[codec])
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, size, not grey)
        if not self._writer.isOpened():
            raise SinkError(
                f"OpenCV cannot write {path.suffix} video here: pip install 'bgsub[av]'"
            )

    def write(self, picture: Picture, time: float | None) -> None:
        self._count += 1
        # OpenCV 4 returns None whatever happens, OpenCV 5 tells.
        if self._writer.write(picture) is False:
            raise DiskFullError(f"OpenCV could not write to {self._path}; is the disk full?")

    def close(self) -> None:
        self._writer.release()
        capture = cv2.VideoCapture(str(self._path))
        found = 0
        while capture.grab():
            found += 1
        capture.release()
        if found != self._count:
            raise DiskFullError(
                f"only {found} of {self._count} pictures arrived in {self._path}; is the disk full?"
            )

    def discard(self) -> None:
        self._writer.release()
