"""Masks on disk, exact: FFV1 video, PNG pictures, CDnet results, packed NPZ."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError, SinkError, SourceError
from bgsub.sinks import files
from bgsub.sinks.base import Result, Sink
from bgsub.sinks.video import VideoFile

Mask = NDArray[np.uint8]

FORMATS = ("ffv1", "png", "cdnet", "npz")
LOSSY = ("mp4", "avi", "xvid", "mp4v", "mjpg", "mjpeg", "h264", "x264", "jpg", "jpeg", "webm")
SUFFIX = {"ffv1": ".mkv", "npz": ".npz", "png": "", "cdnet": ""}
"""Ending of the file; the formats without are folders."""
CHUNK = 64  # masks packed together: enough to compress well, few enough to find one quickly


def mask_sink(
    form: str, path: str | Path, *, fps: float | None = None, overwrite: bool = False
) -> Sink:
    """The sink of a lossless mask format.

    Parameters
    ----------
    form
        "ffv1" (grey FFV1 in MKV), "png" (`mask_%06d.png`), "cdnet" (`bin%06d.png`) or "npz".
    path
        The file, or for png and cdnet the folder.
    fps
        Nominal frame rate, for video without time.
    overwrite
        Replace what is there.

    Raises
    ------
    ConfigError
        A format that is lossy or unknown, an output that exists, or a file name that does not fit.
    SinkError
        The folder cannot be made.
    """
    path = Path(path)
    if form in LOSSY:
        raise ConfigError(
            f"masks are not written as {form}: it is lossy and would move the labels 0, 127, 255 "
            f"by up to 60 levels; use one of {', '.join(FORMATS)}"
        )
    if form not in FORMATS:
        raise ConfigError(f"unknown mask format {form!r}; known: {', '.join(FORMATS)}")
    suffix = SUFFIX[form]
    if suffix and path.suffix != suffix:
        raise ConfigError(f"a mask file of format {form} must end in {suffix}, got {path}")
    claim(path, overwrite)
    if form == "ffv1":
        return Ffv1Sink(path, fps)
    if form == "npz":
        return NpzSink(path)
    return PictureSink(path, "bin{:06d}.png" if form == "cdnet" else "mask_{:06d}.png")


def claim(path: Path, overwrite: bool) -> None:
    """Make sure that `path` may be written. Raises ConfigError when it exists, SinkError."""
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not overwrite:
        raise ConfigError(f"{path} exists: pass --overwrite to replace it, or choose another name")
    files.make_folder(path.parent)


class Ffv1Sink:
    """Grey FFV1 in MKV: exact, small, readable everywhere.

    Through `av`, where it is installed, each mask has the time of its frame; else they follow each
    other at `fps`.
    """

    needs_boxes = False

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self._file = VideoFile(path, fps or 25.0, codec="ffv1", grey=True)

    def write(self, result: Result) -> None:
        self._file.write(result.mask, result.time)

    def close(self) -> None:
        self._file.close()

    def abort(self) -> None:
        self._file.abort()


class PictureSink:
    """One PNG a mask, named by `pattern` and its number: first frame 1, as CDnet counts.

    A finished picture keeps its name, even when the rest is given up.
    """

    needs_boxes = False

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, pattern
        files.make_folder(folder)
        with files.checked(folder):
            for old in folder.glob(pattern.replace("{:06d}", "*")):
                old.unlink()

    def write(self, result: Result) -> None:
        # imwrite returns True even on a full disk, so the bytes are written here.
        fine, data = cv2.imencode(".png", result.mask)
        if not fine:
            raise SinkError(f"cannot encode the mask of frame {result.index} as PNG")
        files.write(self._folder / self._pattern.format(result.index + 1), data.tobytes())

    def close(self) -> None:
        """Every picture is complete already."""

    def abort(self) -> None:
        """Every picture is complete already."""


class NpzSink:
    """Packed masks in one zip: two bits a pixel, found by index; see `read_masks`.

    The file holds `about.json` (shape, indices and times of the masks, in order) and arrays
    `foreground_%d.npy` and `shadow_%d.npy` of up to 64 masks each, packed by np.packbits.
    """

    needs_boxes = False

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, files.part_of(path)
        self._indices: list[int] = []
        self._times: list[float | None] = []
        self._waiting: list[Mask] = []
        self._chunks = 0
        self._shape: tuple[int, ...] = ()
        with files.checked(path):
            self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def write(self, result: Result) -> None:
        self._shape = result.mask.shape
        self._indices.append(result.index)
        self._times.append(result.time)
        self._waiting.append(result.mask.copy())
        if len(self._waiting) == CHUNK:
            self._flush()

    def close(self) -> None:
        if self._waiting:
            self._flush()
        about = {
            "format": "bgsub-masks",
            "version": 1,
            "shape": self._shape,
            "chunk": CHUNK,
            "indices": self._indices,
            "times": self._times,
        }
        with files.checked(self._path):
            self._zip.writestr("about.json", json.dumps(about))
            self._zip.close()
            files.finish(self._part, self._path)

    def abort(self) -> None:
        with files.checked(self._path):
            if self._zip.fp is not None:
                self._zip.fp.close()
                self._zip.fp = None  # else closing at exit would write to the removed file
            self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        masks = np.stack(self._waiting)
        with files.checked(self._path):
            for name, plane in (("foreground", masks == 255), ("shadow", masks == 127)):
                data = io.BytesIO()
                packed = np.packbits(plane.reshape(len(masks), -1), axis=1)
                np.lib.format.write_array(data, packed, allow_pickle=False)
                self._zip.writestr(f"{name}_{self._chunks}.npy", data.getvalue())
        self._waiting.clear()
        self._chunks += 1


class PackedMasks:
    """Masks of an NPZ, by frame index: `masks[index]`. Raises SourceError for another file."""

    def __init__(self, path: str | Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            about: dict[str, Any] = json.loads(self._zip.read("about.json"))
            self.shape: tuple[int, ...] = tuple(about["shape"])
            self.indices: list[int] = about["indices"]
            self.times: list[float | None] = about["times"]
            self._chunk: int = about["chunk"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise SourceError(f"{path} holds no packed masks") from error
        self._place = {index: place for place, index in enumerate(self.indices)}
        self._loaded: tuple[int, Mask] = (-1, np.empty(0, np.uint8))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Mask:
        chunk, row = divmod(self._place[index], self._chunk)
        if self._loaded[0] != chunk:
            self._loaded = (chunk, self._unpack(chunk))
        mask: Mask = self._loaded[1][row]
        return mask

    def _unpack(self, chunk: int) -> Mask:
        count = int(np.prod(self.shape))

        def plane(name: str) -> Mask:
            packed = np.lib.format.read_array(
                io.BytesIO(self._zip.read(f"{name}_{chunk}.npy")), allow_pickle=False
            )
            bits = np.unpackbits(packed, axis=1, count=count)
            return np.asarray(bits.reshape(-1, *self.shape), np.uint8)

        return plane("foreground") * np.uint8(255) + plane("shadow") * np.uint8(127)


def read_masks(path: str | Path) -> Iterator[tuple[int, Mask]]:
    """Yield (index, mask) of every mask that a mask sink wrote, in order.

    A video knows no indices, so its masks are counted from 0. Raises SourceError for what is none.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted([*path.glob("mask_*.png"), *path.glob("bin*.png")])
        if not names:
            raise SourceError(f"no masks in the folder {path}")
        for name in names:
            yield int(name.stem[-6:]) - 1, _picture(name)
    elif path.suffix == ".npz":
        packed = PackedMasks(path)
        for index in packed.indices:
            yield index, packed[index]
    else:
        yield from enumerate(_video(path))


def _picture(path: Path) -> Mask:
    mask = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise SourceError(f"{path} is no picture")
    return np.asarray(mask, np.uint8)


def _video(path: Path) -> Iterator[Mask]:
    capture = cv2.VideoCapture(str(path))
    # Decoded to BGR, grey would go through a colour conversion.
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    try:
        if not capture.isOpened():
            raise SourceError(f"{path} is no mask video")
        while True:
            fine, mask = capture.read()
            if not fine:
                return
            yield np.asarray(mask, np.uint8).reshape(mask.shape[:2])
    finally:
        capture.release()
