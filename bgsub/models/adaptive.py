"""The adaptive Gaussian mixture of every pixel."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.errors import FrameError, require
from bgsub.kernels import casters, movers, online, shade, threads
from bgsub.kernels.lanes import LANES
from bgsub.models import checks, files
from bgsub.models.ghosts import find_ghosts
from bgsub.models.light import Light, Tone, block_levels, brightened
from bgsub.models.modes import LUMA, Modes, check
from bgsub.models.params import MixtureParams
from bgsub.models.presets import preset
from bgsub.models.probability import chances
from bgsub.models.relight import forgive
from bgsub.models.scene import Scene, look, shadow_ratios
from bgsub.models.stabilise import (
    NOTHING,
    Pose,
    Seen,
    Stabiliser,
    block_side,
    compare,
    shrink,
)
from bgsub.models.upheaval import Upheaval
from bgsub.models.views import View, take_alike

RANGES = {"uint8": 255.0, "uint16": 65535.0, "float32": 255.0}
FEWEST = 24  # frames that a memory holds, however far apart they are: a few are no evidence
LOOK_EVERY = 0.25  # seconds between two searches for ghosts
LOOK_SOON = 0.12  # the same while the view is young: most ghosts are of what the first frames held
YOUNG = 4.0  # seconds
NEAR = 3  # pixels around a moving thing in which labels change for its sake
CELL_ROWS = 60  # of the cells, about, on which the casters of shadows are looked for
LIT = 0.1  # change of the light from which what stays dim may lie in another than the rest
FEW = 0.3  # share of the pixels around a shadow's that must look like one too
GREY = 0.7  # of the luma slope: without colour, luma alone must tell
SCENE_EVERY = 1.0  # seconds between two looks at the view as a whole
SCENE_SHARE = 0.25  # of a look in what is known of it: what passes must not count
ANEW = 5  # hits that modes keep where the view was laid anew at another scale
LIGHT_LAG = 2  # histories in which the remembered light changes: settled means must keep up
NO_SHADOWS = shade.blank(0)
PIXELS_PER_THREAD = 65536  # below, waking a thread costs more than it saves


class Pace(NamedTuple):
    """How much of a frame is learnt."""

    rate: float
    """Share of it in the model."""
    background: float
    """The same where it shows background."""


STILL = Pace(0.0, 0.0)


class AdaptiveMixture:
    """Learns the background of a fixed camera, and labels what it does not explain.

    Every pixel keeps up to `modes` Gaussians, updated frame by frame after Stauffer and Grimson
    (CVPR 1999) with the adaptive number of modes of Zivkovic (ICPR 2004) and a start at rate 1/n.
    Equations and further sources stand in `bgsub.kernels.online` beside the lines that apply them.

    Parameters
    ----------
    params
        How to learn and decide; by default the preset "balanced".
    threads
        Processors to use, by default all. The result is the same for any number.

    Examples
    --------
    >>> import numpy as np
    >>> model = AdaptiveMixture()
    >>> empty = np.full((4, 6, 3), 90, np.uint8)
    >>> for n in range(50):
    ...     mask = model.apply(empty, time=n / 25)
    >>> visited = empty.copy()
    >>> visited[1:3, 2:4] = (20, 160, 250)
    >>> model.apply(visited, time=2.0)
    array([[  0,   0,   0,   0,   0,   0],
           [  0,   0, 255, 255,   0,   0],
           [  0,   0, 255, 255,   0,   0],
           [  0,   0,   0,   0,   0,   0]], dtype=uint8)
    """

    def __init__(self, params: MixtureParams | None = None, threads: int | None = None) -> None:
        self.params = params or preset("balanced")
        self.threads = threads
        self.reset()

    @classmethod
    def from_preset(cls, name: str, threads: int | None = None) -> AdaptiveMixture:
        """A model with the settings of a preset by name. Raises ConfigError for an unknown one."""
        return cls(preset(name), threads)

    @classmethod
    def from_mixtures(
        cls,
        modes: Modes,
        params: MixtureParams | None = None,
        *,
        n_frames: int,
        seconds: float,
        dtype: str = "uint8",
        threads: int | None = None,
    ) -> AdaptiveMixture:
        """A model that knows the background before its first frame, so needs no warm-up.

        Parameters
        ----------
        modes
            What each pixel's background shows, as `mixtures` returns it. `bgsub.learn` finds it
            in a video.
        params
            How to go on learning and decide; by default the preset "balanced".
        n_frames
            Frames that the modes were found in; the more, the slower their means move.
        seconds
            Time in which they were seen.
        dtype
            Type of the frames to come: uint8, uint16 or float32.
        threads
            As for a new model.

        Raises
        ------
        ConfigError
            More modes than the model has, a pixel without any, or shapes that do not fit.

        Examples
        --------
        >>> import numpy as np
        >>> grey = Modes(np.ones((2, 3, 1)), np.full((2, 3, 1, 1), 90.0), np.full((2, 3, 1), 9.0))
        >>> fixed = MixtureParams(stabilise=False)
        >>> model = AdaptiveMixture.from_mixtures(grey, fixed, n_frames=100, seconds=60.0)
        >>> model.apply(np.array([[90, 92, 90], [90, 180, 88]], np.uint8))
        array([[  0,   0,   0],
               [  0, 255,   0]], dtype=uint8)
        """
        model = cls(params, threads)
        check(modes, model.params)
        height, width, k, channels = modes.means.shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        model._begin(shape, checks.dtype(dtype))
        low, high = model.params.minimum_variance, model.params.maximum_variance
        model._state = online.pack(
            model._variant(False, True),
            modes.weights.reshape(-1, k),
            modes.means.reshape(-1, k, channels),
            np.clip(modes.variances, low, high).reshape(-1, k),
            np.rint(modes.weights * n_frames).reshape(-1, k),
        )
        seconds = max(seconds, model.params.warmup)
        model._frames, model._seconds = n_frames, seconds
        if model.params.stabilise:
            small = shrink(model.background(), model.params.stabilise_rows, 255 / model._range)
            model._stabiliser.learn(small, 1.0, Pose())
        if model.params.follow_light:
            model._light.learn(block_levels(model.background(), 255 / model._range), 1.0)
        model._look_around(model.background(), 1.0)
        return model

    def reset(self) -> None:
        """Forget every frame; the next one sets the size."""
        self._shape: tuple[int, ...] | None = None
        self._dtype = np.dtype(np.uint8)
        self._state: NDArray[Any] = np.empty(0, np.uint16)
        self._image: NDArray[Any] | None = None
        self._shadows = NO_SHADOWS
        self._frames = 0  # of this view
        self._seconds = 0.0
        self._frames_before = 0  # of all others
        self._seconds_before = 0.0
        self._views: list[View] = []  # seen before, the latest last
        self._clock: float | None = None
        self._moving = np.empty((0, 0), np.uint8)
        self._earlier = np.empty((0, 0), np.uint8)
        self._flagged = np.empty(0, np.uint8)
        self._upheaval = Upheaval(self.params)
        p = self.params
        self._stabiliser = Stabiliser(p.stabilise_rows, p.stabilise_every, p.follow_zoom)
        self._light = Light(self.params.follow_contrast)
        self._scene = Scene()
        self._pose = Pose()
        self._fresh = False
        self._look = False
        self._told = False

    def apply(
        self,
        image: NDArray[Any],
        time: float | None = None,
        learning_rate: float | None = None,
        roi: NDArray[Any] | None = None,
        known_foreground: NDArray[Any] | None = None,
    ) -> NDArray[np.uint8]:
        """Learn `image` and return its labels.

        Parameters
        ----------
        image
            (height, width) or (height, width, 1 to 4), uint8, uint16 or float32, any strides.
            Three channels are taken as BGR.
        time
            Presentation time in seconds; without it `nominal_fps` is assumed.
        learning_rate
            Share of this frame in the model, 0 to 1, instead of the one that follows from `time`
            and `history`. 0 leaves every bit of the model as it was.
        roi
            (height, width), non-zero where to look. Outside is labelled 0, learns nothing, and
            costs nothing.
        known_foreground
            (height, width), non-zero where something is known to hide the background. It is
            labelled 255 and learns nothing.

        Returns
        -------
        mask
            (height, width) uint8: 0 background, 127 shadow, 255 foreground. What a pixel shows
            first is background.

        Raises
        ------
        FrameError
            An image of another size or type than the model's, with NaN, or out of its range.
        """
        pixels = self._pixels(image)
        pace = self._pace(time, learning_rate)
        if self._shape is None:
            self._begin(image.shape, image.dtype)
            self._state = online.blank(self._variant(False, True), pixels.size // self._channels)
        given = self._flags(roi, known_foreground)
        mask, shown = self._seen(image, pixels, given, pace, time)
        self._fresh = pace.rate > 0
        if self._fresh:
            self._upheaval.see(self._unheld(mask))
            if self._upheaval.is_cut and learning_rate is None:
                self._change_view(image)
                pace = self._pace(time, None)
                mask, shown = self._seen(image, pixels, given, pace, time)
                self._upheaval.see(self._unheld(mask))
            self._told = False
            self._frames += 1
            before, self._seconds = self._seconds, self._seconds + self._step(time)
            every = LOOK_SOON if self._seconds < YOUNG else LOOK_EVERY
            self._look = self._seconds // every > before // every
            self._upheaval.watch(self._step(time))
            self._stabiliser.watch(self._pose.moved, self._upheaval.touched)
            self._clock = time
            if self._frames == 1 or self._seconds // SCENE_EVERY > before // SCENE_EVERY:
                self._look_around(shown, 1.0 if self._frames == 1 else SCENE_SHARE)
        if self._pose.moved:
            mask = self._pose.shaken(mask)
            if given.size and self._pose.scale != 1:  # there and back is not the same pixel
                mask.reshape(-1)[given == online.OUTSIDE] = 0
                mask.reshape(-1)[given == online.HELD] = 255
        return mask

    def feedback(self, mask: NDArray[np.uint8]) -> None:
        """Take the cleaned mask of the last frame.

        Pixels that flicker where nothing moves are told by it from those that something crosses
        (`unrest_widen`, `unrest_lower`). Without it the model learns from its own labels alone.
        After a frame that was not learnt it is not looked at.

        Parameters
        ----------
        mask
            (height, width) uint8 labels.
        """
        if self._fresh and self._variant(False, True).feedback:
            checks.labels(mask, self._size)
            self._told = True
            if not (mask.any() or self._moving.any()):
                return
            if self._pose.moved:
                mask = self._pose.settled(mask)
            if self.params.ghost_edges and self._look and self._image is not None:
                self._judge_ghosts(mask)
            movers.remember(np.ascontiguousarray(mask), self._moving, NEAR)

    def _judge_ghosts(self, mask: NDArray[np.uint8]) -> None:
        """Note where there is a ghost, and forget the background of what was one before.

        What covers a ghost meanwhile does not make it forgotten.
        """
        if self._flagged.size:
            mask = np.where(self._flagged.reshape(self._size), np.uint8(0), mask)
        shown, learnt = self.view(), self.background()

        def pictures(rows: slice) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
            return self._eight(shown[rows]), self._eight(learnt[rows])

        ghost = np.uint8(movers.GHOST)
        found = find_ghosts(mask, self._earlier, pictures, self.params.ghost_edges) * ghost
        again = found & self._moving
        self._moving |= found
        self._moving &= ~again
        if again.any():
            online.forget(self._variant(False, True), self._state, again.reshape(-1) > 0)

    def _eight(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """An image of the model's kind as uint8."""
        if image.dtype == np.uint8:
            return image
        return np.asarray(cv2.convertScaleAbs(image, alpha=255 / self._range), np.uint8)

    def background(self) -> NDArray[Any]:
        """The mean of each pixel's heaviest mode, shape and dtype of the frames."""
        self._learnt()
        kind = np.dtype(np.uint8 if self._byte else np.float32)
        values = self._per_pixel("background", kind, self._channels)
        if kind != self._dtype:
            top = np.iinfo(self._dtype).max if self._dtype.kind == "u" else self._range
            values = np.clip(values, 0, top)
            values = np.rint(values) if self._dtype.kind == "u" else values
        return values.astype(self._dtype, copy=False).reshape(self._shape)

    def certainty(self) -> NDArray[np.float32]:
        """How much of the last `history` seconds each pixel's background explains.

        Returns
        -------
        certainty
            (height, width) float32 in [0, 1]: the weight of the background modes, times the part
            of the memory that has been filled, 1 - exp(-seconds seen / history).
        """
        filled = 1 - math.exp(-self._seconds / self.params.history)
        self._learnt()
        weight = self._per_pixel("background_weight") * np.float32(filled)
        return weight.reshape(self._size)

    def foreground_probability(self, image: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """Probability that each pixel is foreground.

        Its evidence is how far it lies from the nearest background mode, in units of the mode's
        radius; what looks like a shadow has little. The evidence is averaged over 9x9 pixels, and
        a logistic function of the root of that average, as in Platt, "Probabilistic outputs for
        support vector machines" (1999), makes it a probability. Its constants are fitted to
        benchmark sequences: of the pixels with a probability of 0.7 about 70 % were foreground.

        Parameters
        ----------
        image
            A picture of the model's size and type; by default the last one applied, which must not
            have been overwritten since.

        Returns
        -------
        probability
            (height, width) float32 in [0, 1], at most 0.96.

        Raises
        ------
        FrameError
            No frame applied yet, no image given after the model was loaded or copied, or an image
            of another size or type.
        """
        self._learnt()
        pixels, shadows, pose = self._image, self._shadows, self._pose
        if image is not None:
            pixels = self._pixels(image)
            seen = self._compared(image, self.params.stabilise)
            pose, pixels = seen.pose, np.ascontiguousarray(seen.still).reshape(-1)
            none, shadows = np.empty(0, np.uint8), self._no_shadows()
            self._label(pixels, none, STILL, None, pose.tone, shadows)
        if pixels is None:
            raise FrameError(
                "no image since the model was loaded or copied: pass one to foreground_probability"
            )
        missing = online.tiles(math.prod(self._size)) * LANES * self._channels - pixels.size
        padded = np.pad(pixels, (0, missing))
        far = self._per_pixel(
            "distance", np.dtype(np.uint8), inputs=[padded], tone=pose.tone
        ).reshape(self._size)
        shaded = shade.shown(shadows, far.size).reshape(self._size)
        found = chances(far, shaded)
        return pose.shaken(found) if pose.moved else found

    def mixtures(self) -> Modes:
        """The Gaussians of every pixel, to be read."""
        self._learnt()
        variant, n_pixels = self._variant(False, True), math.prod(self._size)
        fields = online.modes(variant, self._state, n_pixels).astype(np.float32)
        whole, level, square = online.units(variant)
        weights, variances, means = np.split(np.moveaxis(fields, 2, 0), [1, 2], axis=2)
        shape = (*self._size, variant.modes)
        return Modes(
            weights.reshape(shape) / whole,
            means[:, :, : variant.channels].reshape(*shape, variant.channels) / level,
            variances.reshape(shape) / square,
        )

    def view(self) -> NDArray[Any]:
        """The last image applied as it was compared: where, and as bright as, the learnt view is.

        Without `stabilise` and `follow_light` it is the image itself.
        """
        self._learnt()
        if self._image is None:
            raise FrameError("no image since the model was loaded: apply() one first")
        return brightened(self._image.reshape(self._shape), self._pose.tone, self._range)

    def copy(self) -> AdaptiveMixture:
        """An independent model that goes on from the same state."""
        return copy.deepcopy(self)

    def save(self, path: str | Path) -> None:
        """Write the whole model to `path`; `bgsub.load` goes on from it bit for bit.

        Raises ModelFileError, and DiskFullError when no space is left.
        """
        self._learnt()
        files.write(
            Path(path),
            files.Snapshot(
                params=self.params,
                moving=self._moving,
                earlier=self._earlier,
                reference=self._stabiliser.reference,
                dx=self._stabiliser.last.dx,
                dy=self._stabiliser.last.dy,
                scale=self._stabiliser.last.scale,
                light=self._light.reference,
                told=self._told,
                shape=self._shape or (),
                dtype=self._dtype,
                state=self._state,
                frames=self._frames,
                seconds=self._seconds,
                frames_before=self._frames_before,
                seconds_before=self._seconds_before,
                views=self._views,
                clock=self._clock,
                quiet=self._stabiliser.quiet,
                upset=self._upheaval.upset,
                adrift=self._upheaval.adrift,
                memory=self._upheaval.memory,
                full=self._upheaval.full,
                scene=self._scene,
            ),
        )

    @classmethod
    def load(cls, path: str | Path, threads: int | None = None) -> AdaptiveMixture:
        """The model that save() wrote. Raises ModelFileError for anything else."""
        snapshot = files.read(Path(path))
        model = cls(snapshot.params, threads)
        model._scene = snapshot.scene
        model._begin(snapshot.shape, snapshot.dtype)
        model._state, model._moving = online.aligned(snapshot.state), snapshot.moving
        model._earlier = snapshot.earlier
        model._told = snapshot.told
        model._frames, model._seconds = snapshot.frames, snapshot.seconds
        model._frames_before = snapshot.frames_before
        model._seconds_before = snapshot.seconds_before
        model._views = snapshot.views
        model._clock = snapshot.clock
        model._upheaval = Upheaval(
            snapshot.params, snapshot.upset, snapshot.adrift, snapshot.memory, snapshot.full
        )
        p = model.params
        model._stabiliser = Stabiliser(
            p.stabilise_rows,
            p.stabilise_every,
            p.follow_zoom,
            snapshot.reference,
            snapshot.quiet,
            Pose(snapshot.dx, snapshot.dy, scale=snapshot.scale),
        )
        model._light = Light(model.params.follow_contrast, snapshot.light)
        return model

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the frames, None before the first."""
        return self._shape

    @property
    def frames_learnt(self) -> int:
        """How many frames were learnt."""
        return self._frames_before + self._frames

    @property
    def seconds_learnt(self) -> float:
        """The time that they covered."""
        return self._seconds_before + self._seconds

    @property
    def memory_bytes(self) -> int:
        """Bytes of the model's state, earlier views included; 0 before the first frame."""
        return self._state.nbytes + sum(view.state.nbytes for view in self._views)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_image": None, "_shadows": NO_SHADOWS}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        self._state = online.aligned(self._state)

    def __repr__(self) -> str:
        size = "no frame yet" if self._shape is None else f"{self._shape}, {self._frames} frames"
        return f"AdaptiveMixture({size}, {self.params})"

    @property
    def _size(self) -> tuple[int, ...]:
        return (self._shape or (0, 0))[:2]

    @property
    def _channels(self) -> int:
        return self._shape[2] if self._shape is not None and len(self._shape) == 3 else 1

    def _learnt(self) -> None:
        if self._shape is None:
            raise FrameError("the model has seen no frame yet: apply() one first")

    def _pixels(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image as one contiguous row of numbers, after every check."""
        checked = checks.image(image, self._shape, self._dtype, self.params.value_range)
        return np.ascontiguousarray(checked).reshape(-1)

    def _flags(self, roi: NDArray[Any] | None, held: NDArray[Any] | None) -> NDArray[np.uint8]:
        if roi is None and held is None:
            return np.empty(0, np.uint8)
        flags = np.zeros(self._size, np.uint8)
        if held is not None:
            flags[checks.region("known_foreground", held, self._size)] = online.HELD
        if roi is not None:
            flags[~checks.region("roi", roi, self._size)] = online.OUTSIDE
        return flags.reshape(-1)

    def _seen(
        self,
        image: NDArray[Any],
        pixels: NDArray[Any],
        given: NDArray[np.uint8],
        pace: Pace,
        time: float | None,
    ) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Labels and pixels of a frame where the view has them; learns at a rate above 0."""
        self._image, self._flagged = shown, flags = self._steadied(image, pixels, given, pace.rate)
        if not self._shadows.kept.size:
            self._shadows = self._no_shadows()
        tone = self._pose.tone
        return self._label(shown, flags, pace, time, tone, self._shadows), shown

    def _unheld(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels of the learnt view without what is foreground because the user says so."""
        if not self._flagged.size:
            return mask
        return np.where(self._flagged.reshape(mask.shape) == online.HELD, np.uint8(0), mask)

    def _change_view(self, image: NDArray[Any]) -> None:
        """Put what was learnt aside; go on with the earlier view that the image shows, if any."""
        p, scale = self.params, 255 / self._range
        known = take_alike(self._views, shrink(image, p.stabilise_rows, scale))
        frames = self.frames_learnt
        seconds = self.seconds_learnt
        if not self._warming and p.views_kept:
            reference = self._stabiliser.reference
            if not p.stabilise:
                reference = shrink(self.background(), p.stabilise_rows, scale)
            lit = self._light.reference
            left = self._state, reference, lit, self._scene, self._frames, self._seconds
            self._views = [*self._views, View(*left)][-p.views_kept :]
        if known is None:
            blank = online.blank(self._variant(False, True), math.prod(self._size))
            known = View(blank, NOTHING, Light().reference, Scene(), 0, 0.0)
        self._state, self._scene = online.aligned(known.state), known.scene
        self._frames, self._seconds = known.frames, known.seconds
        self._frames_before = frames - known.frames
        self._seconds_before = seconds - known.seconds
        self._moving[:] = 0
        self._earlier[:] = 0
        self._upheaval = Upheaval(p)
        reference = known.reference if p.stabilise else NOTHING
        self._stabiliser = Stabiliser(p.stabilise_rows, p.stabilise_every, p.follow_zoom, reference)
        self._light = Light(p.follow_contrast, known.light)
        self._settle()

    def _steadied(
        self, image: NDArray[Any], pixels: NDArray[Any], flags: NDArray[np.uint8], rate: float
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Pixels and flags where the learnt view has them."""
        looks = self.params.stabilise and (rate == 0 or self._stabiliser.alert)
        seen = self._compared(image, looks)
        follow = seen.pose.turned(self._size, self._stabiliser.last)
        if rate > 0 and follow.moved:
            seen = self._turn(image, seen.pose, follow)
        self._pose = seen.pose
        if rate > 0:
            own = min(rate * max(self.params.settled_gain, 1.0), 1.0)
            own = max(own, 1 / (self._frames + 1))
            if looks:
                self._stabiliser.learn(seen.small, own, seen.pose)
            if self.params.follow_light:
                self._light.learn(seen.blocks, max(rate / LIGHT_LAG, 1 / (self._frames + 1)))
        if not self._pose.moved:
            return pixels, flags
        given = flags.reshape(self._size) if flags.size else np.zeros(self._size, np.uint8)
        flags = self._pose.covered(given, online.OUTSIDE).reshape(-1)
        return seen.still.reshape(-1), flags

    def _turn(self, image: NDArray[Any], pose: Pose, follow: Pose) -> Seen:
        """Follow a camera that has turned or zoomed; the image beside its new view.

        What the old view showed goes on as it was, at its new place.
        """
        scale = 255 / self._range
        most = ANEW if follow.scale != 1 else None
        source = follow.back.source(self._size)
        variant = self._variant(False, True)
        self._state = online.relaid(variant, self._state, source, most, self._workers)
        self._moving = follow.back.covered(self._moving, 0)
        self._earlier = follow.back.covered(self._earlier, 0)
        pose = pose.beside(follow)
        still = pose.still(image) if pose.moved else image
        small = shrink(image, self.params.stabilise_rows, scale)
        side = block_side(self._size, self.params.stabilise_rows)
        small = pose.times(1 / side).still(small)
        self._stabiliser.turn(small, follow.times(1 / side))
        blocks = NOTHING
        if self.params.follow_light:
            blocks = block_levels(still, scale)
            lit = brightened(blocks, pose.tone, 255.0)
            self._light = Light(self.params.follow_contrast, lit)
        return Seen(pose, still, small, blocks)

    def _compared(self, image: NDArray[Any], looks: bool) -> Seen:
        """Where, if it looks for that, and how bright an image is, and what to learn of it."""
        stabiliser = self._stabiliser if looks else None
        light = self._light if self.params.follow_light else None
        return compare(image, 255 / self._range, stabiliser, light)

    def _label(
        self,
        pixels: NDArray[Any],
        flags: NDArray[np.uint8],
        pace: Pace,
        time: float | None,
        tone: Tone,
        shadows: shade.Shadows,
    ) -> NDArray[np.uint8]:
        """Labels of pixels where the view has them; learns at a rate above 0."""
        mask = np.empty(self._size, np.uint8)

        def prepare() -> threads.Turns:
            return online.turns(
                self._variant(flags.size > 0, pace.rate > 0),
                pixels,
                self._state,
                flags,
                self._moving.reshape(-1),
                mask,
                shadows,
                self.params.shadow_unevenness,
                FEW,
                self._rates(pace, time, tone),
            )

        threads.share(prepare, self._workers)
        if not self.params.shadows or self.params.shadow_unevenness >= 1:
            np.copyto(shadows.kept, shadows.spots)
        if self.params.texture_correlation < 1:
            self._forgive(pixels.reshape(self._shape), tone, mask, shadows)
            if flags.size:
                mask.reshape(-1)[flags == online.HELD] = 255
        lit = any(abs(line.gain - 1) > LIT for line in tone)
        if self.params.shadow_casters and self.params.shadows and not lit and shadows.kept.any():
            seen = flags.reshape(self._size) if flags.size else np.empty((0, 0), np.uint8)
            side, casting = block_side(self._size, CELL_ROWS), self.params.shadow_casters
            casters.reveal(mask, shadows.ratios, shadows.kept, seen, side, casting)
        return mask

    def _forgive(
        self, image: NDArray[Any], tone: Tone, mask: NDArray[np.uint8], shadows: shade.Shadows
    ) -> None:
        """Take from the mask's foreground what is the background in another light."""
        kind = np.dtype(np.uint8)

        def learnt(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return self._per_pixel("brightness", kind, inputs=[tiles]).reshape(self._size)

        gains, offsets = self._lines_of(tone)[:, : self._channels]
        shares = LUMA if self._channels >= 3 else (1.0,)
        weights = np.zeros(self._channels, np.float32)
        weights[: len(shares)] = shares
        label = 127 if self.params.shadows else 0
        least = self.params.texture_correlation
        forgive(mask, shadows.kept, image, weights * gains, weights @ offsets, learnt, least, label)

    def _no_shadows(self) -> shade.Shadows:
        """Room to note them, which must not be shared by two frames of different pictures."""
        return shade.blank(online.tiles(math.prod(self._size)))

    def _step(self, time: float | None) -> float:
        """Seconds since the last frame; a first frame, and a clock set back, count as one frame."""
        if time is None or self._clock is None or time <= self._clock:
            return 1 / self.params.nominal_fps
        return time - self._clock

    def _pace(self, time: float | None, given: float | None) -> Pace:
        if given is not None:
            require(0 <= given <= 1, f"learning_rate must be 0 to 1, got {given}")
            return Pace(given, given)
        step = min(self._step(time), self.params.history / FEWEST)
        rate = 1 - math.exp(-step / self._upheaval.memory)
        even = max(rate, 1 / (self._frames + 1))
        rate = even if self._warming else rate
        return Pace(rate, even if self.params.even_start else rate)

    @property
    def _warming(self) -> bool:
        return self._frames == 0 or self._seconds < self.params.warmup

    def _variant(self, flagged: bool, learn: bool) -> online.Variant:
        return self._variants[flagged][learn]

    def _begin(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Settle what depends on the frames' shape and type; apply() is called often."""
        p = self.params
        self._shape, self._dtype = shape, dtype
        self._moving = np.zeros(self._size, np.uint8)
        self._earlier = np.zeros(self._size, np.uint8)
        self._range = p.value_range or RANGES[dtype.name]
        self._byte = dtype == np.uint8 and self._range == 255
        self._lines = online.AS_IT_IS * np.float32(255 / self._range)
        self._variants = [
            [
                p.variant(self._channels, byte=self._byte, flagged=flagged, learn=learn)
                for learn in (False, True)
            ]
            for flagged in (False, True)
        ]
        self._settle()

    def _look_around(self, pixels: NDArray[Any], share: float) -> None:
        """Draw what is known of the view as a whole toward a picture of it."""
        seen = look(pixels.reshape(self._shape), 255 / self._range)
        self._scene = self._scene.drawn(seen, share)
        self._settle()

    def _settle(self) -> None:
        """Work out what stays the same from frame to frame in this scene."""
        p = self.params
        colourless = self._channels == 3 and not self._scene.coloured
        darkest, faintest = shadow_ratios(p, self._scene)
        self._constants = online.constants(
            self._variants[0][1],
            match=p.match_sigmas,
            back=p.background_sigmas,
            share=p.background_share,
            floor=p.luma_floor,
            slope=p.luma_slope * (GREY if colourless or self._channels == 1 else 1),
            dark_floor=p.dark_floor,
            dark_slope=p.dark_slope,
            chroma=p.chroma_radius,
            var_init=p.initial_variance,
            var_min=p.minimum_variance,
            var_max=p.maximum_variance,
            dimmest=darkest,
            faintest=faintest,
            tint=0.0 if colourless else p.shadow_tint,
            widen=p.unrest_widen,
            lower=p.unrest_lower,
        )

    def _rates(
        self,
        pace: Pace,
        time: float | None = None,
        tone: Tone = (),
    ) -> online.Rates:
        p, warming, rate = self.params, self._warming, pace.rate
        sure = 0.5 * math.exp(-self._seconds / p.settling) if p.settling else 0.0
        alike = warming or self._upheaval.adrift
        noise = max(p.noise_rate, p.foreground_rate) if self._told else p.foreground_rate
        memory = 1 - math.exp(-min(self._step(time) / p.unrest_memory, 1 / FEWEST))
        steps = online.Steps(
            alpha=pace.background,
            alpha_foreground=rate if alike else rate * p.foreground_rate,
            alpha_noise=rate if alike else rate * noise,
            gain=0.0 if warming else min(rate * p.settled_gain, 1.0),
            prune=rate * p.prune,
            unrest=memory if self._told else 0.0,
            bar=max(p.weight_bar, sure),
        )
        lines = self._lines_of(tone)
        return online.rates(self._constants, frame=self._frames, steps=steps, tone=lines)

    def _lines_of(self, tone: Tone) -> NDArray[np.float32]:
        """Gains and offsets, (2, CHANNELS), that bring each channel to the levels of the view."""
        if not tone:
            return self._lines
        lines = self._lines.copy()
        lines[0, : len(tone)] *= [line.gain for line in tone]
        lines[1, : len(tone)] = [line.offset for line in tone]
        return lines

    def _per_pixel(
        self,
        kernel: str,
        dtype: np.dtype[Any] = np.dtype(np.float32),  # noqa: B008
        width: int = 1,
        inputs: Sequence[NDArray[Any]] = (),
        tone: Tone = (),
    ) -> NDArray[Any]:
        """The numbers that a kernel makes of each pixel's state, in one row."""
        run = getattr(online.load(self._variant(False, True)), kernel)
        n_pixels = math.prod(self._size)
        out = np.empty(online.tiles(n_pixels) * LANES * width, dtype)
        state, rates = self._state, self._rates(STILL, tone=tone)

        def work(first: int, last: int) -> None:
            run(state, *inputs, out, first, last, rates)

        threads.split(work, online.tiles(n_pixels), self._workers)
        return out[: n_pixels * width]

    @property
    def _workers(self) -> int:
        most = max(1, math.prod(self._size) // PIXELS_PER_THREAD)
        return min(self.threads or threads.available(), most)
