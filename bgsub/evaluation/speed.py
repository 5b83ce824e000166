"""How fast a model is: beside OpenCV's MOG2, and beside the memory of the machine.

Everything is timed frame by frame in turn in one process, because on a busy machine separate runs
differ by a factor of two, and told as medians and ratios. Pictures are drawn off the clock.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import require
from bgsub.models.adaptive import AdaptiveMixture
from bgsub.models.opencv import OpenCVModel
from bgsub.models.params import MixtureParams
from bgsub.models.presets import preset as named

FPS = 25.0
NOISE = 2.0  # sigma of the sensor in grey levels
PERIOD = 64  # pixels within which the noise pattern is shifted from frame to frame
Clock = Callable[[], float]
COPY_EVERY = 4  # frames; copying is the same each time
LIBRARIES = ("bgsub", "numpy", "numba", "opencv-python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What one model took for the frames of one scene, on one number of threads."""

    scene: str
    width: int
    height: int
    preset: str
    threads: int
    frames: int
    """Timed, after the warm-up."""
    median_ms: float
    """Of one apply()."""
    p99_ms: float
    mog2_ms: float
    """Median of OpenCV's MOG2 without shadows on the same frames and threads."""
    copy_ms: float
    """Median of copying as many bytes as one frame moves when all state is read and written."""
    background_ms: float
    """Median of background()."""
    state_bytes: float
    """Bytes of state a pixel."""
    foreground: float
    """Share of foreground in the last mask."""

    @property
    def ratio(self) -> float:
        """How many times faster than MOG2."""
        return self.mog2_ms / self.median_ms

    @property
    def ns_per_pixel(self) -> float:
        """Nanoseconds of one apply() a pixel."""
        return self.median_ms * 1e6 / (self.width * self.height)


def quiet(size: tuple[int, int], count: int, seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """A still texture with sensor noise, crossed by one small thing.

    Parameters
    ----------
    size
        (width, height) pixels.
    count
        Frames.
    seed
        Of texture and noise.

    Yields
    ------
    image
        (height, width, 3) uint8.
    """
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    texture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    top, tall, wide = height // 2, height // 16, width // 32

    def crossed() -> Iterator[NDArray[np.uint8]]:
        for n in range(count):
            image = texture.copy()
            left = (width // 8 + n * width // 400) % (width - wide)
            image[top : top + tall, left : left + wide] = (20, 30, 240)
            yield np.asarray(image, np.uint8)

    return sensed(crossed(), size, seed)


def mirrored(
    pictures: Iterable[NDArray[np.uint8]], size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Pictures (height, width, 3) that are continued by their mirror images, or cut, to `size`.

    So what a pixel and its neighbours show is the same at every size; in a picture that is enlarged
    it grows smoother.

    Parameters
    ----------
    pictures
        (height, width, 3) uint8.
    size
        (width, height) pixels.
    """
    width, height = size
    for picture in pictures:
        rows, columns = _folded(height, picture.shape[0]), _folded(width, picture.shape[1])
        yield picture[rows][:, columns]


def _folded(length: int, whole: int) -> NDArray[np.intp]:
    """Numbers from 0 to whole - 1, back to 0, and so on."""
    places = np.arange(length) % (2 * whole)
    return np.minimum(places, 2 * whole - 1 - places)


def sensed(
    pictures: Iterable[NDArray[np.uint8]], size: tuple[int, int], seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Pictures (height, width, 3) enlarged to `size`, as a sensor with noise would see them."""
    width, height = size
    rng = np.random.default_rng(seed)
    shape = (height + PERIOD, width + PERIOD, 3)
    grain = np.rint(rng.standard_normal(shape, np.float32) * NOISE).astype(np.int8)
    for picture in pictures:
        y, x = rng.integers(0, PERIOD, 2)
        large = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        yield cv2.add(large, grain[y : y + height, x : x + width], dtype=cv2.CV_8U)  # type: ignore[misc]


def compare(
    scene: str,
    images: Iterable[NDArray[np.uint8]],
    *,
    preset: str = "fast",
    changes: Mapping[str, Any] | None = None,
    threads: Iterable[int] = (1,),
    warm_up: int = 300,
    clock: Clock = time.perf_counter,
) -> list[Speed]:
    """A preset's speed beside MOG2's and a copy's, on the same frames, for each number of threads.

    Parameters
    ----------
    scene
        Name that the results bear.
    images
        (height, width, channels) uint8, all of one size.
    preset
        Of the AdaptiveMixture.
    changes
        Settings that take the place of the preset's.
    threads
        Numbers of threads to measure; both models get the same.
    warm_up
        Frames before the clock counts: they pay for compiling, and fill the mixtures.
    clock
        Seconds; `time.thread_time` on one thread leaves out what other programs took meanwhile.

    Returns
    -------
    speeds
        One for each number of threads.

    Raises
    ------
    ConfigError
        No image after the warm-up.
    """
    params = replace(named(preset), **(changes or {}))
    contests = [_Contest(preset, params, n, clock) for n in threads]
    usual = cv2.getNumThreads()
    count, shape = 0, (0, 0)
    for image in images:
        for contest in contests:
            contest.step(image, count / FPS, timed=count >= warm_up)
        cv2.setNumThreads(usual)
        count, shape = count + 1, image.shape[:2]
    require(count > warm_up, f"expected more than {warm_up} images to warm up, got {count}")
    return [contest.result(scene, shape) for contest in contests]


class _Contest:
    """Both models and the copy, on one number of threads."""

    def __init__(self, preset: str, params: MixtureParams, threads: int, clock: Clock) -> None:
        self.preset, self.threads, self.clock = preset, threads, clock
        self.ours = AdaptiveMixture(params, threads)
        self.mog2 = OpenCVModel("mog2")
        self.pool = ThreadPoolExecutor(threads)
        self.seconds: dict[str, list[float]] = {"ours": [], "mog2": [], "copy": []}
        self.mask: NDArray[np.uint8] = np.empty((0, 0), np.uint8)
        self.blocks: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def step(self, image: NDArray[np.uint8], now: float, *, timed: bool) -> None:
        cv2.setNumThreads(self.threads)
        took = {
            "mog2": self.took(lambda: self.mog2.apply(image)),
            "ours": self.took(lambda: self.learn(image, now)),
        }
        if not self.blocks:
            moved = 2 * self.ours.memory_bytes + image.nbytes + self.mask.nbytes
            length = moved // 2 // self.threads
            self.blocks = [
                (np.ones(length, np.uint8), np.zeros(length, np.uint8)) for _ in range(self.threads)
            ]
        if len(self.seconds["ours"]) % COPY_EVERY == 0:
            took["copy"] = self.took(self.copy)
        if timed:
            for name, value in took.items():
                self.seconds[name].append(value)

    def learn(self, image: NDArray[np.uint8], now: float) -> None:
        self.mask = self.ours.apply(image, time=now)

    def took(self, work: Callable[[], object]) -> float:
        start = self.clock()
        work()
        return self.clock() - start

    def copy(self) -> None:
        if self.threads == 1:
            np.copyto(*self.blocks[0])
            return
        for done in [self.pool.submit(np.copyto, *block) for block in self.blocks]:
            done.result()

    def result(self, scene: str, shape: tuple[int, ...]) -> Speed:
        self.pool.shutdown()
        height, width = shape
        background = [self.took(self.ours.background) for _ in range(11)]
        return Speed(
            scene=scene,
            width=width,
            height=height,
            preset=self.preset,
            threads=self.threads,
            frames=len(self.seconds["ours"]),
            median_ms=_ms(self.seconds["ours"]),
            p99_ms=float(np.percentile(self.seconds["ours"], 99)) * 1e3,
            mog2_ms=_ms(self.seconds["mog2"]),
            copy_ms=_ms(self.seconds["copy"]),
            background_ms=_ms(background),
            state_bytes=self.ours.memory_bytes / (width * height),
            foreground=float((self.mask == 255).mean()),
        )


def machine() -> dict[str, Any]:
    """What a reader must know of the machine to judge a figure."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return cv2.__version__ if name == "opencv-python" else None


def _ms(seconds: list[float]) -> float:
    return float(np.median(seconds)) * 1e3
