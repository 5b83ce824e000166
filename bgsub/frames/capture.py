"""OpenCV's capture loop: files, cameras and network streams."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from bgsub.errors import SourceError
from bgsub.frames.base import Decoded

# FFmpeg's own words about a file that it cannot read would stand beside our one line. OpenCV looks
# at this once, when it first opens a video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

TIMEOUT_MS = 10_000
"""How long a network source may stay silent, milliseconds."""
ATTEMPTS = 30
"""Reads that may fail in a row before a file is taken to be over."""


class CaptureReader:
    """Reads whatever cv2.VideoCapture opens.

    Parameters
    ----------
    source
        A path, a URL, or the number of a camera.

    Raises
    ------
    SourceError
        It cannot be opened.
    """

    def __init__(self, source: str | int) -> None:
        self.source = source
        self.network = isinstance(source, str) and "://" in source
        self.live = isinstance(source, int) or self.network
        with quiet():
            self._capture = self._opened()
        self.failed = 0
        self.ended_early = False
        if not self._capture.isOpened():
            raise SourceError(self._refusal())
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.size = (width, height) if width > 0 and height > 0 else None
        fps, count = (
            self._capture.get(prop) for prop in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT)
        )
        self.fps = fps if 0 < fps < 10_000 else None
        known = not self.live and self.fps is not None and 0 < count < 1e9
        self.expected_frames = int(count) if known else None
        self.duration = count / fps if known else None

    def decode(self, every: int) -> Iterator[Decoded]:
        clock = _Clock(self)
        index = lost = failures = 0
        while True:
            if not self._capture.grab():
                failures += 1
                if self.live or failures > ATTEMPTS or not self._more_is_due(clock.last):
                    break
                continue
            lost += failures
            failures = 0
            now = clock.read(self._capture)
            image, began = None, time.perf_counter()
            if index % every == 0:
                fine, image = self._capture.retrieve()
                if not fine or image is None:
                    lost += 1
                    continue
            self.failed += lost
            yield Decoded(image, now, lost, time.perf_counter() - began)
            index, lost = index + 1, 0
        self.failed += lost
        if isinstance(self.source, int):
            raise SourceError(f"camera {self.source} stopped delivering frames; is it unplugged?")
        if index == 0:
            raise SourceError(f"no frame of {self.source} could be decoded: it is damaged or empty")
        self.ended_early = self._more_is_due(clock.last)

    def close(self) -> None:
        self._capture.release()

    def _opened(self) -> cv2.VideoCapture:
        if isinstance(self.source, int):
            return cv2.VideoCapture(self.source)
        backends = cv2.videoio_registry.getBackends()
        ffmpeg = cv2.CAP_FFMPEG if cv2.CAP_FFMPEG in backends else cv2.CAP_ANY
        if not self.network:
            return cv2.VideoCapture(self.source, ffmpeg)
        patience = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            TIMEOUT_MS,
        ]
        return cv2.VideoCapture(self.source, ffmpeg, patience)

    def _refusal(self) -> str:
        if isinstance(self.source, int):
            return (
                f"camera {self.source} cannot be opened; `bgsub doctor` lists the cameras, "
                "and another program may be using it"
            )
        if self.network:
            return f"cannot reach {self.source} within {TIMEOUT_MS // 1000} s"
        return f"{self.source} is no video that OpenCV can read"

    def _more_is_due(self, last: float | None) -> bool:
        """Whether a file should go on well after the time `last`."""
        if self.duration is None or self.fps is None:
            return False
        return (last or 0.0) + 1 / self.fps < self.duration - max(0.5, 0.02 * self.duration)


class _Clock:
    """Seconds since the first frame, from the stream's timestamps as long as they rise."""

    def __init__(self, reader: CaptureReader) -> None:
        self.last: float | None = None
        self._step = 1 / (reader.fps or 25.0)
        self._live = reader.live
        self._zero = 0.0

    def read(self, capture: cv2.VideoCapture) -> float:
        """Time of the frame just grabbed."""
        stamp = time.monotonic() if self._live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.last is None:
            self._zero, self.last = stamp, 0.0
        elif stamp - self._zero > self.last:
            self.last = stamp - self._zero
        else:  # a container without timestamps, or with damaged ones
            self.last += self._step
        return self.last


@contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV's own log lines off the terminal; what matters is raised."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def list_cameras(most: int) -> list[str]:
    """The cameras with numbers below `most` that deliver a frame, each in words."""
    found = []
    with quiet():
        for number in range(most):
            capture = cv2.VideoCapture(number)
            fine, image = capture.read()
            if fine:
                found.append(f"{number}: {image.shape[1]}x{image.shape[0]} frames")
            capture.release()
    return found
