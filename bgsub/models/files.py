"""Models on disk: a zip of a JSON description and one array. Nothing in it can run code."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgsub.errors import ConfigError, DiskFullError, ModelFileError
from bgsub.kernels import online
from bgsub.models import checks, light, stabilise
from bgsub.models.params import MixtureParams
from bgsub.models.scene import Scene
from bgsub.models.views import View

FORMAT, VERSION = "bgsub-model", 7
ARRAYS = ["earlier", "light", "lights", "moving", "reference", "references", "state", "states"]
CONTENT = ["about.json", *(f"{name}.npy" for name in ARRAYS)]
LARGEST_ABOUT = 1 << 16
BLOCK = 1 << 20  # bytes read at once
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal models give equal files


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a model is."""

    params: MixtureParams
    shape: tuple[int, ...]
    """Of the frames."""
    dtype: np.dtype[Any]
    """Of the frames."""
    state: NDArray[Any]
    moving: NDArray[np.uint8]
    """(height, width) bits of the last two cleaned masks, and of ghosts."""
    earlier: NDArray[np.uint8]
    """(height, width) luma when ghosts were last looked for."""
    reference: NDArray[np.float32]
    """The stabiliser's small picture; (0, 0) without one."""
    dx: float
    """Where the last frame lay, as its pose says."""
    dy: float
    scale: float
    light: NDArray[np.float32]
    """How bright the view is, block by block; (0, 0, 0) where it is not followed."""
    told: bool
    """Whether the last frame's cleaned mask has come."""
    frames: int
    """Learnt so far of this view."""
    seconds: float
    """Learnt so far of this view."""
    frames_before: int
    """Learnt of all others."""
    seconds_before: float
    """Learnt of all others."""
    views: list[View]
    """Seen before, and remembered."""
    clock: float | None
    """Time of the last frame learnt, seconds."""
    quiet: int
    """Frames learnt since the camera last moved."""
    upset: float
    """Share of the cells that hold foreground, averaged over a second."""
    adrift: bool
    """Whether the view as a whole is changing."""
    memory: float
    """The history in use, seconds."""
    full: float
    """Share of the cells that were half foreground in the last frame."""
    scene: Scene
    """The view as a whole."""


def write(path: Path, snapshot: Snapshot) -> None:
    """Write `snapshot`; `path` gets its name when the file is complete."""
    views = snapshot.views
    about = {
        "format": FORMAT,
        "version": VERSION,
        "params": asdict(snapshot.params),
        "shape": snapshot.shape,
        "dtype": snapshot.dtype.name,
        "frames": snapshot.frames,
        "seconds": snapshot.seconds,
        "frames_before": snapshot.frames_before,
        "seconds_before": snapshot.seconds_before,
        "views": [[view.frames, view.seconds, view.scene._asdict()] for view in views],
        "clock": snapshot.clock,
        "told": snapshot.told,
        "quiet": snapshot.quiet,
        "upset": snapshot.upset,
        "adrift": snapshot.adrift,
        "memory": snapshot.memory,
        "full": snapshot.full,
        "scene": snapshot.scene._asdict(),
        "dx": snapshot.dx,
        "dy": snapshot.dy,
        "scale": snapshot.scale,
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(_entry("about.json"), json.dumps(about, indent=1))
            for name, array in _arrays(snapshot).items():
                data = io.BytesIO()
                np.lib.format.write_array(data, array, allow_pickle=False)
                archive.writestr(_entry(f"{name}.npy"), data.getbuffer())
        with part.open("rb") as written:
            os.fsync(written.fileno())
        Path.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        kind = DiskFullError if error.errno == errno.ENOSPC else ModelFileError
        raise kind(f"cannot write the model {path}: {error.strerror or error}") from error


def _arrays(snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    """The arrays by name; those of all views that were left are one, a view after the other."""
    made = {
        "state": snapshot.state,
        "moving": snapshot.moving,
        "earlier": snapshot.earlier,
        "reference": snapshot.reference,
        "light": snapshot.light,
    }
    for name, field in (("states", "state"), ("references", "reference"), ("lights", "light")):
        left = [getattr(view, field) for view in snapshot.views]
        made[name] = np.stack(left) if left else np.empty(0, np.uint8)
    return made


def read(path: Path) -> Snapshot:
    """The snapshot in `path`. Raises ModelFileError for anything but a whole model file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _snapshot(_about(archive), archive)
    except ModelFileError as error:
        raise ModelFileError(f"cannot read the model {path}: {error}") from None
    except OSError as error:
        raise ModelFileError(f"cannot read the model {path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ModelFileError(
            f"cannot read the model {path}: it is damaged, or no model file; "
            "models are written by `--save-model` and save()"
        ) from error


def _about(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The description, if this version can read what it describes."""
    names = archive.namelist()
    if sorted(names) != CONTENT:
        raise ModelFileError(f"it is no model file: it does not hold {', '.join(CONTENT)}")
    if archive.getinfo("about.json").file_size > LARGEST_ABOUT:
        raise ModelFileError("its description is damaged")
    try:
        about = json.loads(archive.read("about.json"))
    except ValueError as error:
        raise ModelFileError("its description is damaged") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ModelFileError("it is no model file")
    version = about.get("version")
    if version != VERSION:
        raise ModelFileError(
            f"it has format version {version}, and this bgsub reads version {VERSION}; "
            "install the bgsub that wrote it"
        )
    return about


def _snapshot(about: dict[str, Any], archive: zipfile.ZipFile) -> Snapshot:
    try:
        params = MixtureParams(**about["params"])
        shape = tuple(int(n) for n in about["shape"])
        dtype = np.dtype(about["dtype"])
        frames, seconds = int(about["frames"]), float(about["seconds"])
        clock = None if about["clock"] is None else float(about["clock"])
        told, adrift = bool(about["told"]), bool(about["adrift"])
        quiet = int(about["quiet"])
        upset, memory = float(about["upset"]), float(about["memory"])
        dx, dy, scale = (float(about[name]) for name in ("dx", "dy", "scale"))
        frames_before = int(about["frames_before"])
        seconds_before, full = float(about["seconds_before"]), float(about["full"])
        scene = _scene(about["scene"])
        left = [(int(n), float(t), _scene(seen)) for n, t, seen in about["views"]]
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"its description is damaged ({error})") from error
    if len(shape) not in (2, 3) or min(shape) < 1 or dtype.name not in checks.TYPES:
        raise ModelFileError(f"its description is damaged ({dtype} frames of shape {shape})")
    variant = params.variant(shape[2] if len(shape) == 3 else 1)
    state = _array(archive, "state.npy", *online.layout(variant, shape[0] * shape[1]))
    moving = _array(archive, "moving.npy", shape[:2], np.dtype(np.uint8))
    earlier = _array(archive, "earlier.npy", shape[:2], np.dtype(np.uint8))
    floats = np.dtype(np.float32)
    size = stabilise.small_size(shape, params.stabilise_rows)
    small = size if params.stabilise else (0, 0)
    reference = _array(archive, "reference.npy", small, floats)
    blocks = (*light.BLOCKS[::-1], variant.channels) if params.follow_light else (0, 0, 0)
    bright = _array(archive, "light.npy", blocks, floats)

    def each(name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
        whole, dtype = ((len(left), *shape), kind) if left else ((0,), np.dtype(np.uint8))
        return _array(archive, name, whole, dtype)

    states = each("states.npy", state.shape, state.dtype)
    references = each("references.npy", size, floats)
    lights = each("lights.npy", blocks, floats)
    views = [
        View(states[n], references[n], lights[n], scene, frames, seconds)
        for n, (frames, seconds, scene) in enumerate(left)
    ]
    return Snapshot(
        params=params,
        shape=shape,
        dtype=dtype,
        state=state,
        moving=moving,
        earlier=earlier,
        reference=reference,
        dx=dx,
        dy=dy,
        scale=scale,
        light=bright,
        told=told,
        frames=frames,
        seconds=seconds,
        frames_before=frames_before,
        seconds_before=seconds_before,
        views=views,
        clock=clock,
        quiet=quiet,
        upset=upset,
        adrift=adrift,
        memory=memory,
        full=full,
        scene=scene,
    )


def _scene(seen: dict[str, Any]) -> Scene:
    return Scene(float(seen["dark"]), float(seen["bright"]), bool(seen["coloured"]))


def _array(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """One array, its header compared with what the description asks for before it is read."""
    with archive.open(name) as file:
        try:
            np.lib.format.read_magic(file)
            found, fortran, kind = np.lib.format.read_array_header_1_0(file)
        except ValueError as error:
            raise ModelFileError(f"{name} is damaged") from error
        if found != shape or kind != dtype or fortran:
            raise ModelFileError(f"{name} is {kind} {found}, where {dtype} {shape} is needed")
        array = np.empty(shape, dtype)
        view = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            block = file.read(min(BLOCK, len(view) - done))
            if not block:
                raise ModelFileError(f"{name} is cut short")
            view[done : done + len(block)] = block
            done += len(block)
        if file.read(1):
            raise ModelFileError(f"{name} is longer than its frames need")
        return array


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
