"""Real sequences made harder, each in one way, picture and truth alike.

An alteration takes a clip and random numbers, and returns another clip; the same seed gives the
same clip. Each stands for what one category of CDnet 2014 is hard by (Goyette et al., IEEE TIP 23,
2014), so that a model can be judged on kinds of video of which there is no truth at hand.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.evaluation.counts import MOVING, SHADOW, STATIC, UNKNOWN
from bgsub.evaluation.dataset import Labels, Sequence

Image = NDArray[Any]
Floats = NDArray[Any]
Change = Callable[[int, Image, Labels | None], tuple[Image, Labels | None]]

FPS = 25.0  # of sources, for lengths in seconds


@dataclass(frozen=True)
class Clip:
    """A stretch of a sequence in memory, scored like one."""

    category: str
    name: str
    images: list[Image]
    """(height, width, 3) BGR."""
    labels: list[Labels | None]
    """(height, width) truth of each image; None where it is not scored."""

    def __str__(self) -> str:
        return f"{self.category}/{self.name}"

    def __len__(self) -> int:
        return len(self.images)

    @property
    def inputs(self) -> range:
        """Numbers of the frames."""
        return range(len(self))

    @property
    def truths(self) -> list[int]:
        """Numbers of the scored frames."""
        return [n for n, labels in enumerate(self.labels) if labels is not None]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.images[0].shape[1], self.images[0].shape[0]

    def truth(self, number: int) -> Labels:
        """(height, width) labels of a scored frame."""
        labels = self.labels[number]
        assert labels is not None
        return labels

    def frames(self) -> Iterator[tuple[int, Image]]:
        """Yield (number, image) of every frame."""
        yield from enumerate(self.images)

    def changed(self, change: Change) -> Clip:
        """The clip with `change` of every number, image and truth; values are rounded."""
        images: list[Image] = []
        labels: list[Labels | None] = []
        for n in self.inputs:
            image, truth = change(n, self.images[n], self.labels[n])
            images.append(_eight(image))
            labels.append(truth)
        return replace(self, images=images, labels=labels)


def stretch(sequence: Sequence, first: int = 0, last: int | None = None) -> Clip:
    """The frames of a sequence from number `first` to `last`, both of them included."""
    numbers = [n for n in sequence.inputs if first <= n and (last is None or n <= last)]
    images = [sequence.image(n) for n in numbers]
    return Clip(
        sequence.category,
        sequence.name,
        [i if i.ndim == 3 else np.asarray(cv2.cvtColor(i, cv2.COLOR_GRAY2BGR)) for i in images],
        [sequence.truth(n) if n in sequence.truths else None for n in numbers],
    )


def altered(clip: Clip, name: str, seed: int = 0) -> Clip:
    """The clip with the alteration of that name, which becomes its category."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    return replace(ALTERATIONS[name](clip, rng), category=name)


# Time.


def thinned(clip: Clip, rng: np.random.Generator, every: int) -> Clip:
    """Every so many frames one: low frame rate."""
    return replace(clip, images=clip.images[::every], labels=clip.labels[::every])


def paused(clip: Clip, rng: np.random.Generator, seconds: float = 15.0) -> Clip:
    """The fullest frame held for a while, so that everything stops, and goes on then."""
    n, still = _fullest(clip, 0.25, 0.75), round(seconds * FPS)
    images = [*clip.images[:n], *[clip.images[n]] * still, *clip.images[n:]]
    labels = [*clip.labels[:n], *[clip.labels[n]] * still, *clip.labels[n:]]
    return noisy(replace(clip, images=images, labels=labels), rng, 2.0)


def begun_late(clip: Clip, rng: np.random.Generator) -> Clip:
    """Begins with its fullest frame, and is scored at once: things that leave become ghosts."""
    n = _fullest(clip, 0.0, 0.5)
    return replace(clip, images=clip.images[n:], labels=clip.labels[n:])


# The camera.


def jittered(clip: Clip, rng: np.random.Generator, reach: float) -> Clip:
    """A hand-held camera: shifts of a random walk held together, `reach` pixels of deviation."""
    margin = math.ceil(2.5 * reach) + 2  # interpolation reaches two pixels out of the window
    width, height = clip.size
    size = width - 2 * margin, height - 2 * margin
    walk = np.zeros((len(clip), 2))
    for n in range(1, len(clip)):
        walk[n] = 0.7 * walk[n - 1] + math.sqrt(1 - 0.7**2) * reach * rng.standard_normal(2)
    walk = np.clip(walk, 2 - margin, margin - 2) + margin
    return clip.changed(lambda n, i, t: _window(i, t, walk[n, 0], walk[n, 1], 1.0, size))


def panned(clip: Clip, rng: np.random.Generator, speed: float) -> Clip:
    """A window that moves right and left, `speed` pixels a frame, over the picture."""
    width, height = clip.size
    size = round(0.6 * width), height
    most = width - size[0]
    way = [abs((speed * n + most) % (2 * most) - most) for n in clip.inputs]
    return clip.changed(lambda n, i, t: _window(i, t, way[n], 0.0, 1.0, size))


def two_positions(clip: Clip, rng: np.random.Generator, frames: int = 120) -> Clip:
    """A camera that turns quickly between two views, and rests `frames` in each."""
    width, height = clip.size
    size = round(0.6 * width), height
    ramp = np.clip((np.arange(2 * frames) % frames - (frames - 8)) / 8, 0, 1)
    way = np.where(np.arange(2 * frames) < frames, ramp, 1 - ramp) * (width - size[0])
    return clip.changed(lambda n, i, t: _window(i, t, way[n % len(way)], 0.0, 1.0, size))


def cut(clip: Clip, rng: np.random.Generator) -> Clip:
    """A camera switched to a second view, a third one, and back again, each for a quarter."""
    width, height = clip.size
    size = round(0.6 * width), height

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        view = (0, 1, 2, 0)[4 * n // len(clip)]
        seen, labels = _window(image, truth, (width - size[0]) * (view % 2), 0.0, 1.0, size)
        axis = (slice(None), slice(None, None, -1)), (slice(None, None, -1), slice(None))
        if view == 0:
            return seen, labels
        turned = np.ascontiguousarray(seen[axis[view - 1]])
        return turned, None if labels is None else np.ascontiguousarray(labels[axis[view - 1]])

    return clip.changed(change)


def zoomed(clip: Clip, rng: np.random.Generator, frames: int = 100) -> Clip:
    """A camera that zooms in by steps, and out again."""
    width, height = clip.size
    size = round(width / 1.5), round(height / 1.5)
    steps = [1.5, 1.25, 1.0, 1.25]

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        step, rest = divmod(n, frames)
        now, then = steps[step % 4], steps[(step + 1) % 4]
        scale = now + (then - now) * max(0.0, (rest - frames + 12) / 12)
        x, y = (
            (whole - scale * part) / 2 for whole, part in zip((width, height), size, strict=True)
        )
        return _window(image, truth, x, y, scale, size)

    return clip.changed(change)


def _busiest(clip: Clip) -> tuple[int, int]:
    """Left and top of the quarter of the picture in which most moves."""
    total = np.zeros(clip.images[0].shape[:2], np.float32)
    for truth in clip.labels:
        if truth is not None:
            total += truth == MOVING
    width, height = clip.size
    near = cv2.boxFilter(total, -1, (width // 2, height // 2), borderType=cv2.BORDER_CONSTANT)
    centres = near[height // 4 : height - height // 4, width // 4 : width - width // 4]
    top, left = np.unravel_index(int(centres.argmax()), centres.shape)
    return int(left), int(top)


def close_up(clip: Clip, rng: np.random.Generator) -> Clip:
    """Half as wide a view where most moves, at the same size: things fill much of the picture."""
    x, y = _busiest(clip)
    return clip.changed(lambda n, i, t: _window(i, t, float(x), float(y), 0.5, clip.size))


def resized(clip: Clip, rng: np.random.Generator, factor: float) -> Clip:
    """Another number of pixels."""
    size = round(factor * clip.size[0]), round(factor * clip.size[1])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        seen = np.asarray(cv2.resize(image, size, interpolation=how))
        if truth is None:
            return seen, None
        return seen, _labels(cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST))

    return clip.changed(change)


# Light.


def darkened(clip: Clip, rng: np.random.Generator, headlights: bool = False) -> Clip:
    """Night: 8 % of the light, with the noise of photons and of the sensor.

    With headlights, a pool of light goes before every moving thing, and one crosses alone.
    """
    width, height = clip.size
    linear = (np.arange(256, dtype=np.float32) / 255) ** np.float32(2.2) * np.float32(0.08)
    grain = _Grain(clip, rng)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))

    def pool(at: tuple[float, float]) -> Floats:
        far = ((x - at[0]) / (0.09 * width)) ** 2 + ((y - at[1]) / (0.07 * height)) ** 2
        return np.exp(-far)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        light = linear[image]
        if headlights:
            phase = n / FPS / 4 % 1
            gain = 1 + 3 * pool((width * (1.4 * phase - 0.2), 0.7 * height))
            for left, top, wide, tall in _boxes(truth):
                gain += 3 * pool((left + wide / 2 + 0.12 * width, top + tall))
            light = light * gain[..., None]
        spread = np.sqrt(light / 2000 + np.float32(0.0015**2))
        seen = np.clip(light + spread * grain.next(), 0, 1)
        return 255 * seen ** np.float32(1 / 2.2), truth

    return clip.changed(change)


def switched(clip: Clip, rng: np.random.Generator) -> Clip:
    """The light falls to 0.6 in the second third, at once."""
    third = len(clip) / 3
    return _lit(clip, lambda n: 0.6 if third <= n < 2 * third else 1.0)


def drifting(clip: Clip, rng: np.random.Generator) -> Clip:
    """The light falls to 0.5 and comes back, slowly, over 12 s."""
    return _lit(clip, lambda n: 0.75 + 0.25 * math.cos(2 * math.pi * n / FPS / 12))


def half_lit(clip: Clip, rng: np.random.Generator) -> Clip:
    """A lamp that lights one half of the picture, with a soft edge, for 4 s of every 8."""
    width, _ = clip.size
    across = (np.arange(width, dtype=np.float32) / width - np.float32(rng.uniform(0.4, 0.6))) * 12
    gain = np.float32(0.65) * (1 + np.float32(0.5) / (1 + np.exp(-across)))

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        lit = int(n / FPS / 4) % 2 == 1
        return image * (gain[None, :, None] if lit else np.float32(0.65)), truth

    return clip.changed(change)


def infrared(clip: Clip, rng: np.random.Generator) -> Clip:
    """A thermal camera: grey, little contrast, and a gain that is set anew every 4 s."""
    gains = rng.uniform(0.4, 0.6, len(clip) // 100 + 1)
    means = rng.uniform(100, 130, len(clip) // 100 + 1)
    grain = _Grain(clip, rng)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        grey = means[n // 100] + gains[n // 100] * (_grey(image) - 110)
        return np.repeat(grey[..., None] + 2 * grain.next()[..., :1], 3, 2), truth

    return clip.changed(change)


def shaded(clip: Clip, rng: np.random.Generator) -> Clip:
    """Every moving thing casts one more shadow, to its right, which takes 45 % of the light."""
    width, height = clip.size
    turn = np.array([[1, 0, 0.07 * width], [0, 1, 0.04 * height]], np.float32)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        if truth is None:
            return image, truth
        cover = cv2.warpAffine((truth == MOVING).astype(np.float32), turn, clip.size)
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), 1.5)) * (truth != MOVING)
        labels, open_ = truth.copy(), truth == STATIC
        labels[open_ & (cover > 0.1)] = UNKNOWN
        labels[open_ & (cover > 0.6)] = SHADOW
        return image * (1 - np.float32(0.45) * cover)[..., None], labels

    return clip.changed(change)


def mirrored(clip: Clip, rng: np.random.Generator) -> Clip:
    """A polished floor: below every moving thing 35 % of how it differs from what is behind it.

    The mirror picture is upside down, and fades with the distance from the thing's lowest point.
    """
    behind = _background(clip)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        if truth is None:
            return image, truth
        differs = _covered(truth) * (image - behind)
        shown, cover = np.zeros_like(differs), np.zeros(truth.shape, np.float32)
        for left, top, wide, tall in _boxes(truth):
            deep = min(tall, clip.size[1] - top - tall)
            columns, floor = slice(left, left + wide), slice(top + tall, top + tall + deep)
            thing = slice(top + tall - deep, top + tall)
            fade = 0.35 * (1 - np.arange(deep, dtype=np.float32) / tall)[:, None]
            shown[floor, columns] = fade[..., None] * differs[thing, columns][::-1]
            cover[floor, columns] = fade * (truth[thing, columns] == MOVING)[::-1]
        open_ = np.isin(truth, (STATIC, SHADOW))
        seen = cv2.GaussianBlur(shown, (0, 0), 1.0) * open_[..., None]
        labels = truth.copy()
        labels[open_ & (cover > 0)] = SHADOW
        return image + seen, labels

    return clip.changed(change)


def camouflaged(clip: Clip, rng: np.random.Generator) -> Clip:
    """Half the contrast of what moves against the background behind it."""
    behind = _background(clip)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        if truth is None:
            return image, truth
        return image + 0.5 * _covered(truth) * (behind - image), truth

    return clip.changed(change)


# The air, and what moves in the background.


def snowed(clip: Clip, rng: np.random.Generator, flakes: int, contrast: float) -> Clip:
    """A veil that leaves `contrast`, and soft flakes with short streaks before it."""
    width, height = clip.size
    unit = height / 240

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        veil: Image = np.zeros((height, width), np.float32)
        for at_x, at_y, near in rng.random((flakes, 3)):
            top = round(at_x * width), round(at_y * height)
            end = round(top[0] + 2 * unit * near), round(top[1] + 5 * unit * near)
            thick = max(1, round(3 * near**3 * unit))
            cv2.line(veil, top, end, 0.35 + 0.4 * near, thick, cv2.LINE_AA)
        veil = np.asarray(cv2.GaussianBlur(veil, (0, 0), 0.7 * unit))[..., None]
        dull = 150 + np.float32(contrast) * (image.astype(np.float32) - 150)
        return dull + veil * (225 - dull), truth

    return clip.changed(change)


def turbulent(clip: Clip, rng: np.random.Generator, reach: float) -> Clip:
    """Hot air before a far, grey view: smooth warps, new in each frame, `reach` pixels."""
    width, height = clip.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    coarse = max(2, height // 20), max(2, width // 20)
    warp = np.zeros((2, *coarse), np.float32)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        nonlocal warp
        warp = 0.5 * warp + math.sqrt(0.75) * rng.standard_normal(warp.shape, np.float32)
        dx, dy = (
            reach * cv2.resize(part, clip.size, interpolation=cv2.INTER_CUBIC) for part in warp
        )
        grey = np.repeat(np.rint(_grey(image)).astype(np.uint8)[..., None], 3, 2)
        return _remapped(grey, truth, x + dx, y + dy)

    return clip.changed(change)


def swaying(clip: Clip, rng: np.random.Generator, reach: float) -> Clip:
    """Trees: in two ellipses the background swings by `reach` pixels."""
    width, height = clip.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    leaves = _ellipses(clip, rng)
    fine = 6 * rng.standard_normal((height, width), np.float32) * leaves
    phases = rng.uniform(0, 6, 2).astype(np.float32)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        time = np.float32(n / FPS)
        wave = np.sin(4.2 * time + x / 9 + phases[0]) + 0.6 * np.sin(11.3 * time + y / 7)
        other = np.cos(7.4 * time + x / 6 + phases[1])
        # Leaves are finer than what most pictures show where the ellipses fall.
        textured = np.clip(image + fine[..., None], 0, 255).astype(np.uint8)
        moved, _ = _remapped(
            textured, None, x + reach * leaves * wave, y + 0.5 * reach * leaves * other
        )
        return _before(image, truth, moved), truth

    return clip.changed(change)


def splashing(clip: Clip, rng: np.random.Generator) -> Clip:
    """A fountain: in two ellipses bright water flickers, new in each frame."""
    width, height = clip.size
    leaves = _ellipses(clip, rng)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        drops: Image = rng.standard_normal((height // 2, width // 2), np.float32)
        drops = cv2.resize(cv2.GaussianBlur(drops, (0, 0), 0.7), clip.size)
        bright = image + (leaves * (12 + 45 * np.asarray(drops)))[..., None]
        return _before(image, truth, bright), truth

    return clip.changed(change)


# Things.


def left_behind(clip: Clip, rng: np.random.Generator) -> Clip:
    """A thing that appears after a third of the time, and stays."""
    return _pasted(clip, rng, lambda n: n >= len(clip) / 3)


def taken_away(clip: Clip, rng: np.random.Generator) -> Clip:
    """A thing that is there from the start, and goes away after a third of the time."""
    return _pasted(clip, rng, lambda n: n < len(clip) / 3, moving=False)


def driven_off(clip: Clip, rng: np.random.Generator) -> Clip:
    """A large thing that is there from the start, and drives off to the right in the middle."""
    thing = _cutouts(clip)[0]
    width, height = clip.size
    tall, wide = thing[1].shape
    paint, cover = _scaled(thing, min(0.45 * height / tall, 0.5 * width / wide))
    top, left = round(0.95 * height) - cover.shape[0], round(0.15 * width)

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        gone = n - len(clip) / 2
        if gone < 0:
            return _laid(image, truth, paint, cover, left, top, moving=False)
        return _laid(image, truth, paint, cover, left + round(gone**2 / 20 + gone), top)

    return clip.changed(change)


def crowded(clip: Clip, rng: np.random.Generator, people: int = 12, share: float = 0.25) -> Clip:
    """A crowd from the first frame on: things cut out of the clip, which walk and come again.

    They cover about `share` of the picture.
    """
    width, height = clip.size
    things = _cutouts(clip)
    walkers = []
    for n in range(people):
        thing = things[n % len(things)]
        area = share / people * width * height * rng.uniform(0.5, 1.5)
        factor = min(math.sqrt(area / thing[1].sum()), 0.5 * height / thing[1].shape[0])
        start, foot = rng.uniform(0, 1.4), rng.uniform(0.4, 1.0)
        speed = rng.choice([-1, 1]) * rng.uniform(0.002, 0.008)
        walkers.append((*_scaled(thing, factor), start, speed, foot))
    walkers.sort(key=lambda walker: walker[-1])  # who stands lower is nearer

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        seen = image.astype(np.float32)
        for paint, cover, start, speed, foot in walkers:
            x = ((start + speed * n) % 1.4 - 0.2) * width
            top = round(foot * height) - cover.shape[0]
            seen, truth = _laid(seen, truth, paint, cover, round(x), top)
        return seen, truth

    return clip.changed(change)


def before_monitor(clip: Clip, rng: np.random.Generator) -> Clip:
    """A screen on a quarter of the picture where most moves, whose brightness flickers."""
    (x, y), (width, height) = _busiest(clip), clip.size
    spot = slice(y, y + height // 2), slice(x, x + width // 2)
    down = np.arange(height // 2, dtype=np.float32)[:, None, None]

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Floats, Labels | None]:
        phase = np.float32(2 * math.pi * n * 0.37)
        bars = 25 * np.sin(2 * math.pi * down / height * 1.5 + phase) + rng.choice([-12, 12])
        behind = image.astype(np.float32)
        behind[spot] += bars
        return _before(image, truth, behind), truth

    return clip.changed(change)


# The sensor.


def noisy(clip: Clip, rng: np.random.Generator, sigma: float) -> Clip:
    """White noise of that many grey levels."""
    grain = _Grain(clip, rng)
    return clip.changed(lambda n, i, t: (i + np.float32(sigma) * grain.next(), t))


def compressed(clip: Clip, rng: np.random.Generator, quality: int = 15) -> Clip:
    """Every frame a JPEG of low quality."""

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR)), truth

    return clip.changed(change)


Alteration = Callable[[Clip, np.random.Generator], Clip]

ALTERATIONS: dict[str, Alteration] = {
    "unaltered": lambda clip, rng: clip,
    "every 4th": partial(thinned, every=4),
    "every 10th": partial(thinned, every=10),
    "jitter 1.5": partial(jittered, reach=1.5),
    "jitter 5": partial(jittered, reach=5.0),
    "slow pan": partial(panned, speed=0.25),
    "pan": partial(panned, speed=1.5),
    "two positions": two_positions,
    "cut": cut,
    "zoom": zoomed,
    "close-up": close_up,
    "night": darkened,
    "headlights": partial(darkened, headlights=True),
    "snow": partial(snowed, flakes=80, contrast=0.7),
    "heavy snow": partial(snowed, flakes=250, contrast=0.5),
    "turbulence 1": partial(turbulent, reach=1.0),
    "turbulence 2": partial(turbulent, reach=2.0),
    "trees": partial(swaying, reach=2.5),
    "fountain": splashing,
    "thermal": infrared,
    "pause": paused,
    "late start": begun_late,
    "left behind": left_behind,
    "taken away": taken_away,
    "driven off": driven_off,
    "crowd": crowded,
    "monitor": before_monitor,
    "light switch": switched,
    "light drift": drifting,
    "half lit": half_lit,
    "shadows": shaded,
    "reflections": mirrored,
    "camouflage": camouflaged,
    "JPEG 15": compressed,
    "noise 8": partial(noisy, sigma=8.0),
    "half size": partial(resized, factor=0.5),
    "double size": partial(resized, factor=2.0),
}
"""What `altered` knows."""


def _eight(image: Image) -> Image:
    if image.dtype == np.uint8:
        return image
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _labels(warped: Any) -> Labels:
    """What OpenCV made of truth."""
    return np.asarray(warped, np.uint8)


class _Grain:
    """White noise of deviation 1, another cut of one large picture for every frame."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        self._size = clip.images[0].shape[:2]
        self._whole = rng.standard_normal((self._size[0] + 64, self._size[1] + 64, 3), np.float32)
        self._rng = rng

    def next(self) -> Floats:
        """(height, width, 3) for the next frame."""
        top, left = self._rng.integers(0, 64, 2)
        down, across = self._rng.choice([-1, 1], 2)
        height, width = self._size
        cut = self._whole[top : top + height, left : left + width]
        return cut[:: int(down), :: int(across)]


class _Box(NamedTuple):
    left: int
    top: int
    width: int
    height: int


def _boxes(truth: Labels | None, least: int = 60) -> list[_Box]:
    """Boxes of what moves, of at least so many pixels."""
    if truth is None:
        return []
    _, _, found, _ = cv2.connectedComponentsWithStats((truth == MOVING).astype(np.uint8))
    return [_Box(*row[:4].tolist()) for row in found[1:] if row[4] >= least]


def _window(
    image: Image,
    truth: Labels | None,
    x: float,
    y: float,
    scale: float,
    size: tuple[int, int],
) -> tuple[Image, Labels | None]:
    """`size` pixels of both from (x, y) on, `scale` pixels apart."""
    turn = np.array([[scale, 0, x], [0, scale, y]])
    seen = cv2.warpAffine(
        image,
        turn,
        size,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    if truth is None:
        return np.asarray(seen), None
    labels = cv2.warpAffine(
        truth,
        turn,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(seen), _labels(labels)


def _remapped(
    image: Image, truth: Labels | None, x: Floats, y: Floats
) -> tuple[Image, Labels | None]:
    """Both, each pixel taken from (x, y)."""
    edge, x, y = cv2.BORDER_REFLECT, x.astype(np.float32), y.astype(np.float32)
    seen = np.asarray(cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=edge))
    if truth is None:
        return seen, None
    return seen, np.asarray(cv2.remap(truth, x, y, cv2.INTER_NEAREST, borderMode=edge))


def _before(image: Image, truth: Labels | None, behind: Image) -> Floats:
    """What moves in `image`, before another background."""
    if truth is None:
        return behind.astype(np.float32)
    cover = _covered(truth)
    return np.asarray(behind + cover * (image - behind.astype(np.float32)))


def _covered(truth: Labels) -> Floats:
    """(height, width, 1) 0 to 1: what moves, with its outline, and soft at its border."""
    moving = np.isin(truth, (MOVING, UNKNOWN)).astype(np.float32)
    return np.asarray(cv2.blur(moving, (3, 3)))[..., None]


def _cutouts(clip: Clip, most: int = 8, least: int = 150) -> list[tuple[Floats, Floats]]:
    """Things that move in the clip, the largest first: (paint, cover) of each."""
    chosen = clip.truths[:: max(1, len(clip.truths) // 40)]
    found = [(box, n) for n in chosen for box in _boxes(clip.truth(n), least)]
    found.sort(key=lambda pair: -pair[0].width * pair[0].height)
    width, height = clip.size
    whole = [
        pair
        for pair in found
        if 0 < pair[0].left < width - pair[0].width and 0 < pair[0].top < height - pair[0].height
    ]
    found = whole or found
    made = []
    for box, n in found[:: max(1, len(found) // most)][:most]:
        spot = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
        cover: Floats = (clip.truth(n)[spot] == MOVING).astype(np.float32)
        made.append((clip.images[n][spot].astype(np.float32), cover))
    return made


def _scaled(thing: tuple[Floats, Floats], factor: float) -> tuple[Floats, Floats]:
    paint, cover = thing
    size = max(1, round(factor * cover.shape[1])), max(1, round(factor * cover.shape[0]))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return (
        np.asarray(cv2.resize(paint, size, interpolation=how)),
        np.asarray(cv2.resize(cover, size, interpolation=how)),
    )


def _laid(
    image: Image,
    truth: Labels | None,
    paint: Floats,
    cover: Floats,
    left: int,
    top: int,
    moving: bool = True,
) -> tuple[Floats, Labels | None]:
    """Both with a thing laid over them; truth says that it moves, or that it does not."""
    height, width = image.shape[:2]
    tall, wide = cover.shape
    a, b = max(left, 0), min(left + wide, width)
    c, d = max(top, 0), min(top + tall, height)
    seen = image.astype(np.float32)
    if a >= b or c >= d:
        return seen, truth
    part = slice(c - top, d - top), slice(a - left, b - left)
    spot = slice(c, d), slice(a, b)
    seen[spot] += cover[part][..., None] * (paint[part] - seen[spot])
    if truth is None:
        return seen, None
    labels = truth.copy()
    labels[spot][cover[part] > 0.1] = UNKNOWN
    labels[spot][cover[part] > 0.9] = MOVING if moving else STATIC
    return seen, labels


def _lit(clip: Clip, gain: Callable[[int], float]) -> Clip:
    return clip.changed(lambda n, image, truth: (image * np.float32(gain(n)), truth))


def _grey(image: Image) -> Floats:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.float32)


def _ellipses(clip: Clip, rng: np.random.Generator) -> Floats:
    """(height, width) 0 to 1: two soft ellipses on a fifth of the picture."""
    width, height = clip.size
    inside: Image = np.zeros((height, width), np.float32)
    for left in (0.05, 0.55):
        at = round(width * (left + 0.4 * rng.random())), round(height * rng.uniform(0.3, 0.7))
        axes = round(0.17 * width), round(0.22 * height)
        cv2.ellipse(inside, at, axes, 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), height / 80), np.float32)


def _fullest(clip: Clip, first: float, last: float) -> int:
    """Number of the frame in that part of the clip where most moves."""
    area = np.full(len(clip), -1)
    for n in clip.truths:
        if first * len(clip) <= n <= last * len(clip):
            area[n] = np.count_nonzero(clip.truth(n) == MOVING)
    return int(np.argmax(area))


def _background(clip: Clip) -> Floats:
    """(height, width, 3): the median of what each pixel shows while nothing moves there."""
    chosen = range(0, len(clip), max(1, len(clip) // 25))
    shown = np.stack([clip.images[n] for n in chosen]).astype(np.float32)
    for k, n in enumerate(chosen):
        if (truth := clip.labels[n]) is not None:
            shown[k][np.isin(truth, (MOVING, UNKNOWN))] = np.nan
    shown.sort(axis=0)  # what is hidden goes last
    middle = (np.maximum(np.count_nonzero(~np.isnan(shown), axis=0), 1) - 1) // 2
    found = np.take_along_axis(shown, middle[None], axis=0)[0]
    return np.where(np.isnan(found), clip.images[0], found)


def _pasted(
    clip: Clip, rng: np.random.Generator, there: Callable[[int], bool], moving: bool = True
) -> Clip:
    """A thing cut out of the clip, stood where nothing moves while `there`.

    Truth says that it moves; or, with moving = False, that it is part of the background.
    """
    donor = clip.images[n := _fullest(clip, 0.0, 1.0)]
    thing = max(_boxes(clip.truth(n)), key=lambda box: box.width * box.height)
    box = (
        slice(thing.top, thing.top + thing.height),
        slice(thing.left, thing.left + thing.width),
    )
    outline: Floats = (clip.truth(n)[box] == MOVING).astype(np.float32)
    factor = min(1.0, 0.3 * clip.size[1] / thing.height, 0.25 * clip.size[0] / thing.width)
    size = max(1, round(factor * thing.width)), max(1, round(factor * thing.height))
    paint = np.asarray(cv2.resize(donor[box], size, interpolation=cv2.INTER_AREA))
    cover = np.asarray(cv2.resize(outline, size, interpolation=cv2.INTER_AREA), np.float32)
    width, height = clip.size
    busy = np.zeros((height, width), np.float32)
    for labels in clip.labels:
        if labels is not None:
            busy += labels != STATIC
    edge = cv2.BORDER_CONSTANT
    near: Image = np.asarray(cv2.boxFilter(busy, -1, size, anchor=(0, 0), borderType=edge))
    free = near[: height - size[1], : width - size[0]]
    calm: NDArray[np.int64] = np.argwhere(free <= free.min())
    top, left = calm[rng.integers(len(calm))].tolist()
    spot = slice(top, top + size[1]), slice(left, left + size[0])

    def change(n: int, image: Image, truth: Labels | None) -> tuple[Image, Labels | None]:
        if not there(n):
            return image, truth
        seen = image.astype(np.float32)
        seen[spot] += cover[..., None] * (paint - seen[spot])
        if truth is None or not moving:
            return seen, truth
        labels = truth.copy()
        part = labels[spot]
        part[cover > 0.1] = UNKNOWN
        part[cover > 0.9] = MOVING
        return seen, labels

    return clip.changed(change)
