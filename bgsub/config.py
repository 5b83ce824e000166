"""Settings of a run: TOML to params. The only reader of configuration files."""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import re
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from bgsub.errors import ConfigError, require
from bgsub.masks import MaskParams
from bgsub.models import PRESETS, MixtureParams, preset
from bgsub.models.params import Seconds
from bgsub.sinks import FORMATS

Params = TypeVar("Params")
MaskFormat = Literal["ffv1", "png", "cdnet", "npz", "none"]

DEFAULT_PRESET = "balanced"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputParams:
    """Which frames are looked at.

    Raises
    ------
    ConfigError
        A value out of its range; the message names it.
    """

    start: Seconds | None = None
    """Frames from this time of the video on."""
    end: Seconds | None = None
    """Frames before this time of the video."""
    every: int = 1
    """Keep each n-th frame."""
    scale: float = 1.0
    """Factor of the picture's size, above 0 and at most 4."""
    fps: float | None = None
    """Pictures a second of a folder or glob, which else has no time."""
    reader: Literal["auto", "av", "opencv"] = "auto"
    """What reads video files; auto takes av where it is installed."""

    def __post_init__(self) -> None:
        require(self.every >= 1, f"every must be at least 1, got {self.every}")
        require(0 < self.scale <= 4, f"scale must be above 0 and at most 4, got {self.scale}")
        require(self.fps is None or self.fps > 0, f"fps must be above 0, got {self.fps}")
        require(
            self.start is None or self.start >= 0, f"start must not be negative, got {self.start}"
        )
        require(
            self.end is None or self.end > (self.start or 0.0),
            f"end must come after start, got {self.start} to {self.end}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputParams:
    """What is written.

    Raises
    ------
    ConfigError
        An unknown format.
    """

    format: MaskFormat = "ffv1"
    """Form of the masks: "ffv1" (grey FFV1 in MKV), "png" (mask_%06d.png), "cdnet"
    (bin%06d.png), "npz" (packed bits, indexed), or "none"."""
    overlay: bool = False
    """A video of the frames with what was found drawn over them."""
    background: bool = False
    """A picture of the background at the end."""
    stats: bool = False
    """A table (CSV) with a row for each frame."""

    def __post_init__(self) -> None:
        known = (*FORMATS, "none")
        require(
            self.format in known, f"format must be one of {', '.join(known)}, got {self.format!r}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that `bgsub run` can be told by a file, a table for each part."""

    input: InputParams = field(default_factory=InputParams)
    model: MixtureParams = field(default_factory=lambda: preset(DEFAULT_PRESET))
    mask: MaskParams = field(default_factory=MaskParams)
    output: OutputParams = field(default_factory=OutputParams)


def load(path: str | Path, preset_name: str | None = None) -> RunConfig:
    """The settings of a TOML file.

    Parameters
    ----------
    path
        A file with the tables [input], [model], [mask], [output], each of them optional. In
        [model], `preset = "fast"` names what the other keys change.
    preset_name
        Taken instead of the preset that the file names.

    Raises
    ------
    ConfigError
        The file cannot be read, or a key or value is none that bgsub knows; with its place.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    model = tables.get("model")
    named = model.pop("preset", DEFAULT_PRESET) if isinstance(model, dict) else DEFAULT_PRESET
    require(
        isinstance(named, str) and named in PRESETS,
        f"{path}: model: preset: expected one of {', '.join(PRESETS)}, got {named!r}",
    )
    return build(RunConfig(model=preset(preset_name or named)), tables, str(path))


def build(base: Params, data: Any, where: str) -> Params:
    """`base`, a dataclass, with the values of `data`; refuses what nobody would read.

    Raises ConfigError with the place `where`.
    """
    require(isinstance(data, Mapping), f"{where}: expected a table, got {data!r}")
    kind: Any = type(base)
    hints = get_type_hints(kind, include_extras=True)
    known = [f.name for f in fields(kind)]
    changes = {}
    for name, value in data.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"{where}: unknown key {name!r}{hint}; known: {', '.join(known)}")
        place = f"{where}: {name}"
        old = getattr(base, name)
        changes[name] = (
            build(old, value, place) if is_dataclass(old) else _value(hints[name], value, place)
        )
    try:
        return replace(base, **changes)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def seconds(text: str | float) -> float:
    """A duration in seconds, from 500ms, 2s, 1m30s, 1h or 01:02:03.5.

    Raises ConfigError for anything else; a bare number has no unit, so it is refused.

    Examples
    --------
    >>> seconds("1m30s"), seconds("500ms"), seconds("01:02.5")
    (90.0, 0.5, 62.5)
    """
    word = str(text).strip()
    if clock := _CLOCK.fullmatch(word):
        hours, minutes, rest = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
    parts = _DURATION.fullmatch(word)
    if not word or parts is None:
        raise ConfigError(f"expected a duration such as 500ms, 2s, 1m30s or 01:02:03, got {text!r}")
    hours, minutes, whole, milli = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + whole + milli / 1000


def to_toml(settings: Any, *, documented: bool = False) -> str:
    """Settings as TOML text that `load` reads again; with each key's meaning if `documented`."""
    tables = []
    for part in fields(settings):
        table = getattr(settings, part.name)
        lines = [f"[{part.name}]"]
        words = _docstrings(type(table)) if documented else {}
        for key in fields(table):
            if documented:
                lines += ["", *textwrap.wrap(words[key.name], 98, **_COMMENT)]
            value = getattr(table, key.name)
            lines.append(f"# {key.name} =" if value is None else f"{key.name} = {_toml(value)}")
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


_COMMENT: dict[str, Any] = {"initial_indent": "# ", "subsequent_indent": "# "}


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value`, if the annotation `hint` admits it."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if hint == Seconds and isinstance(value, str):
        try:
            return seconds(value)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    if get_origin(hint) is Literal:
        known = get_args(hint)
        require(
            value in known, f"{where}: expected one of {', '.join(map(str, known))}, got {value!r}"
        )
        return value
    kind = float if hint == Seconds else hint
    if kind is float and type(value) is int:
        return float(value)
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
    if hint == Seconds:
        wanted = 'a duration such as "20s", or seconds'
    require(type(value) is kind, f"{where}: expected {wanted}, got {value!r}")
    require(kind is not float or math.isfinite(value), f"{where}: expected {wanted}, got {value!r}")
    return value


def _toml(value: bool | int | float | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _docstrings(kind: type) -> dict[str, str]:
    """The docstring below each field of a dataclass."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    words = {}
    for line, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(line.target, ast.Name)
            words[line.target.id] = inspect.cleandoc(ast.literal_eval(after.value))
    return words
