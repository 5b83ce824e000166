"""Results for people: overlay video, background picture, statistics."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import SinkError
from bgsub.sinks import files
from bgsub.sinks.base import Result
from bgsub.sinks.video import VideoFile

FOREGROUND_TINT = (60, 60, 255)  # BGR
SHADOW_TINT = (255, 160, 60)
BOX = (80, 255, 255)
FOREGROUND_TINTED, SHADOW_TINTED = (
    (np.arange(256)[:, None] * 0.55 + np.array(tint) * 0.45).astype(np.uint8)[None]
    for tint in (FOREGROUND_TINT, SHADOW_TINT)
)
"""(1, 256, 3): what each level of each channel becomes."""
COLUMNS = ("index", "time_s", "foreground_share", "shadow_share", "blobs", "milliseconds")


def overlay(result: Result) -> NDArray[np.uint8]:
    """The frame with foreground and shadow tinted, outlined and boxed, (height, width, 3) BGR."""
    picture = as_bgr(result.image)
    for label, tint in ((255, FOREGROUND_TINTED), (127, SHADOW_TINTED)):
        where = (result.mask == label).view(np.uint8)
        left, top, wide, high = cv2.boundingRect(where)
        part = np.s_[top : top + high, left : left + wide]
        if high:
            cv2.copyTo(cv2.LUT(picture[part], tint), where[part], picture[part])
    foreground = (result.mask == 255).view(np.uint8)
    lines, _ = cv2.findContours(foreground, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    thin = max(1, round(min(picture.shape[:2]) / 400))
    cv2.drawContours(picture, lines, -1, FOREGROUND_TINT, thin, cv2.LINE_AA)
    for x, y, width, height in result.boxes.tolist():
        cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), BOX, thin, cv2.LINE_AA)
    _caption(picture, result)
    return picture


def as_bgr(image: NDArray[Any]) -> NDArray[np.uint8]:
    """A picture to draw on: uint8 BGR of any frame that a model takes."""
    top = {"uint16": 65535.0}.get(image.dtype.name, 255.0)
    eight = image if image.dtype == np.uint8 else np.clip(image * (255 / top), 0, 255)
    eight = np.asarray(eight, np.uint8)
    if eight.ndim == 3 and eight.shape[2] >= 3:
        return np.ascontiguousarray(eight[:, :, :3]).copy()
    grey = eight if eight.ndim == 2 else eight[:, :, 0]
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2BGR), np.uint8)


def _caption(picture: NDArray[np.uint8], result: Result) -> None:
    """Time or number of the frame, white on a dark strip in the lower left corner."""
    height = picture.shape[0]
    scale = max(height / 720, 0.4)
    text = f"#{result.index}" if result.time is None else f"{result.time:.2f} s"
    (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    strip = picture[height - high - base - 6 :, : wide + 10]
    strip[:] = strip // 3
    at = (5, height - base - 3)
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)


class OverlaySink:
    """A video to look at: H.264 through av where it is installed, else MPEG-4 through OpenCV."""

    needs_boxes = True

    def __init__(self, path: str | Path, fps: float | None = None) -> None:
        files.make_folder(Path(path).parent)
        self._file = VideoFile(Path(path), fps or 25.0, codec="h264")

    def write(self, result: Result) -> None:
        self._file.write(overlay(result), result.time)

    def close(self) -> None:
        self._file.close()

    def abort(self) -> None:
        self._file.abort()


class BackgroundSink:
    """A picture of what `background` returns at the end."""

    needs_boxes = False

    def __init__(self, path: str | Path, background: Callable[[], NDArray[Any]]) -> None:
        self._path, self._background = Path(path), background
        self._any = False
        files.make_folder(self._path.parent)

    def write(self, result: Result) -> None:
        self._any = True

    def close(self) -> None:
        if not self._any:
            return
        picture = self._background()
        if picture.dtype == np.float32:
            picture = as_bgr(picture)
        fine, data = cv2.imencode(self._path.suffix or ".png", picture)
        if not fine:
            raise SinkError(f"cannot encode {self._path}: use a name that ends in .png")
        files.write(self._path, data.tobytes())

    def abort(self) -> None:
        """Nothing was begun."""


class StatsSink:
    """A table of every frame: time, shares of foreground and shadow, blobs, milliseconds."""

    needs_boxes = True

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        files.make_folder(self._path.parent)
        self._part = files.part_of(self._path)
        with files.checked(self._path):
            self._file = self._part.open("w", newline="", encoding="utf-8")
            self._rows = csv.writer(self._file)
            self._rows.writerow(COLUMNS)

    def write(self, result: Result) -> None:
        size = result.mask.size
        with files.checked(self._path):
            self._rows.writerow(
                (
                    result.index,
                    "" if result.time is None else f"{result.time:.4f}",
                    f"{np.count_nonzero(result.mask == 255) / size:.6f}",
                    f"{np.count_nonzero(result.mask == 127) / size:.6f}",
                    len(result.boxes),
                    f"{result.milliseconds:.3f}",
                )
            )

    def close(self) -> None:
        with files.checked(self._path):
            self._file.close()
            files.finish(self._part, self._path)

    def abort(self) -> None:
        with contextlib.suppress(OSError):  # the file is thrown away next
            self._file.close()
        self._part.unlink(missing_ok=True)
