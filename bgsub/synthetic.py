"""Scenes whose truth is known at every pixel: for samples, tests and benchmarks.

A scene is a place (street or hall) with things that move in it and what a camera adds: noise,
swaying leaves, water, shadows, light, jitter, weather. Everything follows from the seed and the
number of the frame, so any frame can be drawn alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError

Picture = NDArray[np.float32]
Color = tuple[float, float, float]

STATIC, SHADOW, UNKNOWN, MOVING = 0, 50, 170, 255
"""Labels of the truth, those of CDnet."""
GRAIN = 4  # subpixels a side when the outline of a thing is drawn


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame and its truth."""

    image: NDArray[np.uint8]
    """(height, width, 3) BGR as the camera saw it."""
    truth: NDArray[np.uint8]
    """(height, width) 0 static, 50 shadow, 170 unknown (outlines), 255 moving."""
    background: NDArray[np.uint8]
    """(height, width, 3) BGR: the empty scene at this moment, without noise."""
    time: float
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A thing that crosses the scene. Places are shares of the picture; times are seconds."""

    kind: str = "walker"
    """"walker", "car" or "disc"."""
    height: float = 0.3
    """Share of the picture's height, at the place where it is nearest."""
    color: Color = (60, 70, 150)
    """BGR of its body."""
    start: tuple[float, float] = (-0.1, 0.8)
    """Where its feet are at `enter`."""
    end: tuple[float, float] = (1.1, 0.8)
    """Where they are at `leave`."""
    enter: float = 1.0
    leave: float = 6.0
    stop: tuple[float, float] | None = None
    """From when to when it stands still; its way takes the rest of the time."""

    def seen(self, time: float) -> bool:
        """Whether it is in the scene."""
        return self.enter <= time < self.leave

    def feet(self, time: float) -> tuple[float, float]:
        """Where it stands, shares of the picture."""
        gone, way = time - self.enter, self.leave - self.enter
        if self.stop is not None:
            begin, until = self.stop
            gone -= min(max(time - begin, 0.0), until - begin)
            way -= until - begin
        share = gone / way
        x, y = (a + (b - a) * share for a, b in zip(self.start, self.end, strict=True))
        return x, y


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene to iterate over; `shot(n)` draws frame n alone."""

    name: str
    size: tuple[int, int] = (320, 240)
    """(width, height) pixels."""
    frames: int = 200
    fps: float = 25.0
    seed: int = 0
    place: str = "street"
    """"street", "hall" or "lawn"."""
    movers: tuple[Mover, ...] = ()
    noise: float = 2.0
    """Standard deviation of the sensor's noise at mid-grey, grey levels."""
    sway: float = 0.0
    """How far leaves swing, pixels at a height of 240."""
    water: float = 0.0
    """Height of the waves on the lower third, grey levels."""
    shadow: float = 0.0
    """Light that a cast shadow takes away, 0 to 1."""
    drift: float = 0.0
    """Share of the light that comes and goes in a slow wave of 16 s."""
    step: tuple[float, float] | None = None
    """(seconds, gain) of a sudden change of the light."""
    jitter: float = 0.0
    """How far the camera shakes, pixels at a height of 240."""
    weather: str = ""
    """"rain", "snow" or none."""

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Shot]:
        return (self.shot(n) for n in range(self.frames))

    def shot(self, n: int) -> Shot:
        """Frame n and its truth."""
        time = n / self.fps
        rng = np.random.default_rng((self.seed, 7, n))
        empty = self._moved(self._empty, time)
        picture = empty.copy()
        truth = np.zeros(empty.shape[:2], np.uint8)
        for index, mover in enumerate(sorted(self.movers, key=lambda m: m.feet(time)[1])):
            if mover.seen(time):
                self._add(picture, truth, mover, index, time)
        if self.weather:
            self._fall(picture, rng)
        light = self._light(time)
        picture, empty = self._shaken(picture * light, empty * light, truth, rng)
        return Shot(self._sensed(picture, rng), truth, _eight(empty), time)

    @property
    def _unit(self) -> float:
        """Pixels for each pixel of a picture 240 high."""
        return self.size[1] / 240

    @cached_property
    def _empty(self) -> Picture:
        rng = np.random.default_rng((self.seed, 1))
        paint = {"street": _street, "hall": _hall, "lawn": _lawn}[self.place]
        return cv2.GaussianBlur(paint(self.size, rng), (0, 0), 0.6 * self._unit).astype(np.float32)

    @cached_property
    def _leaves(self) -> Picture:
        """How much each pixel swings, (height, width) 0 to 1."""
        width, height = self.size
        leaves = np.zeros((height, width), np.float32)
        at, axes = (round(0.14 * width), round(0.3 * height)), (0.17 * width, 0.26 * height)
        cv2.ellipse(leaves, at, (round(axes[0]), round(axes[1])), 0, 0, 360, 1.0, -1)
        return np.asarray(cv2.GaussianBlur(leaves, (0, 0), 4 * self._unit), np.float32)

    @cached_property
    def _grid(self) -> tuple[Picture, Picture]:
        x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in self.size))
        return x, y

    @cached_property
    def _noise(self) -> Picture:
        width, height = self.size
        rng = np.random.default_rng((self.seed, 2))
        return rng.standard_normal((height + 64, width + 64, 3), np.float32)

    def _moved(self, picture: Picture, time: float) -> Picture:
        """The empty place with its leaves and water at `time`."""
        x, y = self._grid
        if self.sway:
            reach = self.sway * self._unit * self._leaves
            wave = np.sin(2.1 * time * 2 + x / (9 * self._unit)) + 0.6 * np.sin(
                5.3 * time + y / (7 * self._unit)
            )
            picture = np.asarray(
                cv2.remap(
                    picture,
                    x + reach * wave,
                    y + 0.5 * reach * np.cos(3.7 * time + x / (6 * self._unit)),
                    cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REFLECT,
                ),
                np.float32,
            )
        if self.water:
            depth = np.clip((y / self.size[1] - 0.66) * 12, 0, 1) * self.water
            u = self._unit
            wave = np.sin(x / (5 * u) + 3.1 * time) * np.sin(y / (2.5 * u) - 4.7 * time)
            wave += 0.7 * np.sin((x + 2 * y) / (4 * u) + 6.1 * time)
            picture = picture + (depth * wave)[:, :, None]
        return picture

    def _add(
        self, picture: Picture, truth: NDArray[np.uint8], mover: Mover, index: int, time: float
    ) -> None:
        """Draw a mover and its shadow, and mark both in the truth."""
        width, height = self.size
        x, y = mover.feet(time)
        tall = max(mover.height * height * (0.35 + 0.65 * y), 2.0)
        cover, paint = _drawn(mover, tall, time, (self.seed, 3, index))
        at = (x * width - cover.shape[1] / 2, y * height - cover.shape[0])
        if self.shadow and mover.kind != "disc":
            self._cast(picture, truth, cover, at)
        inside = _placed(cover, at, self.size)
        if inside is None:
            return
        rows, cols, part, source = inside
        alpha = part[:, :, None]
        picture[rows, cols] += alpha * (paint[source] - picture[rows, cols])
        spot = truth[rows, cols]
        spot[part > 0.05] = UNKNOWN
        spot[part > 0.95] = MOVING

    def _cast(
        self,
        picture: Picture,
        truth: NDArray[np.uint8],
        cover: Picture,
        at: tuple[float, float],
    ) -> None:
        """A soft shadow on the ground: the outline, sheared and flattened."""
        tall, wide = cover.shape
        flat, lean = 0.35, 0.8
        size = (round(wide + lean * tall) + 8, round(tall * flat) + 8)
        turn = np.array([[1, -lean, lean * tall + 4], [0, -flat, flat * tall + 4]])
        shade = np.asarray(cv2.warpAffine(cover, turn, size, flags=cv2.INTER_LINEAR), np.float32)
        shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), max(0.8, 0.02 * tall)), np.float32)
        inside = _placed(shade, (at[0] - 4, at[1] + tall - 6), self.size)
        if inside is None:
            return
        rows, cols, part, _ = inside
        picture[rows, cols] *= 1 - self.shadow * part[:, :, None]
        spot = truth[rows, cols]
        spot[(part > 0.08) & (spot == STATIC)] = UNKNOWN
        spot[(part > 0.6) & (spot == UNKNOWN)] = SHADOW

    def _fall(self, picture: Picture, rng: np.random.Generator) -> None:
        """Rain as bright streaks, or snow as soft dots."""
        width, height = self.size
        veil = np.zeros((height, width), np.float32)
        for x, y, near in rng.random((round(width * height / 900), 3)):
            at = (round(x * width), round(y * height))
            length = self._unit * (4 + 9 * near)
            if self.weather == "rain":
                to = (round(at[0] + 0.15 * length), round(at[1] + length))
                cv2.line(veil, at, to, 0.25 + 0.2 * near, 1, cv2.LINE_AA)
            else:
                cv2.circle(veil, at, max(1, round(near * 1.6 * self._unit)), 0.8, -1, cv2.LINE_AA)
        veil = np.asarray(cv2.GaussianBlur(veil, (0, 0), 0.5 * self._unit), np.float32)
        picture += veil[:, :, None] * (235 - picture)

    def _light(self, time: float) -> np.float32:
        gain = 1 + self.drift * math.sin(2 * math.pi * time / 16)
        if self.step is not None and time >= self.step[0]:
            gain *= self.step[1]
        return np.float32(gain)

    def _shaken(
        self,
        picture: Picture,
        empty: Picture,
        truth: NDArray[np.uint8],
        rng: np.random.Generator,
    ) -> tuple[Picture, Picture]:
        """Picture and empty scene shifted alike by a random part of a pixel; truth too."""
        if not self.jitter:
            return picture, empty
        shift = rng.uniform(-1, 1, 2) * self.jitter * self._unit
        turn = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        edge = cv2.BORDER_REFLECT
        moved = [
            np.asarray(cv2.warpAffine(p, turn, self.size, borderMode=edge), np.float32)
            for p in (picture, empty)
        ]
        truth[:] = cv2.warpAffine(truth, turn, self.size, flags=cv2.INTER_NEAREST, borderMode=edge)
        return moved[0], moved[1]

    def _sensed(self, picture: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
        """What the sensor makes of it: noise that grows with the light, and whole levels."""
        if not self.noise:
            return _eight(picture)
        top, left = rng.integers(0, 64, 2)
        height, width = picture.shape[:2]
        grain = self._noise[top : top + height, left : left + width]
        grain = grain[:, :: rng.choice([-1, 1])]
        level = self.noise * np.sqrt(0.4 + 0.6 / 128 * np.clip(picture, 0, 255))
        return _eight(picture + level * grain)


def _eight(picture: Picture) -> NDArray[np.uint8]:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _placed(
    cover: Picture, at: tuple[float, float], size: tuple[int, int]
) -> tuple[slice, slice, Picture, tuple[slice, slice]] | None:
    """Rows and columns of the picture that `cover` at `at` touches, and its part there."""
    left, top = round(at[0]), round(at[1])
    height, width = cover.shape
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, size[0]), min(top + height, size[1])
    if x0 >= x1 or y0 >= y1:
        return None
    source = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    return slice(y0, y1), slice(x0, x1), cover[source], source


def _drawn(
    mover: Mover, tall: float, time: float, seed: tuple[int, int, int]
) -> tuple[Picture, Picture]:
    """Cover (h, w) in 0 to 1 and colours (h, w, 3) of a mover `tall` pixels high."""
    wide = {"walker": 0.55, "car": 2.3, "disc": 1.0}[mover.kind]
    size = (math.ceil(tall * wide) + 2, math.ceil(tall) + 2)
    fine = (size[0] * GRAIN, size[1] * GRAIN)
    cover = np.zeros((fine[1], fine[0]), np.float32)
    paint = np.zeros((fine[1], fine[0], 3), np.float32)
    draw = {"walker": _walker, "car": _car, "disc": _disc}[mover.kind]
    draw(_Pen(cover, paint, tall * GRAIN, GRAIN), mover, time)
    rng = np.random.default_rng(seed)
    cloth = _cloud((size[1], size[0]), rng, 6) * 22
    # Area-weighted: a pixel at the outline takes the colour of what covers it.
    small = np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_AREA), np.float32)
    color = cv2.resize(paint * cover[:, :, None], size, interpolation=cv2.INTER_AREA)
    color = np.asarray(color, np.float32) / np.maximum(small, 1e-3)[:, :, None]
    return small, np.asarray(color + cloth[:, :, None], np.float32)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws in units of the thing's height, feet at y = 0, head at y = 1, middle at x = 0."""

    cover: Picture
    paint: Picture
    tall: float
    margin: float

    def at(self, x: float, y: float) -> tuple[int, int]:
        return (
            round(self.cover.shape[1] / 2 + x * self.tall),
            round(self.margin + (1 - y) * self.tall),
        )

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Color) -> None:
        axes = (max(1, round(rx * self.tall)), max(1, round(ry * self.tall)))
        for canvas, ink in ((self.cover, (1.0,)), (self.paint, color)):
            cv2.ellipse(canvas, self.at(x, y), axes, 0, 0, 360, ink, -1)

    def limb(self, a: tuple[float, float], b: tuple[float, float], r: float, color: Color) -> None:
        thick = max(1, round(2 * r * self.tall))
        for canvas, ink in ((self.cover, (1.0,)), (self.paint, color)):
            cv2.line(canvas, self.at(*a), self.at(*b), ink, thick)

    def shape(self, points: list[tuple[float, float]], color: Color) -> None:
        corners = np.array([self.at(*p) for p in points], np.int32)
        for canvas, ink in ((self.cover, (1.0,)), (self.paint, color)):
            cv2.fillPoly(canvas, [corners], ink)


def _dim(color: Color, share: float) -> Color:
    return (color[0] * share, color[1] * share, color[2] * share)


def _walker(pen: _Pen, mover: Mover, time: float) -> None:
    standing = mover.stop is not None and mover.stop[0] <= time < mover.stop[1]
    phase = 0.0 if standing else math.sin(2 * math.pi * 1.1 * time + mover.enter)
    trousers, skin = (70.0, 55.0, 50.0), (140.0, 165.0, 205.0)
    for side, tone in ((-1, 0.75), (1, 1.0)):
        swing = side * phase * 0.13
        knee = (swing * 0.55 + 0.015 * side, 0.25)
        pen.limb((0.0, 0.48), knee, 0.055, _dim(trousers, tone))
        pen.limb(knee, (swing, 0.035), 0.045, _dim(trousers, tone))
        pen.limb(
            (0.01 * side, 0.78), (-swing * 0.9 + 0.05 * side, 0.5), 0.035, _dim(mover.color, tone)
        )
    pen.ellipse(0, 0.64, 0.105, 0.2, mover.color)
    pen.limb((0, 0.8), (0, 0.87), 0.035, skin)
    pen.ellipse(0, 0.925, 0.055, 0.072, skin)
    pen.ellipse(-0.01, 0.955, 0.056, 0.045, (35.0, 40.0, 50.0))


def _car(pen: _Pen, mover: Mover, time: float) -> None:
    body = [(-1.1, 0.18), (-1.1, 0.5), (-0.7, 0.58), (0.75, 0.58), (1.1, 0.42), (1.1, 0.18)]
    cabin = [(-0.75, 0.55), (-0.5, 0.97), (0.35, 0.97), (0.7, 0.55)]
    pen.shape(cabin, _dim(mover.color, 0.85))
    pen.shape(body, mover.color)
    glass = (125.0, 105.0, 85.0)
    pen.shape([(-0.62, 0.58), (-0.44, 0.9), (-0.1, 0.9), (-0.1, 0.58)], glass)
    pen.shape([(-0.03, 0.58), (-0.03, 0.9), (0.3, 0.9), (0.56, 0.58)], glass)
    pen.shape([(-1.1, 0.2), (1.1, 0.2), (1.1, 0.27), (-1.1, 0.27)], _dim(mover.color, 0.6))
    for x in (-0.65, 0.65):
        pen.ellipse(x, 0.17, 0.17, 0.17, (30.0, 30.0, 32.0))
        pen.ellipse(x, 0.17, 0.08, 0.08, (120.0, 120.0, 122.0))


def _disc(pen: _Pen, mover: Mover, time: float) -> None:
    pen.ellipse(0, 0.5, 0.5, 0.5, mover.color)


def _cloud(
    size: tuple[int, int], rng: np.random.Generator, cell: float, octaves: int = 4
) -> Picture:
    """Smooth noise of several scales, (height, width), about -1 to 1, `cell` pixels coarsest."""
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        coarse = rng.standard_normal((int(height / step) + 3, int(width / step) + 3), np.float32)
        fine = cv2.resize(coarse, (width + 8, height + 8), interpolation=cv2.INTER_CUBIC)
        total += fine[4:-4, 4:-4] * 0.5**octave
    return np.asarray(total * 0.5, np.float32)


def _tinted(texture: Picture, color: Color, depth: float) -> Picture:
    """A surface of `color` whose brightness follows `texture`."""
    return np.asarray(np.array(color, np.float32) * (1 + depth * texture[:, :, None]), np.float32)


def _street(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A brick house with windows, a tree, a pavement and a road."""
    width, height = size
    u = height / 240
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = _tinted(_cloud((height, width), rng, 30 * u), (205, 190, 175), 0.04)  # sky
    wall = (x > 0.3 * width) & (y > 0.06 * height) & (y < 0.6 * height)
    row = np.floor(y / (5 * u))
    bricks = ((y % (5 * u)) < 1.1 * u) | (((x + (row % 2) * 6 * u) % (12 * u)) < 1.1 * u)
    tone = 0.8 * _cloud((height, width), rng, 9 * u) - 0.9 * bricks
    picture = np.where(wall[:, :, None], _tinted(tone, (92, 104, 150), 0.22), picture)
    for column in range(4):
        for floor in range(2):
            left, top = (0.37 + 0.16 * column) * width, (0.13 + 0.22 * floor) * height
            _window(picture, left, top, 0.085 * width, 0.14 * height, rng)
    hedge = (x <= 0.3 * width) & (y > 0.42 * height) & (y < 0.6 * height)
    picture = np.where(
        hedge[:, :, None],
        _tinted(_cloud((height, width), rng, 8 * u), (55, 105, 70), 0.45),
        picture,
    )
    _tree(picture, size, rng)
    slabs = ((x + 0.4 * y) % (26 * u) < 1.2 * u) | (np.abs(y - 0.65 * height) < 0.6 * u)
    path = _tinted(_cloud((height, width), rng, 14 * u) - 0.9 * slabs, (150, 155, 160), 0.1)
    picture = np.where((y >= 0.6 * height)[:, :, None], path, picture)
    road = _tinted(_cloud((height, width), rng, 3 * u, 3), (98, 96, 95), 0.13)
    picture = np.where((y >= 0.72 * height)[:, :, None], road, picture)
    dash = (np.abs(y - 0.86 * height) < 1.6 * u) & ((x % (60 * u)) < 34 * u)
    picture[dash] = (205, 210, 212)
    curb = np.abs(y - 0.72 * height) < 1.4 * u
    picture[curb] *= 0.72
    return _vignetted(picture)


def _hall(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A corridor: tiled floor in perspective, panelled walls, doors, lamps."""
    width, height = size
    u = height / 240
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = _tinted(_cloud((height, width), rng, 40 * u), (185, 200, 205), 0.05)
    depth = np.maximum(y / height - 0.42, 0.02)
    across, along = (x / width - 0.5) / depth, 0.35 / depth
    tiles = (np.floor(across * 3) + np.floor(along * 4)) % 2
    grout = (np.abs(across * 3 % 1) < 0.05) | (np.abs(along * 4 % 1) < 0.06)
    shine = _tinted(
        _cloud((height, width), rng, 18 * u) + 1.8 * tiles - 1.2 * grout, (120, 138, 150), 0.1
    )
    picture = np.where((y > 0.6 * height)[:, :, None], shine, picture)
    rail = np.abs(y - 0.46 * height) < 3 * u
    picture[rail] *= (0.55, 0.62, 0.72)
    for left, tint in ((0.08, (80, 110, 150)), (0.44, (95, 120, 140)), (0.8, (80, 110, 150))):
        rows, cols = (
            slice(int(0.16 * height), int(0.6 * height)),
            slice(int(left * width), int((left + 0.12) * width)),
        )
        shape = picture[rows, cols].shape[:2]
        grain = cv2.resize(_cloud((shape[0], max(shape[1] // 6, 2)), rng, 9 * u), shape[::-1])
        picture[rows, cols] = _tinted(np.asarray(grain, np.float32), tint, 0.12)
        cv2.rectangle(
            picture,
            (cols.start, rows.start),
            (cols.stop, rows.stop),
            (60, 75, 90),
            max(1, round(2 * u)),
        )
        knob = (int(cols.stop - 5 * u), int((rows.start + rows.stop) / 2))
        cv2.circle(picture, knob, max(1, round(1.6 * u)), (190, 205, 210), -1, cv2.LINE_AA)
    for place in (0.3, 0.68):
        spot = (int(place * width), int(0.05 * height))
        cv2.ellipse(picture, spot, (round(20 * u), round(5 * u)), 0, 0, 360, (250, 252, 253), -1)
    foot = np.abs(y - 0.6 * height) < 2 * u
    picture[foot] *= 0.55
    return _vignetted(picture)


def _lawn(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Grass and a gravel path: texture everywhere, nothing that moves."""
    width, height = size
    u = height / 240
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grass = _cloud((height, width), rng, 5 * u) + 0.6 * _cloud((height, width), rng, 50 * u)
    picture = _tinted(grass, (62, 120, 88), 0.28)
    bend = 0.5 * width + 0.16 * width * np.sin(y / (60 * u))
    path = np.abs(x - bend) < (0.05 + 0.12 * y / height) * width
    gravel = _tinted(_cloud((height, width), rng, 3 * u, 2), (150, 162, 170), 0.14)
    picture = np.where(path[:, :, None], gravel, picture)
    return _vignetted(picture)


def _window(
    picture: Picture, left: float, top: float, wide: float, high: float, rng: np.random.Generator
) -> None:
    x0, y0, x1, y1 = (round(v) for v in (left, top, left + wide, top + high))
    u = picture.shape[0] / 240
    shape = (y1 - y0, x1 - x0)
    if min(shape) < 2:
        return
    mirror = _cloud(shape, rng, 14 * u) + np.linspace(0.8, -0.8, shape[0])[:, None]
    picture[y0:y1, x0:x1] = _tinted(np.asarray(mirror, np.float32), (135, 118, 100), 0.25)
    frame, thin = (215, 220, 222), max(1, round(1.5 * u))
    cv2.rectangle(picture, (x0, y0), (x1, y1), frame, thin)
    cv2.line(picture, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), frame, thin)
    cv2.line(picture, (x0, (y0 + y1) // 2), (x1, (y0 + y1) // 2), frame, thin)


def _tree(picture: Picture, size: tuple[int, int], rng: np.random.Generator) -> None:
    width, height = size
    u = height / 240
    trunk = (round(0.14 * width), round(0.3 * height)), (round(0.15 * width), round(0.63 * height))
    cv2.line(picture, *trunk, (52, 66, 80), max(1, round(8 * u)), cv2.LINE_AA)
    for _ in range(900):
        angle, far = rng.uniform(0, 2 * np.pi), math.sqrt(rng.random())
        x = round((0.14 + 0.13 * far * math.cos(angle)) * width)
        y = round((0.28 + 0.2 * far * math.sin(angle)) * height)
        green = rng.uniform(0.55, 1.25) * (0.75 + 0.4 * (y < 0.28 * height))
        axes = (max(1, round(rng.uniform(1.5, 4) * u)), max(1, round(rng.uniform(1, 2.4) * u)))
        leaf = (48 * green, 112 * green, 66 * green)
        cv2.ellipse(picture, (x, y), axes, rng.uniform(0, 180), 0, 360, leaf, -1, cv2.LINE_AA)


def _vignetted(picture: Picture) -> Picture:
    """Darker towards the corners, as lenses make it."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.asarray(picture * (1 - 0.12 * (x**2 + y**2))[:, :, None], np.float32)


def _cloth(rng: np.random.Generator) -> Color:
    """A colour that people wear and paint: mostly grey, some of it strong."""
    grey, strong = rng.uniform(35, 190), rng.choice([12.0, 45.0])
    blue, green, red = np.clip(grey + rng.uniform(-strong, strong, 3), 15, 235).tolist()
    return blue, green, red


def _crowd(rng: np.random.Generator, seconds: float, count: int, **fixed: object) -> list[Mover]:
    """Walkers who cross at random times, ways and colours."""
    people = []
    for n in range(count):
        y = rng.uniform(0.68, 0.98)
        enter = 0.6 + (seconds - 1.6) * (n + rng.uniform(0, 0.5)) / count
        way = [(-0.08, y), (1.08, y + rng.uniform(-0.05, 0.05))]
        if rng.random() < 0.5:
            way.reverse()
        color = _cloth(rng)
        pace = {"enter": enter, "leave": enter + rng.uniform(4.5, 8)}
        person = {"start": way[0], "end": way[1], "color": color, "height": 0.42, **pace, **fixed}
        people.append(Mover(**person))  # type: ignore[arg-type]
    return people


def _walkers(s: Scene, rng: np.random.Generator) -> Scene:
    seconds = s.frames / s.fps
    return replace(s, movers=tuple(_crowd(rng, seconds, max(2, round(seconds / 1.8)))))


def _busy_street(s: Scene, rng: np.random.Generator) -> Scene:
    seconds = s.frames / s.fps
    cars = []
    for n in range(max(2, round(seconds / 2.2))):
        lane = n % 2
        way = [(-0.35, 0.82 + 0.14 * lane), (1.35, 0.82 + 0.14 * lane)]
        if lane == 0:
            way.reverse()
        enter = 0.8 + 2.2 * n + rng.uniform(0, 0.8)
        cars.append(
            Mover(
                kind="car",
                start=way[0],
                end=way[1],
                enter=enter,
                leave=enter + 2.6,
                color=_cloth(rng),
                height=0.3,
            )
        )
    people = _crowd(rng, seconds, max(2, round(seconds / 2.5)), height=0.36)
    people = [replace(p, start=(p.start[0], 0.7), end=(p.end[0], 0.7)) for p in people]
    return replace(s, movers=tuple(cars + people), sway=2.0, shadow=0.4)


def _quiet(s: Scene, rng: np.random.Generator) -> Scene:
    mover = Mover(
        kind="disc",
        height=0.05,
        enter=0.0,
        leave=s.frames / s.fps + 1,
        start=(0, 0.6),
        end=(1, 0.7),
        color=(40, 50, 60),
    )
    return replace(s, place="lawn", movers=(mover,))


def _discs(s: Scene, rng: np.random.Generator, area: float, seconds: float) -> Scene:
    """Discs of `area` pixels at 320x240 that take `seconds` to cross."""
    tall = 2 * math.sqrt(area / math.pi) / 240
    movers = [
        Mover(
            kind="disc",
            height=tall / (0.35 + 0.65 * y),
            start=(-0.05, y),
            end=(1.05, y),
            enter=1.0 + 0.4 * n,
            leave=1.0 + 0.4 * n + seconds,
            color=(30, 40, 210),
        )
        for n, y in enumerate((0.35, 0.55, 0.75))
    ]
    return replace(s, place="lawn", movers=tuple(movers))


def _hall_people(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(_walkers(s, rng), place="hall")


def _camouflage(s: Scene, rng: np.random.Generator) -> Scene:
    people = _crowd(rng, s.frames / s.fps, 3, color=(115.0, 130.0, 142.0))
    return replace(s, place="hall", movers=tuple(people))


def _stopped(s: Scene, rng: np.random.Generator) -> Scene:
    long = s.frames / s.fps
    who = Mover(
        enter=1.0,
        leave=long + 1,
        stop=(3.0, long + 0.5),
        start=(-0.1, 0.92),
        end=(1.0, 0.9),
        height=0.45,
        color=(40, 60, 190),
    )
    return replace(s, place="hall", movers=(who,))


def _ghost(s: Scene, rng: np.random.Generator) -> Scene:
    who = Mover(
        enter=-4.0,
        leave=5.0,
        stop=(-1.0, 2.0),
        start=(0.1, 0.92),
        end=(1.1, 0.9),
        height=0.45,
        color=(40, 60, 190),
    )
    return replace(s, place="hall", movers=(who,))


def _visited(s: Scene, rng: np.random.Generator) -> Scene:
    """People in about 40 % of the frames at each of three places, from the first frame on."""
    long = s.frames / s.fps
    places = []
    for n, x in enumerate((0.25, 0.5, 0.75)):
        begin = long * 0.3 * n
        places.append(
            Mover(
                enter=begin,
                leave=begin + 0.4 * long,
                stop=(begin + 0.4, begin + 0.4 * long - 0.4),
                start=(x - 0.04, 0.92),
                end=(x + 0.04, 0.92),
                height=0.5,
                color=(200.0 - 70 * n, 60.0, 60.0 + 70 * n),
            )
        )
    return replace(s, place="hall", movers=tuple(places))


_KINDS: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {
    "walkers": _walkers,
    "street": _busy_street,
    "hall": _hall_people,
    "quiet": _quiet,
    "busy": lambda s, r: replace(_busy_street(s, r), sway=4.0, water=8.0, noise=4.0, jitter=0.3),
    "foliage": lambda s, r: replace(_walkers(s, r), sway=3.0),
    "water": lambda s, r: replace(_walkers(s, r), place="lawn", water=14.0),
    "camouflage": _camouflage,
    "shadows": lambda s, r: replace(_walkers(s, r), shadow=0.45),
    "light-drift": lambda s, r: replace(_walkers(s, r), drift=0.25),
    "light-step": lambda s, r: replace(_walkers(s, r), step=(0.6 * s.frames / s.fps, 1.25)),
    "stopped": _stopped,
    "ghost": _ghost,
    "visited": _visited,
    "jitter": lambda s, r: replace(_walkers(s, r), jitter=1.5),
    "rain": lambda s, r: replace(_walkers(s, r), weather="rain"),
    "snow": lambda s, r: replace(_walkers(s, r), weather="snow"),
    "low-rate": lambda s, r: _walkers(replace(s, fps=2.0), r),
    "small": lambda s, r: _discs(s, r, 60, 6.0),
    "slow": lambda s, r: _discs(s, r, 500, 60.0),
    "empty": lambda s, r: s,
}


def names() -> list[str]:
    """The kinds of scenes that `scene` makes."""
    return sorted(_KINDS)


def scene(
    name: str,
    *,
    size: tuple[int, int] = (320, 240),
    frames: int = 200,
    fps: float = 25.0,
    seed: int = 0,
    **changes: object,
) -> Scene:
    """A scene by name.

    Parameters
    ----------
    name
        One of `names()`.
    size
        (width, height) pixels.
    frames, fps, seed
        How long, how fast, and which of the many.
    **changes
        Other fields of Scene to set, for example `noise=0.0`.

    Raises
    ------
    ConfigError
        An unknown name.

    Examples
    --------
    >>> shot = scene("walkers", frames=100).shot(60)
    >>> shot.image.shape, sorted(set(shot.truth.ravel().tolist()))
    ((240, 320, 3), [0, 170, 255])
    """
    if name not in _KINDS:
        raise ConfigError(f"unknown scene {name!r}; known: {', '.join(names())}")
    plain = Scene(name=name, size=size, frames=frames, fps=fps, seed=seed)
    made = _KINDS[name](plain, np.random.default_rng((seed, 5)))
    return replace(made, **changes)  # type: ignore[arg-type]


def write_cdnet(shown: Scene, folder: str | Path) -> Path:
    """Write a scene as a CDnet sequence (input, groundtruth, ROI.bmp, temporalROI.txt)."""
    folder = Path(folder)
    for part in ("input", "groundtruth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for n, shot in enumerate(shown, 1):
        cv2.imwrite(str(folder / "input" / f"in{n:06d}.png"), shot.image)
        cv2.imwrite(str(folder / "groundtruth" / f"gt{n:06d}.png"), shot.truth)
    width, height = shown.size
    cv2.imwrite(str(folder / "ROI.bmp"), np.full((height, width), 255, np.uint8))
    (folder / "temporalROI.txt").write_text(f"1 {shown.frames}")
    return folder
