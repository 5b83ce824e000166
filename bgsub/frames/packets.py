"""Files through PyAV: exact times, and damaged files read further."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import SourceError
from bgsub.frames.base import Decoded

ATTEMPTS = 100
"""Packets that may fail in a row before a file is taken to be over."""

TURNS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    -90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    -180: cv2.ROTATE_180,
}


class PacketReader:
    """Reads a video file packet by packet; a packet that fails to decode is counted and skipped.

    Raises
    ------
    SourceError
        It cannot be opened, or holds no video.
    """

    live = False

    def __init__(self, path: str) -> None:
        import av  # here, because it is an extra, and clashes with cv2 on some systems

        self._av = av
        self.path = path
        try:
            self._container = av.open(path)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"{path} is no video that can be read ({error.strerror})") from None
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{path} holds no video stream")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.failed = 0
        self.ended_early = False
        rate = self._stream.average_rate
        self.fps = float(rate) if rate else None
        self.duration = self._claimed_duration()
        self.expected_frames = self._stream.frames or self._estimate()
        self.size: tuple[int, int] | None = None

    def decode(self, every: int) -> Iterator[Decoded]:
        zero = last = None
        index = lost = 0
        step = 1 / (self.fps or 25.0)
        for frame in self._frames():
            if frame is None or frame.is_corrupt:
                lost += 1
                continue
            if frame.time is not None and zero is None:
                zero = frame.time
            now = None if frame.time is None or zero is None else frame.time - zero
            if now is None or (last is not None and now <= last):
                now = 0.0 if last is None else last + step
            began = time.perf_counter()
            image = self._image(frame) if index % every == 0 else None
            self.failed += lost
            yield Decoded(image, now, lost, time.perf_counter() - began)
            index, lost, last = index + 1, 0, now
        self.failed += lost
        if index == 0:
            raise SourceError(f"no frame of {self.path} could be decoded: it is damaged or empty")
        if self.duration is not None and last is not None:
            missing = self.duration - (last + step)
            self.ended_early = missing > max(0.5, 0.02 * self.duration)

    def close(self) -> None:
        self._container.close()

    def _frames(self) -> Iterator[Any]:
        """The decoded frames, and None for each packet that fails."""
        errors = self._av.error
        packets = self._container.demux(self._stream)
        failures = 0
        while failures <= ATTEMPTS:
            try:
                packet = next(packets)
                yield from packet.decode()
                failures = 0
            except (StopIteration, errors.EOFError):
                return
            except errors.FFmpegError:
                failures += 1
                packets = self._container.demux(self._stream)  # an error ends the old iterator
                yield None

    def _image(self, frame: Any) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = frame.to_ndarray(format="bgr24")
        turn = TURNS.get(round(frame.rotation))
        return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)

    def _claimed_duration(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return float(self._container.duration / self._av.time_base)
        return None

    def _estimate(self) -> int | None:
        if self.duration is None or self.fps is None:
            return None
        return round(self.duration * self.fps)
